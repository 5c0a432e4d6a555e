#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "app/tenancy/policy_service.h"
#include "base/text.h"
#include "gateway/admin/admin_routes.h"
#include "gateway/admin/admin_wire.h"
#include "security/crypto/crypto.h"

namespace atrium::gateway {
namespace {

using namespace admin;
using app::SubjectKind;

constexpr std::int64_t kMicrosPerCent = 10'000;
constexpr std::int64_t kMostCents = 100'000'000'000;
constexpr std::int64_t kMostPerMinute = 1'000'000'000'000;

/// What the handlers share; kept alive by them.
struct Desk {
    app::Tenancy& tenancy;
    const app::ChatService& chat;
    config::LimitSettings defaults;
};

// rate limits: one per model, whether set or not

/// "rl-gpt-4o"; names with characters that paths do not carry get a piece of their hash, so that no two meet.
std::string rate_limit_id(const std::string& model) {
    std::string id = "rl-";
    bool exact = true;
    for (const char c : model) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
        exact = exact && plain;
        id.push_back(plain ? c : '_');
    }
    return exact ? id : id + "-" + crypto::sha256_hex(model).substr(0, 8);
}

json::object to_wire(const app::ModelLimit& limit, const config::LimitSettings& defaults) {
    const auto requests = limit.limits.requests_per_minute;
    const auto tokens = limit.limits.tokens_per_minute;
    return {{"object", "project.rate_limit"},
            {"id", rate_limit_id(limit.model)},
            {"model", limit.model},
            {"max_requests_per_1_minute", requests != 0 ? requests : std::int64_t{defaults.requests_per_minute}},
            {"max_tokens_per_1_minute", tokens != 0 ? tokens : kMostPerMinute}};
}

/// Every model that is served or has a limit, by name.
Task<Result<std::vector<app::ModelLimit>>> all_limits(Call& call, const Desk& desk) {
    CO_TRY_ASSIGN(auto limits,
                  co_await app::PolicyService(desk.tenancy).model_limits(administrator(call), call.path("project_id")));
    for (const auto& model : desk.chat.models()) {
        const bool known = std::ranges::find(limits, model.id, &app::ModelLimit::model) != limits.end();
        if (!known) limits.push_back({model.id, {}});
    }
    std::ranges::sort(limits, {}, &app::ModelLimit::model);
    co_return limits;
}

Task<Result<>> list_rate_limits(Call& call, const Desk& desk) {
    CO_TRY_ASSIGN(const auto range, range_of(call));
    CO_TRY_ASSIGN(auto all, co_await all_limits(call, desk));
    const bool backwards = range.after.empty() && !range.before.empty();
    if (backwards) std::ranges::reverse(all);
    auto begin = all.begin();
    if (const auto& cursor = backwards ? range.before : range.after; !cursor.empty()) {
        begin = std::ranges::find_if(all, [&](const auto& limit) { return rate_limit_id(limit.model) == cursor; });
        if (begin == all.end()) {
            const std::string field = backwards ? "before" : "after";
            co_return fail(invalid_argument(field + " is not an item of this list").with_field(field));
        }
        ++begin;
    }
    app::Listed<app::ModelLimit> page;
    const auto count = std::min<std::ptrdiff_t>(range.limit, all.end() - begin);
    page.items.assign(begin, begin + count);
    page.has_more = count < all.end() - begin;
    if (backwards) std::ranges::reverse(page.items);
    co_return co_await call.respond_json(
        list_to_wire(page, [&](const auto& limit) { return to_wire(limit, desk.defaults); }));
}

Task<Result<>> update_rate_limit(Call& call, const Desk& desk) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"max_requests_per_1_minute", "max_tokens_per_1_minute"}));
    const json::Reader reader(body);
    CO_TRY_ASSIGN(const auto requests, reader.optional_int("max_requests_per_1_minute", 1, kMostPerMinute));
    CO_TRY_ASSIGN(const auto tokens, reader.optional_int("max_tokens_per_1_minute", 1, kMostPerMinute));
    CO_TRY_ASSIGN(auto all, co_await all_limits(call, desk));
    const auto found = std::ranges::find_if(
        all, [&](const auto& limit) { return rate_limit_id(limit.model) == call.path("rate_limit_id"); });
    if (found == all.end()) {
        co_return fail(
            not_found(fmt::format("There is no rate limit '{}'.", text::shorten(call.path("rate_limit_id"), 64)))
                .with_reason("rate_limit_not_found"));
    }
    found->limits.requests_per_minute = requests.value_or(found->limits.requests_per_minute);
    found->limits.tokens_per_minute = tokens.value_or(found->limits.tokens_per_minute);
    CO_TRY_ASSIGN(const auto limit, co_await app::PolicyService(desk.tenancy)
                                        .set_model_limit(administrator(call), call.path("project_id"), *found));
    co_return co_await call.respond_json(to_wire(limit, desk.defaults));
}

