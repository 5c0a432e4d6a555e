#include "app/usage/usage_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>

namespace atrium::app {
namespace {

constexpr std::int64_t kPurgeStep = 5000;

struct DimensionRow {
    UsageDimension dimension;
    std::string_view name;
    std::string_view column;
    bool is_number;
};
constexpr std::array<DimensionRow, kUsageDimensions> kDimensions{{
    {UsageDimension::kProject, "project_id", "s.project_id", false},
    {UsageDimension::kKey, "api_key_id", "s.key_id", false},
    {UsageDimension::kUser, "user_id", "s.user_id", false},
    {UsageDimension::kModel, "model", "s.model", false},
    {UsageDimension::kUpstream, "upstream", "s.upstream", false},
    {UsageDimension::kOperation, "operation", "s.operation", false},
    {UsageDimension::kStatusClass, "status", "s.status_class", true},
    {UsageDimension::kBatch, "batch", "s.batch", true},
}};
const DimensionRow& row_of(UsageDimension dimension) {
    return kDimensions[static_cast<std::size_t>(dimension)];
}

/// Where sums of one part of a period are found.
struct Source {
    std::string_view table;
    std::string_view time;  ///< column
    std::int64_t unit;      ///< what the column counts, per second
    std::string_view requests;
};
constexpr Source kCalls{"usage_events", "r.at", 1000, "COUNT(*)"};
constexpr Source kHourly{"usage_hourly", "r.bucket", 1, "SUM(r.requests)"};
constexpr Source kDaily{"usage_daily", "r.bucket", 1, "SUM(r.requests)"};

struct Part {
    const Source* source;
    std::int64_t from;
    std::int64_t to;
};

/// A statement in the making. Lists of values are filled up to a power of two, so that few different statements exist.
struct Where {
    std::string text;
    sql::Params parameters;

