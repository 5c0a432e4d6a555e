#include "app/tenancy/member_service.h"
#include "gateway/admin/admin_routes.h"
#include "gateway/admin/admin_wire.h"

namespace atrium::gateway {
namespace {

using namespace admin;

json::object user_to_wire(const app::User& user) {
    return {{"object", "organization.user"}, {"id", user.id},     {"name", user.name},
            {"email", user.email},           {"role", user.role}, {"added_at", user.added_at}};
}

json::object project_user_to_wire(const app::User& user) {
    auto wire = user_to_wire(user);
    wire["object"] = "organization.project.user";
    return wire;
}

json::object account_to_wire(const app::ServiceAccount& account) {
    return {{"object", "organization.project.service_account"},
            {"id", account.id},
            {"name", account.name},
            {"role", account.role},
            {"created_at", account.created_at}};
}

json::object account_key_to_wire(const app::NewKey& made) {
    return {{"object", "organization.project.service_account.api_key"},
            {"id", made.key.id},
            {"name", made.key.name},
            {"value", made.secret},
            {"created_at", made.key.created_at}};
}

json::object deleted(std::string_view id, std::string_view object) {
    return {{"object", object}, {"id", id}, {"deleted", true}};
}

// users of the organization

Task<Result<>> list_users(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(auto range, range_of(call));
    CO_TRY_ASSIGN(auto emails, query_list(call, "emails"));
    CO_TRY_ASSIGN(const auto users, co_await app::MemberService(tenancy).list_users(
                                        administrator(call), std::move(emails), std::move(range)));
    co_return co_await call.respond_json(list_to_wire(users, user_to_wire));
}

Task<Result<>> add_user(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"email", "name", "role"}));
    const json::Reader reader(body);
    CO_TRY_ASSIGN(auto email, reader.required_string("email"));
    CO_TRY_ASSIGN(const auto name, reader.optional_string("name"));
    CO_TRY_ASSIGN(const auto role, reader.optional_string("role"));
    CO_TRY_ASSIGN(const auto user,
                  co_await app::MemberService(tenancy).add_user(administrator(call), std::move(email),
                                                                name.value_or(""), role.value_or("reader")));
    co_return co_await call.respond_json(user_to_wire(user));
}

Task<Result<>> find_user(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto user,
                  co_await app::MemberService(tenancy).find_user(administrator(call), call.path("user_id")));
    co_return co_await call.respond_json(user_to_wire(user));
}

Task<Result<>> update_user(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"role", "name"}));
    const json::Reader reader(body);
    CO_TRY_ASSIGN(auto role, reader.optional_string("role"));
    CO_TRY_ASSIGN(auto name, reader.optional_string("name"));
    CO_TRY_ASSIGN(const auto user, co_await app::MemberService(tenancy).update_user(
                                       administrator(call), call.path("user_id"), std::move(role), std::move(name)));
    co_return co_await call.respond_json(user_to_wire(user));
}

Task<Result<>> remove_user(Call& call, app::Tenancy& tenancy) {
    CO_TRY(co_await app::MemberService(tenancy).remove_user(administrator(call), call.path("user_id")));
    co_return co_await call.respond_json(deleted(call.path("user_id"), "organization.user.deleted"));
}

/// An invitation needs mail and a way to sign in with it; both are missing, so nothing is pretended.
Task<Result<>> no_invites(Call&, app::Tenancy&) {
    co_return fail(
        unimplemented("This installation sends no mail, so there are no invitations. POST /atrium/v1/users adds "
                      "somebody at once.")
            .with_reason("invites_not_supported"));
}

// users of a project

Task<Result<>> list_project_users(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(auto range, range_of(call));
    CO_TRY_ASSIGN(const auto users, co_await app::MemberService(tenancy).list_project(
                                        administrator(call), call.path("project_id"), std::move(range)));
    co_return co_await call.respond_json(list_to_wire(users, project_user_to_wire));
}