// model permissions

json::object permissions_to_wire(const app::SubjectPolicy& policy) {
    const bool listed = policy.models.has_value();
    return {{"object", "project.model_permissions"},
            {"mode", policy.deny || !listed ? "deny_list" : "allow_list"},
            {"model_ids", listed ? models_to_wire(policy.models) : json::value(json::array{})}};
}

Task<Result<>> find_permissions(Call& call, const Desk& desk) {
    CO_TRY_ASSIGN(const auto policy, co_await app::PolicyService(desk.tenancy)
                                         .find(administrator(call), SubjectKind::kProject, call.path("project_id")));
    co_return co_await call.respond_json(permissions_to_wire(policy));
}

Task<Result<>> update_permissions(Call& call, const Desk& desk) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"mode", "model_ids"}));
    const json::Reader reader(body);
    CO_TRY_ASSIGN(const auto mode, reader.required_string("mode"));
    if (mode != "allow_list" && mode != "deny_list") {
        co_return fail(invalid_argument("mode must be allow_list or deny_list").with_field("mode"));
    }
    CO_TRY(reader.required_array("model_ids"));
    CO_TRY_ASSIGN(const auto models, strings_of(reader, "model_ids"));
    CO_TRY(app::check_patterns(*models, "model_ids"));
    CO_TRY_ASSIGN(const auto policy, co_await app::PolicyService(desk.tenancy)
                                         .update(administrator(call), SubjectKind::kProject, call.path("project_id"),
                                                 "model_permissions.updated",
                                                 [models, deny = mode == "deny_list"](app::SubjectPolicy& stored) {
                                                     stored.models = models;
                                                     stored.deny = deny;
                                                 }));
    co_return co_await call.respond_json(permissions_to_wire(policy));
}

Task<Result<>> delete_permissions(Call& call, const Desk& desk) {
    CO_TRY(co_await app::PolicyService(desk.tenancy)
               .update(administrator(call), SubjectKind::kProject, call.path("project_id"), "model_permissions.deleted",
                       [](app::SubjectPolicy& stored) {
                           stored.models.reset();
                           stored.deny = false;
                       }));
    co_return co_await call.respond_json(
        json::object{{"object", "project.model_permissions.deleted"}, {"deleted", true}});
}

// spend limits: OpenAI's are per month, in cents

struct Owner {
    SubjectKind kind;
    std::string id;
    std::string word;  ///< "project" or "organization", as in the names of objects
};

Owner owner_of(const Call& call) {
    if (const auto* project = call.path_if("project_id")) return {SubjectKind::kProject, *project, "project"};
    return {SubjectKind::kOrganisation, "", "organization"};
}

json::object spend_limit_to_wire(const app::SubjectPolicy& policy, const Owner& owner) {
    return {{"object", owner.word + ".spend_limit"},
            {"currency", "USD"},
            {"interval", "month"},
            {"threshold_amount", policy.budget.micros_per_month / kMicrosPerCent},
            {"enforcement", {{"status", policy.budget.micros_per_month > 0 ? "enforcing" : "inactive"}}}};
}

