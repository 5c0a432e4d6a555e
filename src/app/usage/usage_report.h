#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/usage/record.h"
#include "base/result.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// By what usage can be filtered and grouped.
enum class UsageDimension { kProject, kKey, kUser, kModel, kUpstream, kOperation, kStatusClass, kBatch };
constexpr int kUsageDimensions = 8;
/// "project_id", "api_key_id", "user_id", "model", "upstream", "operation", "status", "batch".
std::string_view usage_dimension_name(UsageDimension dimension);
std::optional<UsageDimension> parse_usage_dimension(std::string_view name);

/// An empty list does not filter. At most 100 values each.
struct UsageFilter {
    std::optional<std::string> organisation;  ///< nothing: every one; only for the installation's administrators
    struct Values {
        UsageDimension dimension;
        std::vector<std::string> values;  ///< status classes as "2".."5", batch as "0" or "1"
    };
    std::vector<Values> values;
};

enum class BucketWidth { kMinute, kHour, kDay };
constexpr std::int64_t bucket_seconds(BucketWidth width) {
    return width == BucketWidth::kMinute ? 60 : width == BucketWidth::kHour ? 3600 : 86400;
}

struct UsageSums {
    std::int64_t requests = 0;
    TokenBuckets tokens;
    std::int64_t cost_micros = 0;
    std::int64_t duration_ms = 0;
};

struct UsageRow {
    std::int64_t bucket = 0;         ///< unix seconds of its start; 0 in totals
    std::vector<std::string> group;  ///< one value per dimension asked for, in that order
    UsageSums sums;
};

/// Questions about usage. Minutes come from the calls themselves, hours and days from the sums that are kept beside
/// them; a total over any period takes days, hours and calls as they fit. Thread-safe.
class UsageReport {
public:
    explicit UsageReport(sql::Database& database) : database_(database) {}

    /// Per bucket with usage in [from, to) and group; both ends are multiples of the width. Ordered by bucket, then the
    /// most tokens first.
    Task<Result<std::vector<UsageRow>>> buckets(BucketWidth width, std::int64_t from, std::int64_t to,
                                                UsageFilter filter, std::vector<UsageDimension> group_by);
    /// One row per group in [from, to) unix seconds, the most tokens first. Minutes count as a whole.
    Task<Result<std::vector<UsageRow>>> totals(std::int64_t from, std::int64_t to, UsageFilter filter,
                                               std::vector<UsageDimension> group_by);

    /// Single calls, latest first: [from, to), at most `limit`.
    Task<Result<std::vector<UsageRecord>>> calls(std::int64_t from, std::int64_t to, UsageFilter filter,
                                                 std::int64_t limit);

    /// Removes calls older than `calls_before` and hours older than `hours_before` (unix seconds); days stay. In steps
    /// that hold the database for milliseconds. Number of rows removed.
    Task<Result<std::int64_t>> purge(std::int64_t calls_before, std::int64_t hours_before);

private:
    sql::Database& database_;
};

}  // namespace atrium::app
