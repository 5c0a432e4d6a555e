#include "gateway/admin/admin_routes.h"

namespace atrium::gateway {
namespace {

constexpr std::int64_t kMonth = 30 * 24 * 3600;
constexpr std::int64_t kEndOfTime = 253'402'300'800;  // year 10000

Task<Result<>> read_usage(Call& call, app::UsageLog& usage, const Clock& clock) {
    const auto now = unix_seconds(clock.system());
    CO_TRY_ASSIGN(const auto to, call.query_int("to", now + 1, 0, kEndOfTime));
    CO_TRY_ASSIGN(const auto from, call.query_int("from", std::max<std::int64_t>(0, to - kMonth), 0, kEndOfTime));
    const auto project = call.query("project").value_or(call.principal().project);
    if (project != call.principal().project && !call.principal().admin) {
        co_return fail(permission_denied("Usage of another project needs an admin key.").with_field("project"));
    }
    CO_TRY_ASSIGN(const auto totals, co_await usage.totals(project, from, to));
    json::array data;
    for (const auto& total : totals) {
        data.push_back(json::object{{"model", total.model},
                                    {"requests", total.requests},
                                    {"prompt_tokens", total.prompt_tokens},
                                    {"completion_tokens", total.completion_tokens},
                                    {"cached_tokens", total.cached_tokens}});
    }
    co_return co_await call.respond_json(
        json::object{{"object", "list"}, {"project", project}, {"from", from}, {"to", to}, {"data", std::move(data)}});
}

}  // namespace

void add_usage_routes(RouteTable& routes, app::UsageLog& usage, const Clock& clock) {
    RouteSpec route;
    route.pattern = "/atrium/v1/usage";
    route.dialect = Dialect::kAtrium;
    route.tag = "administration";
    route.summary = "Tokens per model in a period (from, to: unix seconds; the last 30 days by default)";
    route.handler = [&usage, &clock](Call& call) { return read_usage(call, usage, clock); };
    routes.add(std::move(route));
}

}  // namespace atrium::gateway
