// /v1/organization/usage/… and /v1/organization/costs, as OpenAI's administration API has them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "gateway/admin/admin_routes.h"
#include "gateway/admin/query.h"

namespace atrium::gateway {
namespace {

using app::BucketWidth;
using app::UsageDimension;

constexpr std::int64_t kEndOfTime = 253'402'300'800;  // year 10000

/// One resource: which operations it sums up and by what it can be grouped.
struct Resource {
    std::string_view name;
    std::vector<std::string> operations;
    std::vector<UsageDimension> groups;
};

const std::vector<Resource>& resources() {
    using enum UsageDimension;
    static const std::vector<Resource> all{
        {"completions", {"chat", "text_completion", "responses", "messages"}, {kProject, kUser, kKey, kModel, kBatch}},
        {"embeddings", {"embeddings"}, {kProject, kUser, kKey, kModel}},
        {"moderations", {"moderation", "moderations"}, {kProject, kUser, kKey, kModel}},
    };
    return all;
}

struct WidthRow {
    std::string_view name;
    BucketWidth width;
    std::int64_t default_limit;
    std::int64_t max_limit;
};
constexpr std::array<WidthRow, 3> kWidths{{
    {"1m", BucketWidth::kMinute, 60, 1440},
    {"1h", BucketWidth::kHour, 24, 168},
    {"1d", BucketWidth::kDay, 7, 31},
}};

/// The page of buckets that a query asks for.
struct Window {
    BucketWidth width = BucketWidth::kDay;
    std::int64_t from = 0;
    std::int64_t to = 0;   ///< of this page
    std::int64_t end = 0;  ///< of the whole query
};

Result<Window> read_window(const Call& call, const Clock& clock, bool costs) {
    const auto name = call.query("bucket_width").value_or("1d");
    const auto row = std::ranges::find(kWidths, name, &WidthRow::name);
    if (row == kWidths.end() || (costs && row->width != BucketWidth::kDay)) {
        return fail(invalid_argument(costs ? "bucket_width must be 1d" : "bucket_width must be 1m, 1h or 1d")
                        .with_field("bucket_width"));
    }
    if (!call.query("start_time"))
        return fail(invalid_argument("start_time is required, in unix seconds").with_field("start_time"));
    const auto unit = app::bucket_seconds(row->width);
    const auto now = unix_seconds(clock.system());
    TRY_ASSIGN(const auto start, call.query_int("start_time", 0, 0, kEndOfTime));
    TRY_ASSIGN(const auto end, call.query_int("end_time", now + 1, 0, kEndOfTime));
    TRY_ASSIGN(const auto limit, call.query_int("limit", row->default_limit, 1, costs ? 180 : row->max_limit));
    Window window;
    window.width = row->width;
    window.end = (end + unit - 1) / unit * unit;
    window.from = start - start % unit;
    if (call.query("page")) {
        TRY_ASSIGN(window.from, call.query_int("page", 0, 0, kEndOfTime));
        window.from -= window.from % unit;
    }
    window.to = std::min(window.end, window.from + limit * unit);
    return window;
}

Result<std::vector<UsageDimension>> read_groups(Call& call, const std::vector<UsageDimension>& allowed,
                                                std::string_view extra = {}) {
    TRY_ASSIGN(const auto names, query_list(call, "group_by"));
    std::vector<UsageDimension> groups;
    for (const auto& name : names) {
        if (!extra.empty() && name == extra) continue;
        const auto dimension = app::parse_usage_dimension(name);
        if (!dimension || std::ranges::find(allowed, *dimension) == allowed.end()) {
            std::string known(extra);
            for (const auto one : allowed)
                known += fmt::format("{}{}", known.empty() ? "" : ", ", app::usage_dimension_name(one));
            return fail(invalid_argument(fmt::format("group_by must be of {}", known)).with_field("group_by"));
        }
        if (std::ranges::find(groups, *dimension) == groups.end()) groups.push_back(*dimension);
    }
    return groups;
}

/// A group's value on the wire, in the field of its dimension; null where the query did not group by it.
json::value group_value(const app::UsageRow& row, const std::vector<UsageDimension>& groups, UsageDimension wanted) {
    const auto found = std::ranges::find(groups, wanted);
    if (found == groups.end()) return nullptr;
    const auto& value = row.group[static_cast<std::size_t>(found - groups.begin())];
    if (wanted == UsageDimension::kBatch) return value == "1";
    if (value.empty()) return nullptr;
    return json::string(value);
}

json::object usage_result(const Resource& resource, const app::UsageRow& row,
                          const std::vector<UsageDimension>& groups) {
    const auto& tokens = row.sums.tokens;
    json::object result{{"object", fmt::format("organization.usage.{}.result", resource.name)},
                        {"input_tokens", tokens.input()},
                        {"num_model_requests", row.sums.requests}};
    if (resource.name == "completions") {
        result["output_tokens"] = tokens.completion();
        result["input_cached_tokens"] = tokens.cache_read;
        result["input_cache_write_tokens"] = tokens.cache_write;
        result["input_uncached_tokens"] = tokens.fresh_input;
        result["input_audio_tokens"] = 0;
        result["output_audio_tokens"] = 0;
        result["batch"] = group_value(row, groups, UsageDimension::kBatch);
        result["service_tier"] = nullptr;
    }
    for (const auto dimension :
         {UsageDimension::kProject, UsageDimension::kUser, UsageDimension::kKey, UsageDimension::kModel}) {
        result[app::usage_dimension_name(dimension)] = group_value(row, groups, dimension);
    }
    return result;
}

json::object cost_result(const app::UsageRow& row, const std::vector<UsageDimension>& groups) {
    const auto model = group_value(row, groups, UsageDimension::kModel);
    json::object result{{"object", "organization.costs.result"},
                        {"amount", {{"value", static_cast<double>(row.sums.cost_micros) / 1e6}, {"currency", "usd"}}},
                        {"line_item", model},
                        {"quantity", model.is_null() ? json::value(nullptr) : json::value(row.sums.tokens.total())},
                        {"quantity_unit", model.is_null() ? json::value(nullptr) : json::value("tokens")}};
    for (const auto dimension : {UsageDimension::kProject, UsageDimension::kKey})
        result[app::usage_dimension_name(dimension)] = group_value(row, groups, dimension);
    return result;
}

template <class ToResult>
json::object page_of(const Window& window, const std::vector<app::UsageRow>& rows, ToResult to_result) {
    const auto unit = app::bucket_seconds(window.width);
    std::map<std::int64_t, json::array> results;
    for (const auto& row : rows) results[row.bucket].push_back(to_result(row));
    json::array data;
    for (auto start = window.from; start < window.to; start += unit) {
        data.push_back(json::object{{"object", "bucket"},
                                    {"start_time", start},
                                    {"end_time", start + unit},
                                    {"results", std::move(results[start])}});
    }
    const bool more = window.to < window.end;
    return {{"object", "page"},
            {"data", std::move(data)},
            {"has_more", more},
            {"next_page", more ? json::value(std::to_string(window.to)) : json::value(nullptr)}};
}

Task<Result<>> read_usage(Call& call, const UsageServices& services, const Resource& resource) {
    CO_TRY_ASSIGN(const auto window, read_window(call, services.clock, false));
    CO_TRY_ASSIGN(const auto groups, read_groups(call, resource.groups));
    app::UsageFilter filter;
    filter.organisation = call.principal().organisation;
    filter.values.push_back({UsageDimension::kOperation, resource.operations});
    CO_TRY(add_filter(call, "project_ids", UsageDimension::kProject, filter));
    CO_TRY(add_filter(call, "user_ids", UsageDimension::kUser, filter));
    CO_TRY(add_filter(call, "api_key_ids", UsageDimension::kKey, filter));
    CO_TRY(add_filter(call, "models", UsageDimension::kModel, filter));
    if (const auto batch = call.query("batch"))
        filter.values.push_back({UsageDimension::kBatch, {*batch == "true" || *batch == "1" ? "1" : "0"}});
    CO_TRY_ASSIGN(const auto rows,
                  co_await services.report.buckets(window.width, window.from, window.to, std::move(filter), groups));
    co_return co_await call.respond_json(
        page_of(window, rows, [&](const app::UsageRow& row) { return usage_result(resource, row, groups); }));
}

Task<Result<>> read_costs(Call& call, const UsageServices& services) {
    CO_TRY_ASSIGN(const auto window, read_window(call, services.clock, true));
    CO_TRY_ASSIGN(auto groups, read_groups(call, {UsageDimension::kProject, UsageDimension::kKey}, "line_item"));
    CO_TRY_ASSIGN(const auto names, query_list(call, "group_by"));
    if (std::ranges::find(names, "line_item") != names.end()) groups.push_back(UsageDimension::kModel);
    app::UsageFilter filter;
    filter.organisation = call.principal().organisation;
    CO_TRY(add_filter(call, "project_ids", UsageDimension::kProject, filter));
    CO_TRY(add_filter(call, "api_key_ids", UsageDimension::kKey, filter));
    CO_TRY_ASSIGN(auto rows,
                  co_await services.report.buckets(window.width, window.from, window.to, std::move(filter), groups));
    std::erase_if(rows, [](const app::UsageRow& row) { return row.sums.cost_micros == 0; });
    co_return co_await call.respond_json(
        page_of(window, rows, [&](const app::UsageRow& row) { return cost_result(row, groups); }));
}

}  // namespace

void add_organization_usage_routes(RouteTable& routes, const UsageServices& services) {
    for (const auto& resource : resources()) {
        RouteSpec route;
        route.pattern = fmt::format("/v1/organization/usage/{}", resource.name);
        route.access = Access::kAdmin;
        route.tag = "administration";
        route.summary = fmt::format("Usage of {} per minute, hour or day", resource.name);
        route.handler = [services, &resource](Call& call) { return read_usage(call, services, resource); };
        routes.add(std::move(route));
    }
    RouteSpec route;
    route.pattern = "/v1/organization/costs";
    route.access = Access::kAdmin;
    route.tag = "administration";
    route.summary = "Costs per day, by project, key or model";
    route.handler = [services](Call& call) { return read_costs(call, services); };
    routes.add(std::move(route));
}

}  // namespace atrium::gateway
