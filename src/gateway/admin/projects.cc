#include "app/tenancy/key_service.h"
#include "app/tenancy/project_service.h"
#include "gateway/admin/admin_routes.h"
#include "gateway/admin/admin_wire.h"

namespace atrium::gateway {
namespace {

using namespace admin;

/// OpenAI's project object.
json::object to_wire(const app::Project& project) {
    return {{"id", project.id},
            {"object", "organization.project"},
            {"name", project.name},
            {"created_at", project.created_at},
            {"archived_at", or_null(project.archived_at)},
            {"status", project.archived_at ? "archived" : "active"}};
}

/// Atrium's own, older one.
json::object to_plain_wire(const app::Project& project) {
    return {{"id", project.id}, {"object", "project"}, {"name", project.name}, {"created_at", project.created_at}};
}

Task<Result<>> list_projects(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(auto range, range_of(call));
    const bool archived = call.query("include_archived").value_or("false") == "true";
    CO_TRY_ASSIGN(const auto projects,
                  co_await app::ProjectService(tenancy).list(administrator(call), archived, std::move(range)));
    co_return co_await call.respond_json(list_to_wire(projects, to_wire));
}

Task<Result<>> create_project(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"name", "external_key_id", "geography"}));
    const json::Reader reader(body);
    for (const auto* field : {"external_key_id", "geography"}) {
        if (!reader.has(field)) continue;
        co_return fail(
            invalid_argument(std::string(field) + " is not supported by this installation").with_field(field));
    }
    CO_TRY_ASSIGN(auto name, reader.required_string("name"));
    CO_TRY_ASSIGN(const auto project,
                  co_await app::ProjectService(tenancy).create(administrator(call), std::move(name)));
    co_return co_await call.respond_json(to_wire(project));
}

Task<Result<>> find_project(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto project,
                  co_await app::ProjectService(tenancy).find(administrator(call), call.path("project_id")));
    co_return co_await call.respond_json(to_wire(project));
}

Task<Result<>> rename_project(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"name"}));
    CO_TRY_ASSIGN(auto name, json::Reader(body).required_string("name"));
    CO_TRY_ASSIGN(const auto project, co_await app::ProjectService(tenancy).rename(
                                          administrator(call), call.path("project_id"), std::move(name)));
    co_return co_await call.respond_json(to_wire(project));
}

Task<Result<>> archive_project(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto project,
                  co_await app::ProjectService(tenancy).archive(administrator(call), call.path("project_id")));
    co_return co_await call.respond_json(to_wire(project));
}

// Atrium's own routes, as the console and the command line use them.

