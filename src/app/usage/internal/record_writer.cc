#include "app/usage/internal/record_writer.h"

#include <fmt/format.h>

#include <map>

#include "app/usage/period.h"
#include "security/crypto/crypto.h"

namespace atrium::app {
namespace {

constexpr std::size_t kMaxKnownSeries = 100'000;

struct Sums {
    std::int64_t requests = 0;
    TokenBuckets tokens;
    std::int64_t cost_micros = 0;
    std::int64_t duration_ms = 0;

    void add(const UsageRecord& record) {
        requests += 1;
        tokens.fresh_input += record.tokens.fresh_input;
        tokens.cache_read += record.tokens.cache_read;
        tokens.cache_write += record.tokens.cache_write;
        tokens.output += record.tokens.output;
        tokens.reasoning += record.tokens.reasoning;
        cost_micros += record.cost_micros;
        duration_ms += record.duration_ms;
    }
};

/// Sums by bucket and series, and spending by subject and period. Ordered, so that two gateways that write the same
/// rows take their locks in the same order.
struct Changes {
    using Key = std::pair<std::int64_t, std::int64_t>;
    std::map<Key, Sums> hourly;
    std::map<Key, Sums> daily;
    std::map<std::tuple<std::string, Period, std::int64_t>, std::int64_t> spent;

