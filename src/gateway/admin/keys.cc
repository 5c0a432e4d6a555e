#include <fmt/format.h>

#include "app/tenancy/key_service.h"
#include "app/tenancy/member_service.h"
#include "gateway/admin/admin_routes.h"
#include "gateway/admin/admin_wire.h"

namespace atrium::gateway {
namespace {

using namespace admin;

constexpr std::int64_t kEndOfTime = 253'402'300'800;  // year 10000
constexpr std::int64_t kMostSeconds = 100LL * 365 * 24 * 3600;

Result<std::optional<app::ScopeSet>> scopes_of(const json::Reader& reader) {
    TRY_ASSIGN(const auto names, strings_of(reader, "scopes"));
    if (!names) return std::nullopt;
    TRY_ASSIGN(const auto scopes, app::ScopeSet::parse(*names));
    return scopes;
}

json::object with_secret(json::object wire, const char* member, const std::string& secret) {
    wire[member] = secret;
    return wire;
}

// /atrium/v1/keys

Result<app::KeySpec> spec_of(const json::object& body, const Call& call) {
    TRY(only(body, {"name", "project_id", "admin", "scopes", "expires_at", "models", "limits", "budget", "user_id",
                    "service_account_id"}));
    const json::Reader reader(body);
    app::KeySpec spec;
    TRY_ASSIGN(spec.name, reader.required_string("name"));
    TRY_ASSIGN(const auto project, reader.optional_string("project_id"));
    spec.project = project.value_or(call.principal().project);
    TRY_ASSIGN(const auto wide, reader.optional_bool("admin"));
    spec.admin = wide.value_or(false);
    TRY_ASSIGN(spec.scopes, scopes_of(reader));
    TRY_ASSIGN(spec.expires_at, reader.optional_int("expires_at", 1, kEndOfTime));
    TRY_ASSIGN(spec.models, strings_of(reader, "models"));
    TRY_ASSIGN(const auto limits, limits_of(reader));
    spec.limits = limits.value_or(app::LimitPolicy{});
    TRY_ASSIGN(const auto budget, budget_of(reader));
    spec.budget = budget.value_or(app::BudgetPolicy{});
    TRY_ASSIGN(const auto user, reader.optional_string("user_id"));
    spec.user_id = user.value_or("");
    TRY_ASSIGN(const auto account, reader.optional_string("service_account_id"));
    spec.service_account_id = account.value_or("");
    return spec;
}

Task<Result<>> create(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(auto spec, spec_of(body, call));
    CO_TRY_ASSIGN(const auto made, co_await app::KeyService(tenancy).create(administrator(call), std::move(spec)));
    never_store(call);
    co_return co_await call.respond_json(with_secret(key_to_wire(made.key), "secret", made.secret));
}

Task<Result<>> list(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(auto range, range_of(call));
    app::KeyFilter filter;
    filter.project = call.query("project_id").value_or("");
    filter.service_account_id = call.query("service_account_id").value_or("");
    CO_TRY_ASSIGN(const auto keys,
                  co_await app::KeyService(tenancy).list(administrator(call), std::move(filter), std::move(range)));
    co_return co_await call.respond_json(list_to_wire(keys, key_to_wire));
}

Task<Result<>> find(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto key, co_await app::KeyService(tenancy).find(administrator(call), call.path("key_id")));
    co_return co_await call.respond_json(key_to_wire(key));
}

/// A member that is null takes the restriction away, as far as the key in use allows that.
Result<app::KeyChanges> changes_of(const json::object& body, const app::ApiKey& old) {
    TRY(only(body, {"name", "scopes", "expires_at", "models", "limits", "budget"}));
    const json::Reader reader(body);
    app::KeyChanges changes;
    TRY_ASSIGN(changes.name, reader.optional_string("name"));
    TRY_ASSIGN(changes.scopes, scopes_of(reader));
    if (body.contains("expires_at")) {
        TRY_ASSIGN(changes.expires_at, reader.optional_int("expires_at", 1, kEndOfTime));
    }
    if (body.contains("models")) {
        TRY_ASSIGN(changes.models, strings_of(reader, "models"));
    }
    TRY_ASSIGN(changes.limits, limits_of(reader, old.limits));
    TRY_ASSIGN(changes.budget, budget_of(reader, old.budget));
    return changes;
}

Task<Result<>> update(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    app::KeyService keys(tenancy);
    CO_TRY_ASSIGN(const auto old, co_await keys.find(administrator(call), call.path("key_id")));
    CO_TRY_ASSIGN(auto changes, changes_of(body, old));
    CO_TRY_ASSIGN(const auto key, co_await keys.update(administrator(call), call.path("key_id"), std::move(changes)));
    co_return co_await call.respond_json(key_to_wire(key));
}

Task<Result<>> rotate(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"grace_seconds"}));
    CO_TRY_ASSIGN(const auto grace,
                  json::Reader(body).optional_int("grace_seconds", 0, app::KeyService::kMaxGraceSeconds));
    CO_TRY_ASSIGN(const auto made, co_await app::KeyService(tenancy).rotate(administrator(call), call.path("key_id"),
                                                                            grace.value_or(0)));
    never_store(call);
    co_return co_await call.respond_json(with_secret(key_to_wire(made.key), "secret", made.secret));
}

