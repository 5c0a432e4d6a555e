#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/stop.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// One settled model call.
struct UsageRecord {
    std::string request_id;
    std::string project;
    std::string key_id;
    std::string operation;  ///< "chat", "text_completion", "embeddings"
    std::string model;
    std::string upstream;
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    std::int64_t cached_tokens = 0;
    bool estimated = false;
    int status = 0;  ///< HTTP status; 499 when the caller left
    std::int64_t duration_ms = 0;
    std::int64_t at = 0;  ///< unix milliseconds; record() fills it when 0
};

/// Sums over calls of one model.
struct UsageTotal {
    std::string model;
    std::int64_t requests = 0;
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    std::int64_t cached_tokens = 0;
};

/// The schema of usage: numbers 150–169.
std::span<const sql::Migration> usage_migrations();

/// Who used how much. Records queue in memory (bounded: the oldest go when the database is away for long, counted by
/// dropped()) and are written in batches by run(). Recording twice under one request id counts once. Thread-safe.
class UsageLog {
public:
    UsageLog(sql::Database& database, const Clock& clock, std::size_t capacity = 100'000)
        : database_(database), clock_(clock), capacity_(capacity) {}

    /// Never waits; the request path calls it.
    void record(UsageRecord record);

    /// Flushes every second until stopped, then once more. Owned by main, one per process.
    Task<> run(StopToken stop);
    /// Writes what is queued; on failure it stays queued. Number of records written.
    Task<Result<std::size_t>> flush();

    /// Totals per model in [from, to) unix seconds, most tokens first.
    Task<Result<std::vector<UsageTotal>>> totals(std::string project, std::int64_t from, std::int64_t to);

    std::size_t queued() const;
    std::uint64_t dropped() const { return dropped_.load(); }

private:
    std::vector<UsageRecord> take(std::size_t limit);
    void put_back(std::vector<UsageRecord> batch);

    sql::Database& database_;
    const Clock& clock_;
    const std::size_t capacity_;
    mutable std::mutex mutex_;
    std::deque<UsageRecord> queue_;
    std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace atrium::app
