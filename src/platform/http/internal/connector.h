#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "base/stop.h"
#include "platform/async/runtime.h"
#include "platform/http/client.h"
#include "platform/http/internal/channel.h"

namespace atrium::http::internal {

/// Lets a StopToken, fired on any thread, interrupt a wire for as long as this object lives and no longer: the wire
/// may belong to another request afterwards. Belongs to the wire's thread.
class StopGuard {
public:
    StopGuard(const std::shared_ptr<Wire>& wire, StopToken stop);
    ~StopGuard() { target_->wire.reset(); }

private:
    struct Target {
        std::shared_ptr<Wire> wire;  ///< touched on the wire's thread only
    };
    struct OnStop {
        std::shared_ptr<Target> target;
        std::shared_ptr<IoThread::Address> address;
        void operator()() const;
    };
    std::shared_ptr<Target> target_;
    std::optional<StopCallback<OnStop>> callback_;
};

/// Opens connections: names are resolved and authorities loaded on threads of its own, as both block; addresses are
/// tried in turn. Shared by all io threads; thread-safe.
class Connector {
public:
    explicit Connector(std::string ca_file) : ca_file_(std::move(ca_file)) {}

    /// kUnavailable with the address and the reason, kDeadlineExceeded, kCancelled.
    Task<Result<std::unique_ptr<Channel>>> connect(Url url, std::chrono::nanoseconds timeout, StopToken stop);

private:
    struct Address;
    Task<Result<std::vector<Address>>> resolve(const Url& url, SteadyTime deadline, StopToken stop);
    Result<std::shared_ptr<const tls::Trust>> trust();  ///< blocks the first time
    std::shared_ptr<const tls::Trust> loaded_trust();   ///< null before
    Task<Result<std::shared_ptr<const tls::Trust>>> load_trust(SteadyTime deadline, StopToken stop);
    ThreadPool& resolvers();
    ThreadPool& loader();

    const std::string ca_file_;
    std::mutex mutex_;
    std::shared_ptr<const tls::Trust> trust_;
    std::unique_ptr<ThreadPool> resolvers_;
    std::unique_ptr<ThreadPool> loader_;  ///< last: its threads are joined before anything they use is gone
};

}  // namespace atrium::http::internal