Task<Result<>> revoke(Call& call, app::Tenancy& tenancy) {
    CO_TRY(co_await app::KeyService(tenancy).revoke(administrator(call), call.path("key_id")));
    co_return co_await call.respond_json(
        json::object{{"id", call.path("key_id")}, {"object", "api_key.deleted"}, {"deleted", true}});
}

// /v1/organization/projects/{project_id}/api_keys

/// Keys that nobody in particular owns have an empty owner.
Task<Result<json::object>> owner_to_wire(app::Tenancy& tenancy, app::Administrator by, app::ApiKey key) {
    app::MemberService members(tenancy);
    if (!key.user_id.empty()) {
        CO_TRY_ASSIGN(const auto user, co_await members.find_user(by, key.user_id));
        co_return json::object{{"type", "user"},
                               {"user",
                                {{"object", "organization.project.user"},
                                 {"id", user.id},
                                 {"name", user.name},
                                 {"email", user.email},
                                 {"role", user.role == "owner" ? "owner" : "member"},
                                 {"created_at", user.added_at},
                                 {"added_at", user.added_at}}}};
    }
    if (key.service_account_id.empty()) co_return json::object{};
    CO_TRY_ASSIGN(const auto account, co_await members.find_account(by, key.project, key.service_account_id));
    co_return json::object{{"type", "service_account"},
                           {"service_account",
                            {{"object", "organization.project.service_account"},
                             {"id", account.id},
                             {"name", account.name},
                             {"role", account.role},
                             {"created_at", account.created_at}}}};
}

Task<Result<json::object>> project_key_to_wire(app::Tenancy& tenancy, app::Administrator by, app::ApiKey key) {
    CO_TRY_ASSIGN(auto owner, co_await owner_to_wire(tenancy, std::move(by), key));
    co_return json::object{{"object", "organization.project.api_key"},
                           {"id", key.id},
                           {"name", key.name},
                           {"redacted_value", key.redacted},
                           {"created_at", key.created_at},
                           {"last_used_at", or_null(key.last_used_at)},
                           {"expires_at", or_null(key.expires_at)},
                           {"owner_project_access", "active"},
                           {"owner", std::move(owner)}};
}

Task<Result<>> list_project_keys(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(auto range, range_of(call));
    app::KeyFilter filter;
    filter.project = call.path("project_id");
    filter.organisation_wide = false;
    CO_TRY_ASSIGN(const auto keys,
                  co_await app::KeyService(tenancy).list(administrator(call), std::move(filter), std::move(range)));
    auto wire = list_to_wire(keys, key_to_wire);
    for (std::size_t i = 0; i < keys.items.size(); ++i) {
        CO_TRY_ASSIGN(wire["data"].as_array()[i],
                      co_await project_key_to_wire(tenancy, administrator(call), keys.items[i]));
    }
    co_return co_await call.respond_json(wire);
}

Task<Result<>> find_project_key(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(auto key, co_await app::KeyService(tenancy).find(administrator(call), call.path("key_id"),
                                                                   call.path("project_id")));
    CO_TRY_ASSIGN(const auto wire, co_await project_key_to_wire(tenancy, administrator(call), std::move(key)));
    co_return co_await call.respond_json(wire);
}

Task<Result<>> delete_project_key(Call& call, app::Tenancy& tenancy) {
    CO_TRY(co_await app::KeyService(tenancy).revoke(administrator(call), call.path("key_id"), call.path("project_id")));
    co_return co_await call.respond_json(json::object{
        {"object", "organization.project.api_key.deleted"}, {"id", call.path("key_id")}, {"deleted", true}});
}

// /v1/organization/admin_api_keys

json::object admin_key_to_wire(const app::ApiKey& key) {
    const bool person = !key.user_id.empty();
    const json::object owner{{"type", person ? "user" : "service_account"},
                             {"object", person ? "organization.user" : "organization.service_account"},
                             {"id", person ? key.user_id : key.id},
                             {"name", key.name},
                             {"created_at", key.created_at},
                             {"role", "owner"}};
    return {{"object", "organization.admin_api_key"},
            {"id", key.id},
            {"name", key.name},
            {"redacted_value", key.redacted},
            {"created_at", key.created_at},
            {"expires_at", or_null(key.expires_at)},
            {"last_used_at", or_null(key.last_used_at)},
            {"owner", owner}};
}

Task<Result<>> list_admin_keys(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(auto range, range_of(call));
    app::KeyFilter filter;
    filter.organisation_wide = true;
    CO_TRY_ASSIGN(const auto keys,
                  co_await app::KeyService(tenancy).list(administrator(call), std::move(filter), std::move(range)));
    co_return co_await call.respond_json(list_to_wire(keys, admin_key_to_wire));
}