/// USD and month are what there is.
Result<> check_unit(const json::Reader& reader) {
    TRY_ASSIGN(const auto currency, reader.required_string("currency"));
    if (currency != "USD") return fail(invalid_argument("currency must be USD").with_field("currency"));
    TRY_ASSIGN(const auto interval, reader.required_string("interval"));
    if (interval != "month") return fail(invalid_argument("interval must be month").with_field("interval"));
    return {};
}

Result<std::int64_t> threshold_of(const json::Reader& reader) {
    TRY_ASSIGN(const auto cents, reader.optional_int("threshold_amount", 1, kMostCents));
    if (!cents) return fail(invalid_argument("threshold_amount is required").with_field("threshold_amount"));
    return *cents;
}

Task<Result<>> find_spend_limit(Call& call, const Desk& desk) {
    const auto owner = owner_of(call);
    CO_TRY_ASSIGN(const auto policy,
                  co_await app::PolicyService(desk.tenancy).find(administrator(call), owner.kind, owner.id));
    if (policy.budget.micros_per_month == 0) {
        co_return fail(not_found("There is no spend limit here.").with_reason("spend_limit_not_found"));
    }
    co_return co_await call.respond_json(spend_limit_to_wire(policy, owner));
}

Task<Result<>> update_spend_limit(Call& call, const Desk& desk) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"currency", "interval", "threshold_amount"}));
    const json::Reader reader(body);
    CO_TRY(check_unit(reader));
    CO_TRY_ASSIGN(const auto cents, threshold_of(reader));
    const auto owner = owner_of(call);
    CO_TRY_ASSIGN(const auto policy, co_await app::PolicyService(desk.tenancy)
                                         .update(administrator(call), owner.kind, owner.id, "spend_limit.updated",
                                                 [cents](app::SubjectPolicy& stored) {
                                                     stored.budget.micros_per_month = cents * kMicrosPerCent;
                                                 }));
    co_return co_await call.respond_json(spend_limit_to_wire(policy, owner));
}

Task<Result<>> delete_spend_limit(Call& call, const Desk& desk) {
    const auto owner = owner_of(call);
    CO_TRY(co_await app::PolicyService(desk.tenancy)
               .update(administrator(call), owner.kind, owner.id, "spend_limit.deleted",
                       [](app::SubjectPolicy& stored) { stored.budget.micros_per_month = 0; }));
    co_return co_await call.respond_json(
        json::object{{"object", owner.word + ".spend_limit.deleted"}, {"deleted", true}});
}

// spend alerts

json::object alert_to_wire(const app::SpendAlert& alert) {
    json::array recipients;
    for (const auto& recipient : alert.recipients) recipients.emplace_back(recipient);
    return {{"object", alert.project.empty() ? "organization.spend_alert" : "project.spend_alert"},
            {"id", alert.id},
            {"currency", "USD"},
            {"interval", "month"},
            {"threshold_amount", alert.threshold_cents},
            {"notification_channel",
             {{"type", "email"},
              {"recipients", std::move(recipients)},
              {"subject_prefix", or_null(alert.subject_prefix)}}}};
}

Result<app::SpendAlert> alert_of(const json::object& body) {
    TRY(only(body, {"currency", "interval", "threshold_amount", "notification_channel"}));
    const json::Reader reader(body);
    TRY(check_unit(reader));
    app::SpendAlert alert;
    TRY_ASSIGN(alert.threshold_cents, threshold_of(reader));
    TRY_ASSIGN(const auto* object, reader.required_object("notification_channel"));
    const json::Reader channel(*object, "notification_channel");
    TRY_ASSIGN(const auto type, channel.required_string("type"));
    if (type != "email") {
        return fail(
            invalid_argument("notification_channel.type must be email").with_field("notification_channel.type"));
    }
    TRY_ASSIGN(const auto recipients, strings_of(channel, "recipients"));
    alert.recipients = recipients.value_or(std::vector<std::string>());
    TRY_ASSIGN(const auto prefix, channel.optional_string("subject_prefix"));
    alert.subject_prefix = prefix.value_or("");
    return alert;
}

