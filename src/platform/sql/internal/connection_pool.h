#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "platform/sql/internal/connection.h"

namespace atrium::sql {

/// At most `limit` connections, made when first needed and replaced when they broke. Blocking; thread-safe.
/// After a failed attempt to connect, callers of the next half second get the same answer at once: with the server
/// away, each of them would otherwise hold an SQL thread for the whole connect timeout.
class ConnectionPool {
public:
    using Connect = std::function<Result<std::unique_ptr<Connection>>()>;

    ConnectionPool(int limit, Connect connect) : limit_(limit), connect_(std::move(connect)) {}

    /// A borrowed connection; goes back when destroyed.
    class Lease {
    public:
        Lease(ConnectionPool& pool, std::unique_ptr<Connection> connection)
            : pool_(&pool), connection_(std::move(connection)) {}
        Lease(Lease&&) noexcept = default;
        Lease& operator=(Lease&&) = delete;
        ~Lease() {
            if (connection_) pool_->give_back(std::move(connection_));
        }
        Connection& operator*() const { return *connection_; }
        Connection* operator->() const { return connection_.get(); }

    private:
        ConnectionPool* pool_;
        std::unique_ptr<Connection> connection_;
    };

    /// Waits up to `timeout` for a free one; kUnavailable when there is none or the server is away.
    Result<Lease> acquire(std::chrono::milliseconds timeout);

private:
    void give_back(std::unique_ptr<Connection> connection);

    const int limit_;
    const Connect connect_;
    std::mutex mutex_;
    std::condition_variable freed_;
    std::vector<std::unique_ptr<Connection>> idle_;
    int open_ = 0;  ///< idle and borrowed
    std::optional<Error> last_failure_;
    std::chrono::steady_clock::time_point failed_at_;
};

}  // namespace atrium::sql
