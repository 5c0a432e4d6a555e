#include "gateway/admin/routing_routes.h"

namespace atrium::gateway {
namespace {

using Service = app::RoutingService;

template <class Status>
json::object deployment_json(const Status& status) {
    const auto known = [](double ms) { return ms > 0 ? json::value(ms) : json::value(nullptr); };
    return {{"id", status.id},
            {"model", status.model},
            {"state", status.state},
            {"breaker", status.breaker},
            {"outstanding", status.outstanding},
            {"outstanding_tokens", status.outstanding_tokens},
            {"ttft_ms", known(status.ttft_ms)},
            {"answer_ms", known(status.answer_ms)},
            {"slow_start", status.slow_start},
            {"back_in_ms", status.back_in_ms}};
}

void add_origin(json::object& object, std::string_view kind, bool from_configuration, std::int64_t created_at) {
    object["object"] = kind;
    object["origin"] = from_configuration ? "configuration" : "api";
    object["created_at"] = created_at > 0 ? json::value(created_at) : json::value(nullptr);
}

json::object to_wire(const app::UpstreamView& view) {
    auto object = config::to_json(view.settings);
    add_origin(object, "upstream", view.from_configuration, view.created_at);
    json::array deployments;
    for (const auto& status : view.deployments) deployments.push_back(deployment_json(status));
    object["deployments"] = std::move(deployments);
    return object;
}

json::object to_wire(const app::AliasView& view) {
    auto object = config::to_json(view.settings);
    add_origin(object, "alias", view.from_configuration, view.created_at);
    object["updated_at"] = view.updated_at > 0 ? json::value(view.updated_at) : json::value(nullptr);
    object["problems"] = json::array(view.problems.begin(), view.problems.end());
    object["previous_arms"] = nullptr;
    if (view.previous) {
        json::array arms;
        for (const auto& arm : *view.previous)
            arms.push_back(json::object{{"target", arm.target}, {"weight", arm.weight}});
        object["previous_arms"] = std::move(arms);
    }
    return object;
}

template <class View>
json::object to_list(const std::vector<View>& views) {
    json::array data;
    for (const auto& view : views) data.push_back(to_wire(view));
    return {{"object", "list"}, {"data", std::move(data)}, {"has_more", false}};
}

json::object deleted(std::string_view kind, const std::string& name) {
    return {{"name", name}, {"object", kind}, {"deleted", true}};
}

/// The body of a PUT: the name is that of the path.
Task<Result<json::object>> named_body(Call& call) {
    CO_TRY_ASSIGN(auto body, co_await call.json_body());
    const std::string& name = call.path("name");
    if (const auto* given = body.if_contains("name"); given != nullptr && *given != json::value(name)) {
        co_return fail(invalid_argument("name cannot be changed; it must be the one in the path").with_field("name"));
    }
    body["name"] = name;
    co_return body;
}

Task<Result<>> list_upstreams(Call& call, Service& service) {
    return call.respond_json(to_list(service.upstreams()));
}

Task<Result<>> read_upstream(Call& call, Service& service) {
    CO_TRY_ASSIGN(const auto view, service.upstream(call.path("name")));
    co_return co_await call.respond_json(to_wire(view));
}

Task<Result<>> create_upstream(Call& call, Service& service) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(auto settings, config::upstream_from_json(body));
    CO_TRY_ASSIGN(const auto view, co_await service.create_upstream(std::move(settings)));
    co_return co_await call.respond_json(to_wire(view));
}

Task<Result<>> replace_upstream(Call& call, Service& service) {
    CO_TRY_ASSIGN(const auto body, co_await named_body(call));
    CO_TRY_ASSIGN(auto settings, config::upstream_from_json(body));
    CO_TRY_ASSIGN(const auto view, co_await service.replace_upstream(std::move(settings)));
    co_return co_await call.respond_json(to_wire(view));
}

Task<Result<>> delete_upstream(Call& call, Service& service) {
    CO_TRY(co_await service.remove_upstream(call.path("name")));
    co_return co_await call.respond_json(deleted("upstream.deleted", call.path("name")));
}

Task<Result<>> list_aliases(Call& call, Service& service) {
    return call.respond_json(to_list(service.aliases()));
}

Task<Result<>> read_alias(Call& call, Service& service) {
    CO_TRY_ASSIGN(const auto view, service.alias(call.path("name")));
    co_return co_await call.respond_json(to_wire(view));
}

Task<Result<>> create_alias(Call& call, Service& service) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(auto settings, config::alias_from_json(body));
    CO_TRY_ASSIGN(const auto view, co_await service.create_alias(std::move(settings)));
    co_return co_await call.respond_json(to_wire(view));
}