    void add(const UsageFilter& filter) {
        if (filter.organisation) {
            text += " AND s.organization_id = :organization";
            parameters.emplace_back("organization", *filter.organisation);
        }
        int list = 0;
        for (const auto& [dimension, values] : filter.values) {
            if (values.empty()) continue;
            const auto& row = row_of(dimension);
            text += fmt::format(" AND {} IN (", row.column);
            const std::size_t slots = std::bit_ceil(values.size());
            for (std::size_t i = 0; i < slots; ++i) {
                const auto name = fmt::format("v{}_{}", list, i);
                const auto& value = values[std::min(i, values.size() - 1)];
                text += fmt::format("{}:{}", i == 0 ? "" : ", ", name);
                if (row.is_number) {
                    parameters.emplace_back(name, std::int64_t{value.empty() ? -1 : value.front() - '0'});
                } else {
                    parameters.emplace_back(name, value);
                }
            }
            text += ")";
            ++list;
        }
    }
};

std::string select_sums(const Source& source) {
    std::string text = fmt::format("CAST({} AS BIGINT) AS requests", source.requests);
    for (const auto* column :
         {"fresh_input", "cache_read", "cache_write", "output", "reasoning", "cost_micros", "duration_ms"}) {
        text += fmt::format(", CAST(SUM(r.{0}) AS BIGINT) AS {0}", column);
    }
    return text;
}

Result<std::vector<UsageRow>> read(sql::Session& session, const Part& part, std::int64_t width,
                                   const UsageFilter& filter, const std::vector<UsageDimension>& group_by) {
    const auto& source = *part.source;
    std::string columns;
    std::string groups;
    if (width > 0) {
        // Whole-number division in every database.
        columns = fmt::format("{0} / {1} * {2} AS start, ", source.time, width * source.unit, width);
        groups = fmt::format("{} / {} * {}", source.time, width * source.unit, width);
    }
    for (std::size_t i = 0; i < group_by.size(); ++i) {
        const auto column = row_of(group_by[i]).column;
        columns += fmt::format("{} AS g{}, ", column, i);
        groups += fmt::format("{}{}", groups.empty() ? "" : ", ", column);
    }
    Where where;
    where.parameters = {{"from_at", part.from * source.unit}, {"to_at", part.to * source.unit}};
    where.add(filter);
    auto statement = fmt::format(
        "SELECT {}{} FROM {} r JOIN usage_series s ON s.id = r.series_id WHERE {} >= :from_at AND {} < "
        ":to_at{}",
        columns, select_sums(source), source.table, source.time, source.time, where.text);
    if (!groups.empty()) statement += " GROUP BY " + groups;
    TRY_ASSIGN(const auto rows, session.query(statement, where.parameters));
    std::vector<UsageRow> result;
    for (const auto& row : rows) {
        if (row.integer("requests") == 0) continue;  // a sum over nothing is one row
        UsageRow made;
        made.bucket = width > 0 ? row.integer("start") : 0;
        for (std::size_t i = 0; i < group_by.size(); ++i) {
            const auto name = fmt::format("g{}", i);
            made.group.push_back(row_of(group_by[i]).is_number ? std::to_string(row.integer(name)) : row.text(name));
        }
        made.sums.requests = row.integer("requests");
        made.sums.tokens = {row.integer("fresh_input"), row.integer("cache_read"), row.integer("cache_write"),
                            row.integer("output"), row.integer("reasoning")};
        made.sums.cost_micros = row.integer("cost_micros");
        made.sums.duration_ms = row.integer("duration_ms");
        result.push_back(std::move(made));
    }
    return result;
}

/// Days in the middle, hours around them, calls at the ends.
std::vector<Part> parts_of(std::int64_t from, std::int64_t to) {
    const auto up = [](std::int64_t second, std::int64_t unit) { return (second + unit - 1) / unit * unit; };
    const auto down = [](std::int64_t second, std::int64_t unit) { return second / unit * unit; };
    std::vector<Part> parts;
    const auto add = [&](const Source& source, std::int64_t begin, std::int64_t end) {
        if (begin < end) parts.push_back({&source, begin, end});
    };
    const auto first_hour = up(from, 3600);
    const auto last_hour = down(to, 3600);
    if (first_hour >= last_hour) {
        add(kCalls, from, to);
        return parts;
    }
    add(kCalls, from, first_hour);
    const auto first_day = up(first_hour, 86400);
    const auto last_day = down(last_hour, 86400);
    if (first_day >= last_day) {
        add(kHourly, first_hour, last_hour);
    } else {
        add(kHourly, first_hour, first_day);
        add(kDaily, first_day, last_day);
        add(kHourly, last_day, last_hour);
    }
    add(kCalls, last_hour, to);
    return parts;
}

void add_sums(UsageSums& to, const UsageSums& more) {
    to.requests += more.requests;
    to.tokens.fresh_input += more.tokens.fresh_input;
    to.tokens.cache_read += more.tokens.cache_read;
    to.tokens.cache_write += more.tokens.cache_write;
    to.tokens.output += more.tokens.output;
    to.tokens.reasoning += more.tokens.reasoning;
    to.cost_micros += more.cost_micros;
    to.duration_ms += more.duration_ms;
}

void order(std::vector<UsageRow>& rows) {
    std::ranges::sort(rows, [](const UsageRow& a, const UsageRow& b) {
        if (a.bucket != b.bucket) return a.bucket < b.bucket;
        const auto tokens_a = a.sums.tokens.total();
        const auto tokens_b = b.sums.tokens.total();
        return tokens_a != tokens_b ? tokens_a > tokens_b : a.group < b.group;
    });
}

UsageRecord read_call(const sql::Row& row) {
    UsageRecord call;
    call.request_id = row.text("request_id");
    call.at = row.integer("at");
    call.organisation = row.text("organization_id");
    call.project = row.text("project_id");
    call.key_id = row.text("key_id");
    call.user_id = row.text("user_id");
    call.operation = row.text("operation");
    call.model = row.text("model");
    call.upstream = row.text("upstream");
    call.tokens = {row.integer("fresh_input"), row.integer("cache_read"), row.integer("cache_write"),
                   row.integer("output"), row.integer("reasoning")};
    call.cost_micros = row.integer("cost_micros");
    call.price_version = row.integer("price_version");
    call.estimated = row.integer("estimated") != 0;
    call.cache_hit = row.integer("cache_hit") != 0;
    call.batch = row.integer("batch") != 0;
    call.attempts = static_cast<int>(row.integer("attempts"));
    call.status = static_cast<int>(row.integer("status"));
    call.duration_ms = row.integer("duration_ms");
    return call;
}

}  // namespace

std::string_view usage_dimension_name(UsageDimension dimension) {
    return row_of(dimension).name;
}

std::optional<UsageDimension> parse_usage_dimension(std::string_view name) {
    const auto found = std::ranges::find(kDimensions, name, &DimensionRow::name);
    if (found == kDimensions.end()) return std::nullopt;
    return found->dimension;
}

Task<Result<std::vector<UsageRow>>> UsageReport::buckets(BucketWidth width, std::int64_t from, std::int64_t to,
                                                         UsageFilter filter, std::vector<UsageDimension> group_by) {
    const auto* source = width == BucketWidth::kMinute ? &kCalls : width == BucketWidth::kHour ? &kHourly : &kDaily;
    CO_TRY_ASSIGN(auto rows, co_await database_.read<std::vector<UsageRow>>([=](sql::Session& session) {
        return read(session, {source, from, to}, bucket_seconds(width), filter, group_by);
    }));
    order(rows);
    co_return rows;
}

Task<Result<std::vector<UsageRow>>> UsageReport::totals(std::int64_t from, std::int64_t to, UsageFilter filter,
                                                        std::vector<UsageDimension> group_by) {
    co_return co_await database_.read<std::vector<UsageRow>>(
        [=](sql::Session& session) -> Result<std::vector<UsageRow>> {
            std::map<std::vector<std::string>, UsageSums> sums;
            for (const auto& part : parts_of(from, to)) {
                TRY_ASSIGN(const auto rows, read(session, part, 0, filter, group_by));
                for (const auto& row : rows) add_sums(sums[row.group], row.sums);
            }
            std::vector<UsageRow> result;
            for (auto& [group, sum] : sums) result.push_back({0, group, sum});
            order(result);
            return result;
        });
}

Task<Result<std::vector<UsageRecord>>> UsageReport::calls(std::int64_t from, std::int64_t to, UsageFilter filter,
                                                          std::int64_t limit) {
    co_return co_await database_.read<std::vector<UsageRecord>>(
        [=](sql::Session& session) -> Result<std::vector<UsageRecord>> {
            Where where;
            where.parameters = {{"from_at", from * 1000}, {"to_at", to * 1000}, {"limit", limit}};
            where.add(filter);
            TRY_ASSIGN(const auto rows,
                       session.query(fmt::format("SELECT r.*, s.organization_id, s.project_id, s.key_id, s.user_id, "
                                                 "s.operation, s.model, s.upstream, s.batch FROM usage_events r JOIN "
                                                 "usage_series s ON s.id = r.series_id WHERE r.at >= :from_at AND "
                                                 "r.at < :to_at{} ORDER BY r.at DESC, r.request_id LIMIT :limit",
                                                 where.text),
                                     where.parameters));
            std::vector<UsageRecord> calls;
            for (const auto& row : rows) calls.push_back(read_call(row));
            return calls;
        });
}

Task<Result<std::int64_t>> UsageReport::purge(std::int64_t calls_before, std::int64_t hours_before) {
    std::int64_t removed = 0;
    for (std::int64_t step = kPurgeStep; step == kPurgeStep;) {
        CO_TRY_ASSIGN(step, co_await database_.write<std::int64_t>([=](sql::Session& session) {
            return session.execute(
                "DELETE FROM usage_events WHERE request_id IN (SELECT request_id FROM usage_events "
                "WHERE at < :before ORDER BY at LIMIT :step)",
                {{"before", calls_before * 1000}, {"step", kPurgeStep}});
        }));
        removed += step;
    }
    CO_TRY_ASSIGN(const auto hours, co_await database_.write<std::int64_t>([=](sql::Session& session) {
        return session.execute("DELETE FROM usage_hourly WHERE bucket < :before", {{"before", hours_before}});
    }));
    co_return removed + hours;
}

}  // namespace atrium::app
