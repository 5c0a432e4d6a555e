#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "platform/http/internal/channel.h"

namespace atrium::http::internal {

/// The idle connections of one client on one io thread. Each keeps its read outstanding, so one that the server closes
/// leaves the pool by itself. Single-threaded; destroyed with the thread.
class Pool {
public:
    Pool(IoThread& thread, int max_idle_per_origin, std::chrono::nanoseconds idle_timeout)
        : thread_(thread), max_idle_(static_cast<std::size_t>(max_idle_per_origin)), idle_timeout_(idle_timeout) {}

    /// The connection used last, or nothing.
    std::unique_ptr<Channel> take(const std::string& origin);
    void put(const std::string& origin, std::unique_ptr<Channel> channel);

private:
    struct Idle {
        Idle(Pool& p, const std::string& o, std::unique_ptr<Channel> c);
        Pool& pool;
        const std::string origin;
        std::unique_ptr<Channel> channel;
        Deadline expiry;
    };
    void drop(Idle* idle);

    IoThread& thread_;
    const std::size_t max_idle_;
    const std::chrono::nanoseconds idle_timeout_;
    std::unordered_map<std::string, std::vector<std::unique_ptr<Idle>>> idle_;
};

}  // namespace atrium::http::internal
