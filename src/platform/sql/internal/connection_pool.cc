#include "platform/sql/internal/connection_pool.h"

namespace atrium::sql {
namespace {

constexpr auto kFailFast = std::chrono::milliseconds(500);

}  // namespace

Result<ConnectionPool::Lease> ConnectionPool::acquire(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    if (!freed_.wait_for(lock, timeout, [this] { return !idle_.empty() || open_ < limit_; })) {
        return fail(unavailable("all database connections are busy; please retry"));
    }
    if (!idle_.empty()) {
        auto connection = std::move(idle_.back());
        idle_.pop_back();
        return Lease(*this, std::move(connection));
    }
    if (last_failure_ && std::chrono::steady_clock::now() - failed_at_ < kFailFast) return fail(*last_failure_);
    ++open_;
    lock.unlock();
    auto connection = connect_();
    if (connection) {
        lock.lock();
        last_failure_.reset();
        return Lease(*this, std::move(*connection));
    }
    lock.lock();
    --open_;
    last_failure_ = connection.error();
    failed_at_ = std::chrono::steady_clock::now();
    lock.unlock();
    freed_.notify_one();
    return fail(std::move(connection).error());
}

void ConnectionPool::give_back(std::unique_ptr<Connection> connection) {
    std::vector<std::unique_ptr<Connection>> gone;  // closed outside of the lock
    {
        std::scoped_lock lock(mutex_);
        if (connection->broken()) {
            // A server that restarted took the idle ones with it.
            gone = std::exchange(idle_, {});
            open_ -= static_cast<int>(gone.size()) + 1;
            gone.push_back(std::move(connection));
        } else {
            idle_.push_back(std::move(connection));
        }
    }
    freed_.notify_one();
}

}  // namespace atrium::sql