Task<Result<>> list_plain(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto projects,
                  co_await app::ProjectService(tenancy).list(administrator(call), false, {.limit = 10'000}));
    co_return co_await call.respond_json(list_to_wire(projects, to_plain_wire));
}

Task<Result<>> create_plain(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(auto name, json::Reader(body).required_string("name"));
    CO_TRY_ASSIGN(const auto project,
                  co_await app::ProjectService(tenancy).create(administrator(call), std::move(name)));
    co_return co_await call.respond_json(to_plain_wire(project));
}

Task<Result<>> list_keys(Call& call, app::Tenancy& tenancy) {
    app::KeyFilter filter;
    filter.project = call.path("project_id");
    CO_TRY_ASSIGN(const auto keys,
                  co_await app::KeyService(tenancy).list(administrator(call), std::move(filter), {.limit = 10'000}));
    co_return co_await call.respond_json(list_to_wire(keys, key_to_wire));
}

Task<Result<>> create_key(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"name", "admin"}));
    const json::Reader reader(body);
    app::KeySpec spec;
    CO_TRY_ASSIGN(spec.name, reader.required_string("name"));
    CO_TRY_ASSIGN(const auto wide, reader.optional_bool("admin"));
    spec.admin = wide.value_or(false);
    spec.project = call.path("project_id");
    CO_TRY_ASSIGN(const auto made, co_await app::KeyService(tenancy).create(administrator(call), std::move(spec)));
    auto answer = key_to_wire(made.key);
    answer["secret"] = made.secret;
    never_store(call);
    co_return co_await call.respond_json(answer);
}

Task<Result<>> revoke_key(Call& call, app::Tenancy& tenancy) {
    CO_TRY(co_await app::KeyService(tenancy).revoke(administrator(call), call.path("key_id"), call.path("project_id")));
    co_return co_await call.respond_json(
        json::object{{"id", call.path("key_id")}, {"object", "api_key.deleted"}, {"deleted", true}});
}

Task<Result<>> list_organisations(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto all, co_await app::ProjectService(tenancy).organisations(administrator(call)));
    json::array data;
    for (const auto& one : all) {
        data.push_back(json::object{
            {"id", one.id}, {"object", "organization"}, {"name", one.name}, {"created_at", one.created_at}});
    }
    co_return co_await call.respond_json(
        json::object{{"object", "list"}, {"data", std::move(data)}, {"has_more", false}});
}

Task<Result<>> create_organisation(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"name"}));
    CO_TRY_ASSIGN(auto name, json::Reader(body).required_string("name"));
    CO_TRY_ASSIGN(const auto made,
                  co_await app::ProjectService(tenancy).create_organisation(administrator(call), std::move(name)));
    auto key = key_to_wire(made.key.key);
    key["secret"] = made.key.secret;
    never_store(call);
    co_return co_await call.respond_json(json::object{{"id", made.organisation.id},
                                                      {"object", "organization"},
                                                      {"name", made.organisation.name},
                                                      {"created_at", made.organisation.created_at},
                                                      {"project", to_plain_wire(made.project)},
                                                      {"key", std::move(key)}});
}

}  // namespace

void add_project_routes(RouteTable& table, app::Tenancy& tenancy) {
    using enum http::Method;
    const json::object text{{"type", "string"}};
    const json::array required{json::value("name")};
    const json::object named{{"type", "object"}, {"required", required}, {"properties", {{"name", text}}}};
    const json::object key{
        {"type", "object"}, {"required", required}, {"properties", {{"name", text}, {"admin", {{"type", "boolean"}}}}}};

    Routes openai(table, tenancy, Dialect::kOpenAi);
    const std::string project = "/v1/organization/projects/{project_id}";
    openai.add(kGet, "/v1/organization/projects", Access::kProject, "List the projects", list_projects);
    openai.add(kPost, "/v1/organization/projects", Access::kOrganisation, "Create a project", create_project, named);
    openai.add(kGet, project, Access::kProject, "One project", find_project);
    openai.add(kPost, project, Access::kProject, "Rename a project", rename_project, named);
    openai.add(kPost, project + "/archive", Access::kOrganisation, "Archive a project; its keys stop working",
               archive_project);

    Routes own(table, tenancy, Dialect::kAtrium);
    own.add(kGet, "/atrium/v1/projects", Access::kProject, "List the projects", list_plain);
    own.add(kPost, "/atrium/v1/projects", Access::kOrganisation, "Create a project", create_plain, named);
    own.add(kGet, "/atrium/v1/projects/{project_id}/keys", Access::kProject, "List the keys of a project", list_keys);
    own.add(kPost, "/atrium/v1/projects/{project_id}/keys", Access::kProject, "Create a key; its secret is shown once",
            create_key, key);
    own.add(kDelete, "/atrium/v1/projects/{project_id}/keys/{key_id}", Access::kProject, "Revoke a key", revoke_key);
    own.add(kGet, "/atrium/v1/organizations", Access::kAdmin, "List the organizations", list_organisations);
    own.add(kPost, "/atrium/v1/organizations", Access::kAdmin,
            "Create an organization with a project and an admin key, whose secret is shown once", create_organisation,
            named);
}

}  // namespace atrium::gateway
