#include "gateway/admin/admin_routes.h"

namespace atrium::gateway {
namespace {

json::object to_wire(const app::Project& project) {
    return {{"id", project.id}, {"object", "project"}, {"name", project.name}, {"created_at", project.created_at}};
}

json::object to_wire(const app::ApiKey& key) {
    return {{"id", key.id},
            {"object", "api_key"},
            {"name", key.name},
            {"project_id", key.project},
            {"redacted", key.redacted},
            {"admin", key.admin},
            {"created_at", key.created_at}};
}

template <class Item>
json::object to_list(const std::vector<Item>& items) {
    json::array data;
    for (const auto& item : items) data.push_back(to_wire(item));
    return {{"object", "list"}, {"data", std::move(data)}, {"has_more", false}};
}

Task<Result<>> list_projects(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto projects, co_await tenancy.list_projects());
    co_return co_await call.respond_json(to_list(projects));
}

Task<Result<>> create_project(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(auto name, json::Reader(body).required_string("name"));
    CO_TRY_ASSIGN(const auto project, co_await tenancy.create_project(std::move(name)));
    co_return co_await call.respond_json(to_wire(project));
}

Task<Result<>> list_keys(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto keys, co_await tenancy.list_keys(call.path("project_id")));
    co_return co_await call.respond_json(to_list(keys));
}

Task<Result<>> create_key(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    const json::Reader reader(body);
    CO_TRY_ASSIGN(auto name, reader.required_string("name"));
    CO_TRY_ASSIGN(const auto admin, reader.optional_bool("admin"));
    CO_TRY_ASSIGN(const auto made,
                  co_await tenancy.create_key(call.path("project_id"), std::move(name), admin.value_or(false)));
    auto answer = to_wire(made.key);
    answer["secret"] = made.secret;
    // The only response that ever shows it: nothing on the way may keep a copy.
    call.exchange().add_response_header("Cache-Control", "no-store");
    co_return co_await call.respond_json(answer);
}

Task<Result<>> revoke_key(Call& call, app::Tenancy& tenancy) {
    CO_TRY(co_await tenancy.revoke_key(call.path("project_id"), call.path("key_id")));
    co_return co_await call.respond_json(
        json::object{{"id", call.path("key_id")}, {"object", "api_key.deleted"}, {"deleted", true}});
}

}  // namespace

void add_admin_routes(RouteTable& routes, app::Tenancy& tenancy) {
    using Function = Task<Result<>> (*)(Call&, app::Tenancy&);
    const auto add = [&](http::Method method, std::string pattern, std::string summary, Function function,
                         json::object schema) {
        RouteSpec route;
        route.method = method;
        route.pattern = std::move(pattern);
        route.access = Access::kAdmin;
        route.dialect = Dialect::kAtrium;
        route.tag = "administration";
        route.summary = std::move(summary);
        route.handler = [&tenancy, function](Call& call) { return function(call, tenancy); };
        route.request_schema = std::move(schema);
        routes.add(std::move(route));
    };
    const json::object text{{"type", "string"}};
    const json::array required{json::value("name")};
    const json::object project{{"type", "object"}, {"required", required}, {"properties", {{"name", text}}}};
    const json::object key{
        {"type", "object"}, {"required", required}, {"properties", {{"name", text}, {"admin", {{"type", "boolean"}}}}}};
    add(http::Method::kGet, "/atrium/v1/projects", "List the projects", list_projects, {});
    add(http::Method::kPost, "/atrium/v1/projects", "Create a project", create_project, project);
    add(http::Method::kGet, "/atrium/v1/projects/{project_id}/keys", "List the keys of a project", list_keys, {});
    add(http::Method::kPost, "/atrium/v1/projects/{project_id}/keys", "Create a key; its secret is shown once",
        create_key, key);
    add(http::Method::kDelete, "/atrium/v1/projects/{project_id}/keys/{key_id}", "Revoke a key", revoke_key, {});
}

}  // namespace atrium::gateway
