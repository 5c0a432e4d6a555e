#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
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
///  4 | backoff      | the delay is over (0.1 s · 2ⁿ, ≤ 30 s)             | starting
///  5 | backoff      | 3 crashes in 5 minutes                             | quarantined
///  6 | quarantined  | `restart()` is called                              | starting
///  7 | any          | `stop()`: SIGTERM, then SIGKILL after the grace    | stopped
enum class ChildState { kStopped, kStarting, kReady, kBackoff, kQuarantined };
std::string_view child_state_name(ChildState state);

struct SupervisedChild {
    std::string name;  ///< for logs and metrics
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    SandboxLimits limits;
    std::function<Task<bool>()> is_ready;    ///< polled every 50 ms while starting
    std::function<Task<bool>()> is_healthy;  ///< polled every 2 s while ready; a liveness of progress, not of a page
    std::chrono::milliseconds start_deadline{120'000};
    std::chrono::milliseconds stop_grace{5'000};
    std::function<void(std::string_view line)> on_log_line;  ///< each line of the child's stderr
};

/// Restarts a child with backoff and quarantines one that keeps crashing. Belongs to one io thread; owned by
/// whoever needs the child. The child dies with this process (parent-death signal) and takes its process group along.
class Supervisor {
public:
    Supervisor(boost::asio::io_context& context, const Clock& clock, SupervisedChild child);
    ~Supervisor();  ///< after stop() only

    void start();
    Task<> stop();
    void restart();  ///< also out of quarantine

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
