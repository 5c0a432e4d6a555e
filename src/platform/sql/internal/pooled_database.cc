#include "platform/sql/internal/pooled_database.h"

#include <chrono>
#include <random>
#include <thread>

#include "observability/log/log.h"

namespace atrium::sql {
namespace {

using namespace std::chrono_literals;

// Long enough for a queue of writers, short enough for a client that waits.
constexpr auto kConnectionWait = 10s;
constexpr auto kRetryFor = 10s;
/// Writes in one commit. Each waits for all of them, so there are not too many.
constexpr std::size_t kMostTogether = 32;

/// Which database this thread is in a transaction of; a second one would wait for the first for ever.
thread_local const Database* current_database = nullptr;

void pause_before_retry(int attempt) {
    thread_local std::minstd_rand random(std::random_device{}());
    const int most = std::min(200, 2 << std::min(attempt, 7));
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(1, most)(random)));
}

}  // namespace

struct PooledDatabase::Waiting {
    std::function<Result<>(Session&)> work;
    Result<> result;
    Event done;

    void finish(Result<> outcome) {
        result = std::move(outcome);
        done.set();
    }
};

PooledDatabase::PooledDatabase(Location location, int threads)
    : location_(std::move(location)), threads_(std::max(1, threads)) {
    if (location_.dialect == Dialect::kPostgresql) {
        writers_ = std::make_unique<ConnectionPool>(threads_, [this] { return connect_postgresql(location_); });
        write_threads_ = std::make_unique<ThreadPool>("sql", threads_);
        return;
    }
    writers_ = std::make_unique<ConnectionPool>(1, [this] { return connect_sqlite(location_, Access::kWrite); });
    write_threads_ = std::make_unique<ThreadPool>("sql-write", 1);
    if (location_.in_memory()) return;
    readers_ = std::make_unique<ConnectionPool>(threads_, [this] { return connect_sqlite(location_, Access::kRead); });
    read_threads_ = std::make_unique<ThreadPool>("sql-read", threads_);
}

PooledDatabase::~PooledDatabase() = default;

std::string_view PooledDatabase::backend() const { return dialect_name(location_.dialect); }

Result<> PooledDatabase::probe() {
    TRY_ASSIGN([[maybe_unused]] const auto writer, writers_->acquire(kConnectionWait));
    return {};
}

ThreadPool& PooledDatabase::pool(Mode mode) {
    return mode == Mode::kRead && read_threads_ ? *read_threads_ : *write_threads_;
}

ConnectionPool& PooledDatabase::connections(Mode mode) {
    return mode == Mode::kRead && readers_ ? *readers_ : *writers_;
}

PooledDatabase::Attempt PooledDatabase::attempt(Connection& connection, Access access,
                                                const std::function<Result<>(Session&)>& work) {
    // Nothing is committed before COMMIT was sent, so up to there a lost connection may be tried again.
    const auto failed = [&connection](Error error) -> Attempt {
        connection.rollback();
        const Verdict verdict = connection.contended() ? Verdict::kContended
                                : connection.broken()  ? Verdict::kLostConnection
                                                       : Verdict::kFailed;
        return {verdict, fail(std::move(error))};
    };
    if (auto begun = connection.begin(access); !begun) return failed(std::move(begun).error());
    Result<> done;
    try {
        done = work(connection);
    } catch (const std::exception& exception) {
        done = fail(internal_error(std::string("an exception in a transaction: ") + exception.what()));
    }
    if (connection.doomed()) {
        // Also when `work` swallowed it: half a transaction is not what was asked for. Its own error, if any, says more.
        return failed(done || connection.contended() || connection.broken() ? *connection.doomed()
                                                                             : std::move(done).error());
    }
    if (!done) {
        connection.rollback();
        return {Verdict::kFailed, std::move(done)};
    }
    auto committed = connection.commit();
    if (committed) return {Verdict::kDone, {}};
    Attempt lost = failed(std::move(committed).error());
    if (lost.verdict == Verdict::kLostConnection) {
        lost = {Verdict::kFailed, fail(unavailable("the connection to the database was lost during a commit; it is not known "
                                                   "whether the change was made")
                                           .with_reason("commit_unknown")
                                           .with_cause(lost.result.error()))};
    }
    return lost;
}