Task<Result<>> replace_alias(Call& call, Service& service) {
    CO_TRY_ASSIGN(const auto body, co_await named_body(call));
    CO_TRY_ASSIGN(auto settings, config::alias_from_json(body));
    CO_TRY_ASSIGN(const auto view, co_await service.replace_alias(std::move(settings)));
    co_return co_await call.respond_json(to_wire(view));
}

Task<Result<>> set_weights(Call& call, Service& service) {
    constexpr double kMaxWeight = 1'000'000;
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(const auto* weights, json::Reader(body).required_object("weights"));
    std::vector<config::ArmSettings> arms;
    for (const auto& entry : *weights) {
        CO_TRY_ASSIGN(const auto weight, json::Reader(*weights, "weights").optional_number(entry.key(), 0, kMaxWeight));
        if (weight) arms.push_back({std::string(entry.key()), *weight});
    }
    if (arms.empty()) co_return fail(invalid_argument("weights must name at least one arm").with_field("weights"));
    CO_TRY_ASSIGN(const auto view, co_await service.set_weights(call.path("name"), std::move(arms)));
    co_return co_await call.respond_json(to_wire(view));
}

Task<Result<>> roll_back(Call& call, Service& service) {
    CO_TRY_ASSIGN(const auto view, co_await service.rollback(call.path("name")));
    co_return co_await call.respond_json(to_wire(view));
}

Task<Result<>> delete_alias(Call& call, Service& service) {
    CO_TRY(co_await service.remove_alias(call.path("name")));
    co_return co_await call.respond_json(deleted("alias.deleted", call.path("name")));
}

json::object schema(json::array required, json::object properties) {
    return {{"type", "object"}, {"required", std::move(required)}, {"properties", std::move(properties)}};
}

}  // namespace

void add_routing_routes(RouteTable& routes, app::RoutingService& service) {
    using Function = Task<Result<>> (*)(Call&, Service&);
    const auto add = [&](http::Method method, std::string pattern, std::string summary, Function function,
                         json::object body) {
        RouteSpec route;
        route.method = method;
        route.pattern = std::move(pattern);
        route.access = Access::kAdmin;
        route.dialect = Dialect::kAtrium;
        route.tag = "routing";
        route.summary = std::move(summary);
        route.handler = [&service, function](Call& call) { return function(call, service); };
        route.request_schema = std::move(body);
        routes.add(std::move(route));
    };
    const json::object text{{"type", "string"}};
    const json::object object{{"type", "object"}};
    const json::object list{{"type", "array"}};
    const json::object number{{"type", "number"}};
    const json::object upstream{{"name", text},        {"url", text},
                                {"dialect", text},     {"key", text},
                                {"models", list},      {"weight", number},
                                {"retries", number},   {"max_concurrent", number},
                                {"deadlines", object}, {"health_check", object},
                                {"price", object}};
    const json::object alias{{"name", text},        {"arms", list},
                             {"strategy", text},    {"sticky", {{"type", "boolean"}}},
                             {"fallbacks", object}, {"shadow", list}};
    using http::Method;
    const std::string upstreams = "/atrium/v1/upstreams";
    add(Method::kGet, upstreams, "Upstreams and how their deployments are doing", list_upstreams, {});
    add(Method::kPost, upstreams, "Add an upstream", create_upstream, schema({"name", "url"}, upstream));
    add(Method::kGet, upstreams + "/{name}", "One upstream", read_upstream, {});
    add(Method::kPut, upstreams + "/{name}", "Replace an upstream", replace_upstream, schema({"url"}, upstream));
    add(Method::kDelete, upstreams + "/{name}", "Remove an upstream", delete_upstream, {});
    const std::string aliases = "/atrium/v1/aliases";
    add(Method::kGet, aliases, "Aliases with their arms", list_aliases, {});
    add(Method::kPost, aliases, "Add an alias", create_alias, schema({"name", "arms"}, alias));
    add(Method::kGet, aliases + "/{name}", "One alias", read_alias, {});
    add(Method::kPut, aliases + "/{name}", "Replace an alias", replace_alias, schema({"arms"}, alias));
    add(Method::kDelete, aliases + "/{name}", "Remove an alias", delete_alias, {});
    add(Method::kPut, aliases + "/{name}/weights", "A step of a rollout: new weights for some arms", set_weights,
        schema({"weights"}, {{"weights", object}}));
    add(Method::kPost, aliases + "/{name}/rollback", "Return to the weights before the last change, at once", roll_back,
        {});
}

}  // namespace atrium::gateway
