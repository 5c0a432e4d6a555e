#include "app/usage/usage_log.h"

#include <algorithm>
#include <array>

#include "observability/log/log.h"

namespace atrium::app {
namespace {

constexpr std::size_t kBatch = 500;

constexpr std::array<sql::Migration, 1> kMigrations{{
    {150, "usage_records",
     "CREATE TABLE usage_records (\n"
     "  request_id VARCHAR(64) NOT NULL PRIMARY KEY,\n"
     "  at BIGINT NOT NULL,\n"
     "  project_id VARCHAR(64) NOT NULL,\n"
     "  key_id VARCHAR(64) NOT NULL,\n"
     "  operation VARCHAR(32) NOT NULL,\n"
     "  model VARCHAR(255) NOT NULL,\n"
     "  upstream VARCHAR(255) NOT NULL,\n"
     "  prompt_tokens BIGINT NOT NULL,\n"
     "  completion_tokens BIGINT NOT NULL,\n"
     "  cached_tokens BIGINT NOT NULL,\n"
     "  estimated BIGINT NOT NULL,\n"
     "  status BIGINT NOT NULL,\n"
     "  duration_ms BIGINT NOT NULL\n"
     ");\n"
     "CREATE INDEX usage_records_by_project ON usage_records (project_id, at)"},
}};

Result<> insert(sql::Session& session, const UsageRecord& record) {
    // A batch whose commit was reported as failed but had happened comes again; the request id tells.
    TRY_ASSIGN(auto known, session.query_one("SELECT request_id FROM usage_records WHERE request_id = :id",
                                             {{"id", record.request_id}}));
    if (known) return {};
    TRY(
        session.execute("INSERT INTO usage_records (request_id, at, project_id, key_id, operation, model, upstream, "
                        "prompt_tokens, completion_tokens, cached_tokens, estimated, status, duration_ms) VALUES "
                        "(:id, :at, :project, :key, :operation, :model, :upstream, :prompt, :completion, :cached, "
                        ":estimated, :status, :duration)",
                        {{"id", record.request_id},
                         {"at", record.at},
                         {"project", record.project},
                         {"key", record.key_id},
                         {"operation", record.operation},
                         {"model", record.model},
                         {"upstream", record.upstream},
                         {"prompt", record.prompt_tokens},
                         {"completion", record.completion_tokens},
                         {"cached", record.cached_tokens},
                         {"estimated", record.estimated},
                         {"status", record.status},
                         {"duration", record.duration_ms}}));
    return {};
}

}  // namespace

std::span<const sql::Migration> usage_migrations() {
    return kMigrations;
}

void UsageLog::record(UsageRecord record) {
    if (record.at == 0) record.at = unix_millis(clock_.system());
    std::scoped_lock lock(mutex_);
    if (queue_.size() >= capacity_) {
        queue_.pop_front();
        dropped_.fetch_add(1);
    }
    queue_.push_back(std::move(record));
}

std::size_t UsageLog::queued() const {
    std::scoped_lock lock(mutex_);
    return queue_.size();
}

std::vector<UsageRecord> UsageLog::take(std::size_t limit) {
    std::scoped_lock lock(mutex_);
    const auto count = static_cast<std::ptrdiff_t>(std::min(limit, queue_.size()));
    std::vector<UsageRecord> batch(std::make_move_iterator(queue_.begin()),
                                   std::make_move_iterator(queue_.begin() + count));
    queue_.erase(queue_.begin(), queue_.begin() + count);
    return batch;
}

void UsageLog::put_back(std::vector<UsageRecord> batch) {
    std::scoped_lock lock(mutex_);
    queue_.insert(queue_.begin(), std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()));
    while (queue_.size() > capacity_) {
        queue_.pop_front();
        dropped_.fetch_add(1);
    }
}

Task<Result<std::size_t>> UsageLog::flush() {
    std::size_t written = 0;
    while (true) {
        auto batch = take(kBatch);
        if (batch.empty()) co_return written;
        auto stored = co_await database_.write<void>([&batch](sql::Session& session) -> Result<> {
            for (const auto& record : batch) TRY(insert(session, record));
            return {};
        });
        if (!stored) {
            put_back(std::move(batch));
            co_return fail(stored.error());
        }
        written += batch.size();
    }
}

Task<> UsageLog::run(StopToken stop) {
    bool failing = false;
    for (bool last = false; !last;) {
        co_await sleep_for(std::chrono::seconds(1), stop);
        last = stop.stop_requested();
        const auto flushed = co_await flush();
        // One line per outage, not one per second.
        if (!flushed && !failing)
            log::warning("usage cannot be written and is kept in memory", {{"error", flushed.error()}});
        failing = !flushed;
    }
}

Task<Result<std::vector<UsageTotal>>> UsageLog::totals(std::string project, std::int64_t from, std::int64_t to) {
    co_return co_await database_.read<std::vector<UsageTotal>>([project, from, to](sql::Session& session)
                                                                   -> Result<std::vector<UsageTotal>> {
        TRY_ASSIGN(
            auto rows,
            session.query(
                "SELECT model, COUNT(*) AS requests, CAST(SUM(prompt_tokens) AS BIGINT) AS prompt, "
                "CAST(SUM(completion_tokens) AS BIGINT) AS completion, CAST(SUM(cached_tokens) AS BIGINT) AS cached "
                "FROM usage_records WHERE project_id = :project AND at >= :from_at AND at < :to_at "
                "GROUP BY model ORDER BY SUM(prompt_tokens) + SUM(completion_tokens) DESC, model",
                {{"project", project}, {"from_at", from * 1000}, {"to_at", to * 1000}}));
        std::vector<UsageTotal> totals;
        for (const auto& row : rows) {
            totals.push_back({row.text("model"), row.integer("requests"), row.integer("prompt"),
                              row.integer("completion"), row.integer("cached")});
        }
        return totals;
    });
}

}  // namespace atrium::app
