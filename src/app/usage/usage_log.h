#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "app/usage/journal.h"
#include "app/usage/record.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/stop.h"
#include "observability/metrics/metrics.h"
#include "platform/async/runtime.h"
#include "platform/sql/database.h"

namespace atrium::app {

class RecordWriter;

/// The way of settled calls into the database:
///
///     record() → queue in memory → journal on disk, every 50 ms → tables, every 200 ms → journal file removed
///
/// So `kill -9` loses at most the last 100 ms, and while the database is away records gather in the journal. Without a
/// journal, or while its disk refuses, they gather in memory: bounded, the oldest go, counted by dropped().
/// Recording twice under one request id counts once. Thread-safe; owned by main, one per process.
class UsageLog {
public:
    struct Options {
        std::unique_ptr<UsageJournal> journal;  ///< null: memory only
        metrics::Registry* metrics = nullptr;
        std::size_t capacity = 100'000;  ///< records in memory
    };
    UsageLog(sql::Database& database, const Clock& clock, Options options);
    UsageLog(sql::Database& database, const Clock& clock);
    ~UsageLog();

    /// Never waits; the request path calls it.
    void record(UsageRecord record);

    /// Called with what is in the tables from now on, on a thread of the log. Before run(), once.
    void on_stored(std::function<void(const std::vector<UsageRecord>&)> tell) { on_stored_ = std::move(tell); }

    /// Brings what an earlier run left in the journal into the database; for start-up, blocking. A database that is
    /// away is no error: run() goes on with it.
    void recover();
    /// Until stopped; then everything once more. One task.
    Task<> run(StopToken stop);
    /// Everything recorded so far goes to the journal and the tables. Number of records that were new there.
    Task<Result<std::size_t>> flush();

    std::size_t queued() const;  ///< in memory
    std::uint64_t dropped() const { return dropped_.load(); }

private:
    /// Records of one group of threads, so that io threads do not meet at one lock.
    struct Shard {
        std::mutex mutex;
        std::vector<UsageRecord> records;
    };

    std::vector<UsageRecord> gather();
    void keep_in_memory(std::vector<UsageRecord> records);
    Result<> write_journal(std::vector<UsageRecord> records);
    Result<std::size_t> store(const std::vector<UsageRecord>& records);
    Result<std::size_t> store_from_memory();
    Result<std::size_t> store_all();
    Task<> keep_journal(StopToken stop, Event done);
    void drop_one();
    void note_journal_size();
    void tell(const Result<std::size_t>& stored);

    sql::Database& database_;
    const Clock& clock_;
    Options options_;
    std::unique_ptr<RecordWriter> writer_;
    std::function<void(const std::vector<UsageRecord>&)> on_stored_;
    std::array<Shard, 16> shards_;
    std::atomic<std::size_t> gathered_{0};  ///< in the shards
    mutable std::mutex mutex_;
    std::deque<UsageRecord> in_memory_;  ///< what the journal did not take
    std::mutex journal_mutex_;           ///< around options_.journal
    std::mutex store_mutex_;             ///< one batch at a time, in order
    std::atomic<std::uint64_t> dropped_{0};
    bool failing_ = false;          ///< of the database; one line per outage
    bool journal_failing_ = false;  ///< of the journal
    metrics::Counter dropped_total_;
    metrics::Gauge waiting_bytes_;
    ThreadPool threads_{"usage", 2};
};

}  // namespace atrium::app