Result<> PooledDatabase::transact(Mode mode, const std::function<Result<>(Session&)>& work) {
    if (current_database == this) return fail(internal_error("a transaction was started inside another one"));
    struct Inside {
        const Database* outer;
        explicit Inside(const Database* inner) : outer(std::exchange(current_database, inner)) {}
        ~Inside() { current_database = outer; }
    } inside(this);

    const auto give_up = std::chrono::steady_clock::now() + kRetryFor;
    for (int number = 0;; ++number) {
        Attempt outcome{Verdict::kFailed, {}};
        {
            TRY_ASSIGN(const auto connection, connections(mode).acquire(kConnectionWait));
            outcome = attempt(*connection, mode == Mode::kRead ? Access::kRead : Access::kWrite, work);
        }
        if (outcome.verdict == Verdict::kDone || outcome.verdict == Verdict::kFailed) return std::move(outcome.result);
        // Each idle connection may be dead after a restart of the server, but only once.
        const bool lost_too_often = outcome.verdict == Verdict::kLostConnection && number > threads_;
        if (lost_too_often || std::chrono::steady_clock::now() >= give_up) return std::move(outcome.result);
        log::debug("a transaction is tried again", {{"attempt", number + 1}, {"error", outcome.result.error()}});
        pause_before_retry(number);
    }
}

Task<Result<>> PooledDatabase::transact_queued(std::function<Result<>(Session&)> work) {
    if (location_.dialect != Dialect::kSqlite) {  // a pool of writers, whose commits the server groups by itself
        auto job = [this, work = std::move(work)] { return transact(Mode::kWrite, work); };
        co_return co_await offload(*write_threads_, std::move(job));
    }
    const auto mine = std::make_shared<Waiting>();
    mine->work = std::move(work);
    {
        const std::scoped_lock lock(waiting_mutex_);
        waiting_.push_back(mine);
    }
    if (!write_threads_->post([this] { run_waiting(); })) {
        const std::scoped_lock lock(waiting_mutex_);
        // Unless the writer has taken it already.
        if (std::erase(waiting_, mine) > 0) co_return fail(resource_exhausted("the server is overloaded, please retry"));
    }
    // No deadline, as in offload: the writer always answers.
    while (!mine->done.is_set()) co_await mine->done.wait(24h);
    co_return std::move(mine->result);
}

/// Runs what waits, as one transaction while nothing fails. Every write posts one call; most find nothing left to do.
void PooledDatabase::run_waiting() {
    std::vector<std::shared_ptr<Waiting>> group;
    {
        const std::scoped_lock lock(waiting_mutex_);
        while (!waiting_.empty() && group.size() < kMostTogether) {
            group.push_back(std::move(waiting_.front()));
            waiting_.pop_front();
        }
    }
    if (group.empty()) return;
    if (group.size() > 1) {
        bool begun = false;
        const auto together = transact(Mode::kWrite, [&](Session& session) -> Result<> {
            begun = true;
            for (const auto& one : group) TRY(one->work(session));
            return {};
        });
        if (together || !begun) {  // nobody's fault when the database could not even be opened
            for (const auto& one : group) one->finish(together);
            return;
        }
    }
    for (const auto& one : group) one->finish(transact(Mode::kWrite, one->work));
}

Result<> PooledDatabase::migrate(std::span<const Migration> migrations) {
    bool more = true;
    while (more) {
        TRY(transact(Mode::kWrite, [&](Session& session) -> Result<> {
            TRY_ASSIGN(more, apply_next(static_cast<Connection&>(session), migrations));
            return {};
        }));
    }
    return {};
}

}  // namespace atrium::sql