    void add(const UsageRecord& record, std::int64_t series) {
        const std::int64_t second = record.at / 1000;
        hourly[{second - second % 3600, series}].add(record);
        daily[{second - second % 86400, series}].add(record);
        if (record.cost_micros == 0) return;
        for (const auto& [kind, id] : {std::pair<std::string_view, const std::string&>{"key", record.key_id},
                                       {"user", record.user_id},
                                       {"project", record.project},
                                       {"organization", record.organisation}}) {
            if (id.empty()) continue;
            for (const auto period : {Period::kDay, Period::kMonth})
                spent[{fmt::format("{}:{}", kind, id), period, period_start(period, second)}] += record.cost_micros;
        }
    }
};

Result<bool> insert_event(sql::Session& session, const UsageRecord& record, std::int64_t series) {
    TRY_ASSIGN(const auto changed,
               session.execute("INSERT INTO usage_events (request_id, at, series_id, fresh_input, cache_read, "
                               "cache_write, output, reasoning, cost_micros, price_version, estimated, cache_hit, "
                               "attempts, status, duration_ms) VALUES (:id, :at, :series, :fresh, :read, :write, "
                               ":output, :reasoning, :cost, :price, :estimated, :hit, :attempts, :status, :duration) "
                               "ON CONFLICT (request_id) DO NOTHING",
                               {{"id", record.request_id},
                                {"at", record.at},
                                {"series", series},
                                {"fresh", record.tokens.fresh_input},
                                {"read", record.tokens.cache_read},
                                {"write", record.tokens.cache_write},
                                {"output", record.tokens.output},
                                {"reasoning", record.tokens.reasoning},
                                {"cost", record.cost_micros},
                                {"price", record.price_version},
                                {"estimated", record.estimated},
                                {"hit", record.cache_hit},
                                {"attempts", record.attempts},
                                {"status", record.status},
                                {"duration", record.duration_ms}}));
    return changed > 0;
}

Result<> add_sums(sql::Session& session, std::string_view table, const std::map<Changes::Key, Sums>& rows) {
    const auto statement = fmt::format(
        "INSERT INTO {0} (bucket, series_id, requests, fresh_input, cache_read, cache_write, output, reasoning, "
        "cost_micros, duration_ms) VALUES (:bucket, :series, :requests, :fresh, :read, :write, :output, :reasoning, "
        ":cost, :duration) ON CONFLICT (bucket, series_id) DO UPDATE SET requests = {0}.requests + excluded.requests, "
        "fresh_input = {0}.fresh_input + excluded.fresh_input, cache_read = {0}.cache_read + excluded.cache_read, "
        "cache_write = {0}.cache_write + excluded.cache_write, output = {0}.output + excluded.output, "
        "reasoning = {0}.reasoning + excluded.reasoning, cost_micros = {0}.cost_micros + excluded.cost_micros, "
        "duration_ms = {0}.duration_ms + excluded.duration_ms",
        table);
    for (const auto& [key, sums] : rows) {
        TRY(session.execute(statement, {{"bucket", key.first},
                                        {"series", key.second},
                                        {"requests", sums.requests},
                                        {"fresh", sums.tokens.fresh_input},
                                        {"read", sums.tokens.cache_read},
                                        {"write", sums.tokens.cache_write},
                                        {"output", sums.tokens.output},
                                        {"reasoning", sums.tokens.reasoning},
                                        {"cost", sums.cost_micros},
                                        {"duration", sums.duration_ms}}));
    }
    return {};
}

Result<> add_spending(sql::Session& session, const Changes& changes) {
    for (const auto& [key, micros] : changes.spent) {
        const auto& [subject, period, began] = key;
        TRY(session.execute(
            "INSERT INTO budget_spend (subject, period, began, spent_micros) VALUES "
            "(:subject, :period, :began, :micros) ON CONFLICT (subject, period, began) DO UPDATE SET "
            "spent_micros = budget_spend.spent_micros + excluded.spent_micros",
            {{"subject", subject}, {"period", period_name(period)}, {"began", began}, {"micros", micros}}));
    }
    return {};
}

}  // namespace

std::int64_t RecordWriter::series_of(const UsageRecord& r) {
    const auto digest = crypto::sha256(fmt::format("{}\x1f{}\x1f{}\x1f{}\x1f{}\x1f{}\x1f{}\x1f{}\x1f{}", r.organisation,
                                                   r.project, r.key_id, r.user_id, r.operation, r.model, r.upstream,
                                                   r.status / 100, r.batch ? 1 : 0));
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | digest[static_cast<std::size_t>(i)];
    return static_cast<std::int64_t>(number >> 1);
}

namespace {

Result<> insert_series(sql::Session& session, const UsageRecord& record, std::int64_t id) {
    TRY(
        session.execute("INSERT INTO usage_series (id, organization_id, project_id, key_id, user_id, operation, model, "
                        "upstream, status_class, batch) VALUES (:id, :organization, :project, :key, :user, :operation, "
                        ":model, :upstream, :class, :batch) ON CONFLICT (id) DO NOTHING",
                        {{"id", id},
                         {"organization", record.organisation},
                         {"project", record.project},
                         {"key", record.key_id},
                         {"user", record.user_id},
                         {"operation", record.operation},
                         {"model", record.model},
                         {"upstream", record.upstream},
                         {"class", record.status / 100},
                         {"batch", record.batch}}));
    return {};
}

}  // namespace

bool RecordWriter::is_known(std::int64_t series) {
    std::scoped_lock lock(mutex_);
    return known_series_.contains(series);
}

void RecordWriter::committed(std::span<const UsageRecord> records) {
    std::scoped_lock lock(mutex_);
    if (known_series_.size() > kMaxKnownSeries) known_series_.clear();
    for (const auto& record : records) known_series_.insert(series_of(record));
}

Result<std::size_t> RecordWriter::write(sql::Session& session, std::span<const UsageRecord> records) {
    std::map<std::int64_t, const UsageRecord*> series;
    Changes changes;
    std::size_t added = 0;
    for (const auto& record : records) {
        const auto id = series_of(record);
        TRY_ASSIGN(const bool is_new, insert_event(session, record, id));
        if (!is_new) continue;
        ++added;
        series.emplace(id, &record);
        changes.add(record, id);
    }
    for (const auto& [id, record] : series) {
        if (!is_known(id)) TRY(insert_series(session, *record, id));
    }
    TRY(add_sums(session, "usage_hourly", changes.hourly));
    TRY(add_sums(session, "usage_daily", changes.daily));
    TRY(add_spending(session, changes));
    return added;
}

}  // namespace atrium::app