Task<Result<>> list_alerts(Call& call, const Desk& desk) {
    CO_TRY_ASSIGN(auto range, range_of(call));
    CO_TRY_ASSIGN(const auto alerts, co_await app::PolicyService(desk.tenancy)
                                         .list_alerts(administrator(call), owner_of(call).id, std::move(range)));
    co_return co_await call.respond_json(list_to_wire(alerts, alert_to_wire));
}

Task<Result<>> put_alert(Call& call, const Desk& desk) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(auto alert, alert_of(body));
    alert.project = owner_of(call).id;
    if (const auto* id = call.path_if("alert_id")) alert.id = *id;
    CO_TRY_ASSIGN(const auto stored,
                  co_await app::PolicyService(desk.tenancy).put_alert(administrator(call), std::move(alert)));
    co_return co_await call.respond_json(alert_to_wire(stored));
}

Task<Result<>> find_alert(Call& call, const Desk& desk) {
    CO_TRY_ASSIGN(const auto alert, co_await app::PolicyService(desk.tenancy)
                                        .find_alert(administrator(call), owner_of(call).id, call.path("alert_id")));
    co_return co_await call.respond_json(alert_to_wire(alert));
}

Task<Result<>> delete_alert(Call& call, const Desk& desk) {
    const auto owner = owner_of(call);
    CO_TRY(
        co_await app::PolicyService(desk.tenancy).remove_alert(administrator(call), owner.id, call.path("alert_id")));
    co_return co_await call.respond_json(json::object{
        {"object", owner.word + ".spend_alert.deleted"}, {"id", call.path("alert_id")}, {"deleted", true}});
}

// Atrium's own: everything about one subject at once

Owner subject_of(const Call& call) {
    if (const auto* user = call.path_if("user_id")) return {SubjectKind::kUser, *user, "user"};
    return owner_of(call);
}

json::object policy_to_wire(const app::SubjectPolicy& policy, const Owner& owner) {
    json::object wire{{"object", "policy"},
                      {"subject", {{"kind", owner.word}, {"id", or_null(owner.id)}}},
                      {"limits", limits_to_wire(policy.limits)},
                      {"budget", budget_to_wire(policy.budget)},
                      {"models", models_to_wire(policy.models)}};
    if (owner.kind == SubjectKind::kProject) wire["models_mode"] = policy.deny ? "deny_list" : "allow_list";
    return wire;
}

Task<Result<>> find_policy(Call& call, const Desk& desk) {
    const auto owner = subject_of(call);
    CO_TRY_ASSIGN(const auto policy,
                  co_await app::PolicyService(desk.tenancy).find(administrator(call), owner.kind, owner.id));
    co_return co_await call.respond_json(policy_to_wire(policy, owner));
}

Task<Result<>> update_policy(Call& call, const Desk& desk) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY(only(body, {"limits", "budget", "models"}));
    const auto owner = subject_of(call);
    app::PolicyService policies(desk.tenancy);
    CO_TRY_ASSIGN(const auto old, co_await policies.find(administrator(call), owner.kind, owner.id));
    const json::Reader reader(body);
    CO_TRY_ASSIGN(const auto limits, limits_of(reader, old.limits));
    CO_TRY_ASSIGN(const auto budget, budget_of(reader, old.budget));
    CO_TRY_ASSIGN(const auto models, strings_of(reader, "models"));
    const bool listed = body.contains("models");
    CO_TRY_ASSIGN(const auto policy,
                  co_await policies.update(administrator(call), owner.kind, owner.id, "limits.updated",
                                           [limits, budget, models, listed](app::SubjectPolicy& stored) {
                                               if (limits) stored.limits = *limits;
                                               if (budget) stored.budget = *budget;
                                               if (!listed) return;
                                               stored.models = models;
                                               stored.deny = false;
                                           }));
    co_return co_await call.respond_json(policy_to_wire(policy, owner));
}

