#pragma once

#include <deque>
#include <memory>
#include <mutex>

#include "platform/sql/database.h"
#include "platform/sql/internal/connection_pool.h"

namespace atrium::sql {

/// Database over connection pools: one writer and several readers for an SQLite file, one connection for SQLite in
/// memory, one pool for both modes on PostgreSQL.
class PooledDatabase final : public Database {
public:
    PooledDatabase(Location location, int threads);
    ~PooledDatabase() override;

    /// Connects once, so that a wrong path or a damaged file is found at start-up.
    Result<> probe();

    Result<> migrate(std::span<const Migration> migrations) override;
    std::string_view backend() const override;

protected:
    ThreadPool& pool(Mode mode) override;
    Result<> transact(Mode mode, const std::function<Result<>(Session&)>& work) override;
    Task<Result<>> transact_queued(std::function<Result<>(Session&)> work) override;

private:
    /// A write that waits for the single writer.
    struct Waiting;
    enum class Verdict { kDone, kFailed, kContended, kLostConnection };
    struct Attempt {
        Verdict verdict;
        Result<> result;
    };
    static Attempt attempt(Connection& connection, Access access, const std::function<Result<>(Session&)>& work);
    ConnectionPool& connections(Mode mode);
    void run_waiting();

    const Location location_;
    const int threads_;
    std::mutex waiting_mutex_;
    std::deque<std::shared_ptr<Waiting>> waiting_;
    std::unique_ptr<ConnectionPool> writers_;
    std::unique_ptr<ConnectionPool> readers_;  ///< null: the writers read as well
    // Last, so that they finish their queues while the connections are still there.
    std::unique_ptr<ThreadPool> write_threads_;
    std::unique_ptr<ThreadPool> read_threads_;
};

/// The part of migrate() that runs inside one transaction: applies the first migration that is missing, and says
/// whether there was one.
Result<bool> apply_next(Connection& connection, std::span<const Migration> migrations);

}  // namespace atrium::sql