Task<Result<>> add_project_user(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"user_id", "email", "role"}));
    const json::Reader reader(body);
    CO_TRY_ASSIGN(const auto id, reader.optional_string("user_id"));
    CO_TRY_ASSIGN(const auto email, reader.optional_string("email"));
    if (id.has_value() == email.has_value()) {
        co_return fail(invalid_argument("exactly one of user_id and email is needed").with_field("user_id"));
    }
    CO_TRY_ASSIGN(auto role, reader.required_string("role"));
    CO_TRY_ASSIGN(const auto user,
                  co_await app::MemberService(tenancy).add_to_project(administrator(call), call.path("project_id"),
                                                                      id ? *id : *email, std::move(role)));
    co_return co_await call.respond_json(project_user_to_wire(user));
}

Task<Result<>> find_project_user(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto user, co_await app::MemberService(tenancy).find_in_project(
                                       administrator(call), call.path("project_id"), call.path("user_id")));
    co_return co_await call.respond_json(project_user_to_wire(user));
}

Task<Result<>> update_project_user(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"role"}));
    CO_TRY_ASSIGN(auto role, json::Reader(body).required_string("role"));
    CO_TRY_ASSIGN(const auto user,
                  co_await app::MemberService(tenancy).change_in_project(administrator(call), call.path("project_id"),
                                                                         call.path("user_id"), std::move(role)));
    co_return co_await call.respond_json(project_user_to_wire(user));
}

Task<Result<>> remove_project_user(Call& call, app::Tenancy& tenancy) {
    CO_TRY(co_await app::MemberService(tenancy).remove_from_project(administrator(call), call.path("project_id"),
                                                                    call.path("user_id")));
    co_return co_await call.respond_json(deleted(call.path("user_id"), "organization.project.user.deleted"));
}

// service accounts

Task<Result<>> list_accounts(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(auto range, range_of(call));
    CO_TRY_ASSIGN(const auto accounts, co_await app::MemberService(tenancy).list_accounts(
                                           administrator(call), call.path("project_id"), std::move(range)));
    co_return co_await call.respond_json(list_to_wire(accounts, account_to_wire));
}

Task<Result<>> create_account(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"name", "create_service_account_only"}));
    const json::Reader reader(body);
    CO_TRY_ASSIGN(auto name, reader.required_string("name"));
    CO_TRY_ASSIGN(const auto alone, reader.optional_bool("create_service_account_only"));
    CO_TRY_ASSIGN(const auto made,
                  co_await app::MemberService(tenancy).create_account(administrator(call), call.path("project_id"),
                                                                      std::move(name), !alone.value_or(false)));
    auto wire = account_to_wire(made.account);
    wire["api_key"] = made.key ? json::value(account_key_to_wire(*made.key)) : json::value(nullptr);
    never_store(call);
    co_return co_await call.respond_json(wire);
}

Task<Result<>> find_account(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto account,
                  co_await app::MemberService(tenancy).find_account(administrator(call), call.path("project_id"),
                                                                    call.path("service_account_id")));
    co_return co_await call.respond_json(account_to_wire(account));
}

Task<Result<>> update_account(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"name", "role"}));
    const json::Reader reader(body);
    CO_TRY_ASSIGN(auto name, reader.optional_string("name"));
    CO_TRY_ASSIGN(auto role, reader.optional_string("role"));
    CO_TRY_ASSIGN(const auto account, co_await app::MemberService(tenancy).update_account(
                                          administrator(call), call.path("project_id"), call.path("service_account_id"),
                                          std::move(name), std::move(role)));
    co_return co_await call.respond_json(account_to_wire(account));
}

Task<Result<>> remove_account(Call& call, app::Tenancy& tenancy) {
    CO_TRY(co_await app::MemberService(tenancy).remove_account(administrator(call), call.path("project_id"),
                                                               call.path("service_account_id")));
    co_return co_await call.respond_json(
        deleted(call.path("service_account_id"), "organization.project.service_account.deleted"));
}