void add_spend_routes(Routes<const Desk>& routes, const std::string& prefix, Access read) {
    using enum http::Method;
    const auto write = Access::kOrganisation;
    const json::object limit{{"type", "object"},
                             {"required", {"currency", "interval", "threshold_amount"}},
                             {"properties", {{"threshold_amount", {{"type", "integer"}, {"description", "cents"}}}}}};
    routes.add(kGet, prefix + "/spend_limit", read, "The budget per month", find_spend_limit);
    routes.add(kPost, prefix + "/spend_limit", write, "Set the budget per month", update_spend_limit, limit);
    routes.add(kDelete, prefix + "/spend_limit", write, "Take the budget per month away", delete_spend_limit);
    routes.add(kGet, prefix + "/spend_alerts", read, "List the spend alerts", list_alerts);
    routes.add(kPost, prefix + "/spend_alerts", write, "Create a spend alert", put_alert, limit);
    routes.add(kGet, prefix + "/spend_alerts/{alert_id}", read, "One spend alert", find_alert);
    routes.add(kPost, prefix + "/spend_alerts/{alert_id}", write, "Change a spend alert", put_alert, limit);
    routes.add(kDelete, prefix + "/spend_alerts/{alert_id}", write, "Delete a spend alert", delete_alert);
}

}  // namespace

void add_policy_routes(RouteTable& table, app::Tenancy& tenancy, const app::ChatService& chat,
                       config::LimitSettings limits) {
    using enum http::Method;
    // Lives as long as the installation: the handlers refer to it.
    const auto desk = std::make_shared<const Desk>(Desk{tenancy, chat, limits});
    table.keep(desk);
    const json::object any{{"type", "object"}};
    Routes openai(table, *desk, Dialect::kOpenAi);
    const std::string project = "/v1/organization/projects/{project_id}";
    openai.add(kGet, project + "/rate_limits", Access::kProject, "Limits per model", list_rate_limits);
    openai.add(kPost, project + "/rate_limits/{rate_limit_id}", Access::kOrganisation, "Change the limit of a model",
               update_rate_limit, any);
    openai.add(kGet, project + "/model_permissions", Access::kProject, "Which models the project may use",
               find_permissions);
    openai.add(kPost, project + "/model_permissions", Access::kOrganisation, "Set which models the project may use",
               update_permissions, any);
    openai.add(kDelete, project + "/model_permissions", Access::kOrganisation, "Let the project use every model",
               delete_permissions);
    add_spend_routes(openai, project, Access::kProject);
    add_spend_routes(openai, "/v1/organization", Access::kOrganisation);

    Routes own(table, *desk, Dialect::kAtrium);
    const json::object policy{{"type", "object"}, {"properties", {{"limits", any}, {"budget", any}, {"models", any}}}};
    own.add(kGet, "/atrium/v1/organization/policy", Access::kOrganisation,
            "Limits, budget and models of the organization", find_policy);
    own.add(kPost, "/atrium/v1/organization/policy", Access::kOrganisation, "Change them", update_policy, policy);
    own.add(kGet, "/atrium/v1/projects/{project_id}/policy", Access::kProject, "Limits, budget and models of a project",
            find_policy);
    own.add(kPost, "/atrium/v1/projects/{project_id}/policy", Access::kOrganisation, "Change them", update_policy,
            policy);
    own.add(kGet, "/atrium/v1/users/{user_id}/policy", Access::kOrganisation,
            "Limits, budget and models of a user or service account", find_policy);
    own.add(kPost, "/atrium/v1/users/{user_id}/policy", Access::kOrganisation, "Change them", update_policy, policy);
}

void add_admin_routes(RouteTable& routes, app::Tenancy& tenancy, const app::ChatService& chat,
                      config::LimitSettings limits) {
    add_project_routes(routes, tenancy);
    add_key_routes(routes, tenancy);
    add_member_routes(routes, tenancy);
    add_policy_routes(routes, tenancy, chat, limits);
    add_audit_routes(routes, tenancy);
}

}  // namespace atrium::gateway
