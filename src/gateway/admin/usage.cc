// /atrium/v1/usage and /atrium/v1/usage/calls: sums and single calls, filtered by every dimension.
#include <fmt/format.h>

#include <algorithm>

#include "gateway/admin/admin_routes.h"
#include "gateway/admin/query.h"

namespace atrium::gateway {
namespace {

using app::UsageDimension;

constexpr std::int64_t kMonth = 30 * 24 * 3600;
constexpr std::int64_t kEndOfTime = 253'402'300'800;  // year 10000
constexpr std::int64_t kMaxCalls = 1000;

struct Question {
    std::int64_t from = 0;
    std::int64_t to = 0;
    std::string project;  ///< empty: all of the organisation
    app::UsageFilter filter;
};

Result<Question> read_question(Call& call, const Clock& clock) {
    Question question;
    const auto now = unix_seconds(clock.system());
    TRY_ASSIGN(question.to, call.query_int("to", now + 1, 0, kEndOfTime));
    TRY_ASSIGN(question.from, call.query_int("from", std::max<std::int64_t>(0, question.to - kMonth), 0, kEndOfTime));
    const auto& principal = call.principal();
    question.project = call.query("project").value_or(principal.project);
    if (question.project != principal.project && !principal.admin)
        return fail(permission_denied("Usage of another project needs an admin key.").with_field("project"));
    question.filter.organisation = principal.organisation;
    if (question.project == "*") {
        question.project.clear();
    } else {
        question.filter.values.push_back({UsageDimension::kProject, {question.project}});
    }
    for (const auto dimension :
         {UsageDimension::kKey, UsageDimension::kUser, UsageDimension::kModel, UsageDimension::kUpstream,
          UsageDimension::kOperation, UsageDimension::kStatusClass, UsageDimension::kBatch}) {
        TRY(add_filter(call, app::usage_dimension_name(dimension), dimension, question.filter));
    }
    return question;
}

Result<std::vector<UsageDimension>> read_groups(Call& call) {
    TRY_ASSIGN(auto names, query_list(call, "group_by"));
    if (names.empty()) names = {"model"};
    std::vector<UsageDimension> groups;
    for (const auto& name : names) {
        const auto dimension = app::parse_usage_dimension(name);
        if (!dimension) {
            return fail(invalid_argument("group_by must be of project_id, api_key_id, user_id, model, upstream, "
                                         "operation, status, batch")
                            .with_field("group_by"));
        }
        if (std::ranges::find(groups, *dimension) == groups.end()) groups.push_back(*dimension);
    }
    return groups;
}

void add_tokens(json::object& object, const app::TokenBuckets& tokens) {
    object["prompt_tokens"] = tokens.input();
    object["completion_tokens"] = tokens.completion();
    object["cached_tokens"] = tokens.cache_read;
    object["cache_write_tokens"] = tokens.cache_write;
    object["reasoning_tokens"] = tokens.reasoning;
}

/// "2xx" is what people write; the store keeps the digit.
std::string shown(UsageDimension dimension, const std::string& value) {
    if (dimension == UsageDimension::kStatusClass) return value + "xx";
    if (dimension == UsageDimension::kBatch) return value == "1" ? "true" : "false";
    return value;
}

Task<Result<>> read_usage(Call& call, const UsageServices& services) {
    CO_TRY_ASSIGN(const auto question, read_question(call, services.clock));
    CO_TRY_ASSIGN(const auto groups, read_groups(call));
    CO_TRY_ASSIGN(const auto rows,
                  co_await services.report.totals(question.from, question.to, question.filter, groups));
    json::array data;
    for (const auto& row : rows) {
        json::object entry;
        for (std::size_t i = 0; i < groups.size(); ++i)
            entry[app::usage_dimension_name(groups[i])] = shown(groups[i], row.group[i]);
        entry["requests"] = row.sums.requests;
        add_tokens(entry, row.sums.tokens);
        entry["cost_micros"] = row.sums.cost_micros;
        entry["duration_ms"] = row.sums.duration_ms;
        data.push_back(std::move(entry));
    }
    co_return co_await call.respond_json(json::object{{"object", "list"},
                                                      {"project", question.project},
                                                      {"from", question.from},
                                                      {"to", question.to},
                                                      {"data", std::move(data)}});
}

json::object to_wire(const app::UsageRecord& call) {
    json::object object{{"object", "usage.call"},
                        {"request_id", call.request_id},
                        {"created_at", call.at / 1000},
                        {"project_id", call.project},
                        {"api_key_id", call.key_id},
                        {"user_id", call.user_id.empty() ? json::value(nullptr) : json::value(call.user_id)},
                        {"operation", call.operation},
                        {"model", call.model},
                        {"upstream", call.upstream},
                        {"status", call.status},
                        {"attempts", call.attempts},
                        {"cache_hit", call.cache_hit},
                        {"estimated", call.estimated},
                        {"batch", call.batch},
                        {"duration_ms", call.duration_ms},
                        {"cost_micros", call.cost_micros},
                        {"price_version", call.price_version}};
    add_tokens(object, call.tokens);
    return object;
}

Task<Result<>> read_calls(Call& call, const UsageServices& services) {
    CO_TRY_ASSIGN(const auto question, read_question(call, services.clock));
    CO_TRY_ASSIGN(const auto limit, call.query_int("limit", 100, 1, kMaxCalls));
    CO_TRY_ASSIGN(auto calls, co_await services.report.calls(question.from, question.to, question.filter, limit + 1));
    const bool more = std::ssize(calls) > limit;
    if (more) calls.pop_back();
    json::array data;
    for (const auto& one : calls) data.push_back(to_wire(one));
    co_return co_await call.respond_json(
        json::object{{"object", "list"}, {"data", std::move(data)}, {"has_more", more}});
}

}  // namespace

void add_usage_routes(RouteTable& routes, const UsageServices& services) {
    const auto add = [&](std::string pattern, std::string summary,
                         Task<Result<>> (*function)(Call&, const UsageServices&)) {
        RouteSpec route;
        route.pattern = std::move(pattern);
        route.dialect = Dialect::kAtrium;
        route.tag = "administration";
        route.summary = std::move(summary);
        route.handler = [services, function](Call& call) { return function(call, services); };
        routes.add(std::move(route));
    };
    add("/atrium/v1/usage", "Tokens and costs of a period (from, to: unix seconds; the last 30 days by default)",
        read_usage);
    add("/atrium/v1/usage/calls", "Single calls of a period, latest first", read_calls);
    add_organization_usage_routes(routes, services);
    add_price_routes(routes, services.prices);
}

}  // namespace atrium::gateway