/// As at OpenAI, such a key administers and calls no model; /atrium/v1/keys makes others.
Task<Result<>> create_admin_key(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"name", "expires_in_seconds"}));
    const json::Reader reader(body);
    app::KeySpec spec;
    CO_TRY_ASSIGN(spec.name, reader.required_string("name"));
    CO_TRY_ASSIGN(const auto seconds, reader.optional_int("expires_in_seconds", 1, kMostSeconds));
    if (seconds) spec.expires_at = unix_seconds(tenancy.clock().system()) + *seconds;
    spec.project = call.principal().project;
    spec.admin = true;
    const auto administration = app::ScopeSet::parse({"admin.read", "admin.write", "usage.read"});
    spec.scopes = administration.value_or(app::ScopeSet::admin()) & call.principal().scopes;
    CO_TRY_ASSIGN(const auto made, co_await app::KeyService(tenancy).create(administrator(call), std::move(spec)));
    never_store(call);
    co_return co_await call.respond_json(with_secret(admin_key_to_wire(made.key), "value", made.secret));
}

Task<Result<app::ApiKey>> admin_key(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(auto key, co_await app::KeyService(tenancy).find(administrator(call), call.path("key_id")));
    if (!key.admin) {
        co_return fail(not_found(fmt::format("There is no admin key '{}'.", key.id)).with_reason("key_not_found"));
    }
    co_return key;
}

Task<Result<>> find_admin_key(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto key, co_await admin_key(call, tenancy));
    co_return co_await call.respond_json(admin_key_to_wire(key));
}

Task<Result<>> delete_admin_key(Call& call, app::Tenancy& tenancy) {
    CO_TRY_ASSIGN(const auto key, co_await admin_key(call, tenancy));
    CO_TRY(co_await app::KeyService(tenancy).revoke(administrator(call), key.id));
    co_return co_await call.respond_json(
        json::object{{"id", key.id}, {"object", "organization.admin_api_key.deleted"}, {"deleted", true}});
}

json::object key_schema() {
    const json::object text{{"type", "string"}};
    const json::object texts{{"type", "array"}, {"items", text}};
    return {{"type", "object"},
            {"properties",
             {{"name", text},
              {"project_id", text},
              {"admin", {{"type", "boolean"}}},
              {"scopes", texts},
              {"expires_at", {{"type", "integer"}}},
              {"models", texts},
              {"limits", {{"type", "object"}}},
              {"budget", {{"type", "object"}}},
              {"user_id", text},
              {"service_account_id", text}}}};
}

}  // namespace

void add_key_routes(RouteTable& table, app::Tenancy& tenancy) {
    using enum http::Method;
    Routes own(table, tenancy, Dialect::kAtrium);
    own.add(kGet, "/atrium/v1/keys", Access::kProject, "List API keys", list);
    own.add(kPost, "/atrium/v1/keys", Access::kProject, "Create a key; its secret is shown once", create, key_schema());
    own.add(kGet, "/atrium/v1/keys/{key_id}", Access::kProject, "One key", find);
    own.add(kPost, "/atrium/v1/keys/{key_id}", Access::kProject,
            "Change name, scopes, expiry, models, limits or budget", update, key_schema());
    own.add(kPost, "/atrium/v1/keys/{key_id}/rotate", Access::kProject,
            "A new secret; the old one works for grace_seconds more", rotate,
            {{"type", "object"}, {"properties", {{"grace_seconds", {{"type", "integer"}}}}}});
    own.add(kDelete, "/atrium/v1/keys/{key_id}", Access::kProject, "Revoke a key at once", revoke);

    Routes openai(table, tenancy, Dialect::kOpenAi);
    const std::string keys = "/v1/organization/projects/{project_id}/api_keys";
    openai.add(kGet, keys, Access::kProject, "List the API keys of a project", list_project_keys);
    openai.add(kGet, keys + "/{key_id}", Access::kProject, "One API key of a project", find_project_key);
    openai.add(kDelete, keys + "/{key_id}", Access::kProject, "Revoke an API key of a project", delete_project_key);
    const std::string admin_keys = "/v1/organization/admin_api_keys";
    openai.add(kGet, admin_keys, Access::kOrganisation, "List the admin keys", list_admin_keys);
    openai.add(kPost, admin_keys, Access::kOrganisation, "Create an admin key; its value is shown once",
               create_admin_key,
               {{"type", "object"},
                {"required", {"name"}},
                {"properties", {{"name", {{"type", "string"}}}, {"expires_in_seconds", {{"type", "integer"}}}}}});
    openai.add(kGet, admin_keys + "/{key_id}", Access::kOrganisation, "One admin key", find_admin_key);
    openai.add(kDelete, admin_keys + "/{key_id}", Access::kOrganisation, "Revoke an admin key", delete_admin_key);
}

}  // namespace atrium::gateway
