#include <fmt/format.h>

#include <algorithm>

#include "app/tenancy/project_service.h"
#include "gateway/admin/admin_wire.h"
#include "gateway/admin/operations_routes.h"
#include "gateway/openapi.h"

namespace atrium::gateway {
namespace {

/// What the handlers share; kept alive by them.
struct Desk {
    Operations parts;
    const RouteTable& routes;
    SteadyTime began;
};

std::vector<NotReady> not_ready(const Desk& desk) {
    return desk.parts.not_ready ? desk.parts.not_ready() : std::vector<NotReady>();
}

Task<Result<>> health(Call& call, const Desk&) {
    return call.respond_json(json::object{{"status", "ok"}});
}

Task<Result<>> readiness(Call& call, const Desk& desk) {
    const auto waiting = not_ready(desk);
    if (waiting.empty()) co_return co_await call.respond_json(json::object{{"status", "ready"}});
    json::array list;
    for (const auto& model : waiting) list.emplace_back(model.sentence());
    co_return co_await call.respond_json(json::object{{"status", "starting"}, {"reasons", std::move(list)}}, 503);
}

Task<Result<>> metrics_text(Call& call, const Desk& desk) {
    auto response = http::Response::text(200, desk.parts.metrics.expose());
    response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    co_return co_await call.exchange().respond(std::move(response));
}

Task<Result<>> description(Call& call, const Desk& desk) {
    return call.respond_json(openapi_document(desk.routes, desk.parts.version));
}

Task<Result<>> whoami(Call& call, const Desk& desk) {
    const auto& caller = call.principal();
    app::ProjectService projects(desk.parts.tenancy);
    CO_TRY_ASSIGN(const auto own, co_await projects.find(admin::administrator(call), caller.project));
    json::array scopes;
    for (const auto& scope : caller.scopes.names()) scopes.emplace_back(scope);
    co_return co_await call.respond_json(json::object{{"project", {{"id", caller.project}, {"name", own.name}}},
                                                      {"organization", {{"id", caller.organisation}}},
                                                      {"key", {{"id", caller.key_id}, {"name", caller.key_name}}},
                                                      {"scopes", std::move(scopes)},
                                                      {"organization_admin", caller.organisation_admin},
                                                      {"admin", caller.admin}});
}

json::value text_or_null(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
}

/// The first ready model of that kind; null while there is none.
template <class Models>
json::value default_model(const Models& models, bool embedding) {
    for (const auto& info : models) {
        if (info.embedding == embedding && info.ready) return json::value(info.id);
    }
    return nullptr;
}

Task<Result<>> status(Call& call, const Desk& desk) {
    const auto models = desk.parts.chat.models();
    const auto waiting = not_ready(desk);
    json::array list;
    for (const auto& info : models) {
        const auto found =
            std::find_if(waiting.begin(), waiting.end(), [&](const auto& w) { return w.model == info.id; });
        const bool known = found != waiting.end();
        std::string_view state = "ready";
        if (!info.ready) state = known ? found->state_name() : "unavailable";
        // An engine's last words name paths of the server.
        std::string reason = info.ready ? std::string() : info.not_ready_reason;
        if (!info.ready && known && call.principal().admin && !found->detail.empty()) reason = found->detail;
        list.push_back(json::object{{"id", info.id},
                                    {"task", info.embedding ? "embedding" : "chat"},
                                    {"state", state},
                                    {"reason", text_or_null(reason)},
                                    {"small_builtin", info.small_builtin}});
    }
    const auto uptime =
        std::chrono::duration_cast<std::chrono::seconds>(desk.parts.clock.steady() - desk.began).count();
    co_return co_await call.respond_json(json::object{{"version", desk.parts.version},
                                                      {"uptime_seconds", uptime},
                                                      {"models", std::move(list)},
                                                      {"default_chat_model", default_model(models, false)},
                                                      {"default_embedding_model", default_model(models, true)}});
}

json::object to_wire(const trace::SpanRecord& span) {
    json::object attributes;
    for (const auto& [key, value] : span.attributes) {
        std::visit([&](const auto& plain) { attributes[key] = plain; }, value);
    }
    return {{"span_id", span.span_id},
            {"parent_id", text_or_null(span.parent_id)},
            {"name", span.name},
            {"kind", span.kind},
            {"start_unix_nanos", span.start_unix_nanos},
            {"end_unix_nanos", span.end_unix_nanos},
            {"duration_ms", static_cast<double>(span.end_unix_nanos - span.start_unix_nanos) / 1e6},
            {"error", text_or_null(span.error)},
            {"attributes", std::move(attributes)}};
}

Task<Result<>> read_trace(Call& call, const Desk& desk) {
    const auto& id = call.path("trace_id");
    if (id.size() != 32 || id.find_first_not_of("0123456789abcdef") != std::string::npos) {
        co_return fail(invalid_argument("trace_id must be 32 lower-case hexadecimal digits").with_field("trace_id"));
    }
    json::array spans;
    for (const auto& span : desk.parts.spans.find(id)) {
        if (call.principal().admin || span.project == call.principal().project) spans.push_back(to_wire(span));
    }
    if (spans.empty()) {
        co_return fail(not_found(fmt::format("There is no trace '{}', or no longer: only the latest are kept.", id))
                           .with_reason("trace_not_found"));
    }
    co_return co_await call.respond_json(json::object{{"trace_id", id}, {"spans", std::move(spans)}});
}

}  // namespace

void add_operations_routes(RouteTable& routes, Operations operations) {
    using Function = Task<Result<>> (*)(Call&, const Desk&);
    const auto began = operations.clock.steady();
    const auto metrics_access = operations.public_metrics ? Access::kPublic : Access::kAdmin;
    const auto desk = std::make_shared<const Desk>(Desk{std::move(operations), routes, began});
    const auto add = [&](std::string pattern, Access access, std::string summary, Function function) {
        RouteSpec route;
        route.pattern = std::move(pattern);
        route.access = access;
        route.dialect = Dialect::kAtrium;
        route.tag = "operations";
        route.summary = std::move(summary);
        route.handler = [desk, function](Call& call) { return function(call, *desk); };
        routes.add(std::move(route));
    };
    add("/healthz", Access::kPublic, "The process is alive", health);
    add("/readyz", Access::kPublic, "Models and stores are ready; 503 with reasons otherwise", readiness);
    add("/metrics", metrics_access, "Prometheus metrics", metrics_text);
    add("/atrium/openapi.json", Access::kPublic, "This description", description);
    add("/atrium/v1/whoami", Access::kKey, "Project and key of the caller", whoami);
    add("/atrium/v1/status", Access::kKey, "Version, models and their state", status);
    add("/atrium/v1/traces/{trace_id}", Access::kKey, "The spans of one request", read_trace);
}

}  // namespace atrium::gateway