Task<Result<>> create_account_key(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"name", "scopes"}));
    const json::Reader reader(body);
    CO_TRY_ASSIGN(const auto name, reader.optional_string("name"));
    CO_TRY_ASSIGN(const auto names, strings_of(reader, "scopes"));
    std::optional<app::ScopeSet> scopes;
    if (names) {
        CO_TRY_ASSIGN(scopes, app::ScopeSet::parse(*names));
    }
    CO_TRY_ASSIGN(const auto made, co_await app::MemberService(tenancy).create_account_key(
                                       administrator(call), call.path("project_id"), call.path("service_account_id"),
                                       name.value_or(""), scopes));
    never_store(call);
    co_return co_await call.respond_json(account_key_to_wire(made));
}

json::object schema(std::initializer_list<std::string_view> fields) {
    json::object properties;
    for (const auto field : fields) properties[field] = json::object{{"type", "string"}};
    return {{"type", "object"}, {"properties", std::move(properties)}};
}

void add_invites(Routes<app::Tenancy>& routes) {
    using enum http::Method;
    const std::string invites = "/v1/organization/invites";
    for (const auto method : {kGet, kPost}) {
        routes.add(method, invites, Access::kOrganisation, "Not available: this installation sends no mail",
                   no_invites);
    }
    for (const auto method : {kGet, kDelete}) {
        routes.add(method, invites + "/{invite_id}", Access::kOrganisation,
                   "Not available: this installation sends no mail", no_invites);
    }
}

}  // namespace

void add_member_routes(RouteTable& table, app::Tenancy& tenancy) {
    using enum http::Method;
    Routes own(table, tenancy, Dialect::kAtrium);
    own.add(kPost, "/atrium/v1/users", Access::kOrganisation, "Add a user to the organization", add_user,
            schema({"email", "name", "role"}));

    Routes openai(table, tenancy, Dialect::kOpenAi);
    const std::string user = "/v1/organization/users/{user_id}";
    openai.add(kGet, "/v1/organization/users", Access::kOrganisation, "List the users", list_users);
    openai.add(kGet, user, Access::kOrganisation, "One user", find_user);
    openai.add(kPost, user, Access::kOrganisation, "Change a user's role or name", update_user,
               schema({"role", "name"}));
    openai.add(kDelete, user, Access::kOrganisation, "Remove a user; their keys are revoked", remove_user);
    add_invites(openai);

    const std::string users = "/v1/organization/projects/{project_id}/users";
    openai.add(kGet, users, Access::kProject, "List the users of a project", list_project_users);
    openai.add(kPost, users, Access::kProject, "Add a user to a project", add_project_user,
               schema({"user_id", "email", "role"}));
    openai.add(kGet, users + "/{user_id}", Access::kProject, "One user of a project", find_project_user);
    openai.add(kPost, users + "/{user_id}", Access::kProject, "Change a user's role in a project", update_project_user,
               schema({"role"}));
    openai.add(kDelete, users + "/{user_id}", Access::kProject, "Remove a user from a project; their keys are revoked",
               remove_project_user);

    const std::string accounts = "/v1/organization/projects/{project_id}/service_accounts";
    const std::string account = accounts + "/{service_account_id}";
    openai.add(kGet, accounts, Access::kProject, "List the service accounts", list_accounts);
    openai.add(kPost, accounts, Access::kProject, "Create a service account with a key, whose value is shown once",
               create_account, schema({"name"}));
    openai.add(kGet, account, Access::kProject, "One service account", find_account);
    openai.add(kPost, account, Access::kProject, "Change a service account", update_account, schema({"name", "role"}));
    openai.add(kDelete, account, Access::kProject, "Delete a service account; its keys are revoked", remove_account);
    openai.add(kPost, account + "/api_keys", Access::kProject,
               "Another key of a service account; its value is shown once", create_account_key, schema({"name"}));
}

}  // namespace atrium::gateway
