#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "platform/async/runtime.h"
#include "platform/process/child.h"

namespace atrium::process {

/// A long-lived child and what keeps it alive.
///
///  # | state        | leaves when                                        | to
///  1 | starting     | `is_ready` says so                                 | ready
///  2 | starting     | it exits, or `start_deadline` passes (killed)      | backoff
///  3 | ready        | it exits, or `is_healthy` fails 3 times (killed)   | backoff
///  4 | backoff      | the delay is over (0.1 s · 2ⁿ, ≤ 30 s), or `restart()` | starting
///  5 | backoff      | 3 crashes in 5 minutes                             | quarantined
///  6 | quarantined  | `restart()` is called                              | starting
///  7 | any          | `stop()`: SIGTERM, then SIGKILL after the grace    | stopped
///
/// n counts the crashes since the child was last ready for 5 minutes. A child that cannot be started counts as crashed.
enum class ChildState { kStopped, kStarting, kReady, kBackoff, kQuarantined };
std::string_view child_state_name(ChildState state);

struct SupervisedChild {
    std::string name;  ///< for logs and metrics
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    SandboxLimits limits;
    /// Polled every `ready_every` while starting; none: ready once started. Probes need deadlines of their own, because stop()
    /// waits for the one under way.
    std::function<Task<bool>()> is_ready;
    std::function<Task<bool>()> is_healthy;  ///< polled every `healthy_every`; a liveness of progress, not of a page
    std::chrono::milliseconds start_deadline{120'000};
    std::chrono::milliseconds stop_grace{5'000};
    std::function<void(std::string_view line)> on_log_line;  ///< each line of the child's stderr and stdout, ≤ 16 KiB
    std::chrono::milliseconds ready_every{50};
    std::chrono::milliseconds healthy_every{2'000};
};

/// Restarts a child with backoff and quarantines one that keeps crashing. Belongs to one io thread; owned by
/// whoever needs the child. The child dies with this process (parent-death signal) and takes its process group along.
/// state(), process_id(), restarts() and last_failure() may be called from any thread.
class Supervisor {
public:
    Supervisor(boost::asio::io_context& context, const Clock& clock, SupervisedChild child);
    ~Supervisor();  ///< after stop() only

    void start();   ///< no effect when started
    Task<> stop();  ///< returns when the child is gone and no probe runs; start() may follow
    void restart();  ///< also out of quarantine; a running child is stopped first, with the same grace

    ChildState state() const;
    int process_id() const;  ///< 0 when not running
    int restarts() const;
    /// Why it is not ready: "exited with 139 (SIGSEGV) …". Empty when ready.
    std::string last_failure() const;
    /// Waits until ready; kUnavailable with the reason on timeout or quarantine.
    Task<Result<>> wait_ready(std::chrono::milliseconds timeout);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace atrium::process
