#include "app/tenancy/internal/rows.h"

#include <fmt/format.h>

#include "base/text.h"

namespace atrium::app::internal {
namespace {

constexpr std::size_t kMaxNameBytes = 200;
constexpr std::int64_t kMostPerMinute = 1'000'000'000'000;
constexpr std::int64_t kMostMicros = 1'000'000'000'000'000;  // a billion dollars

std::optional<std::int64_t> seconds(std::optional<std::int64_t> millis) {
    return millis ? std::optional(*millis / 1000) : std::nullopt;
}

std::optional<ModelPatterns> read_models(const sql::Row& row) {
    const auto text = row.optional_text("models");
    const auto parsed = text ? json::parse(*text) : Result<json::value>(nullptr);
    if (!parsed || !parsed->is_array()) return std::nullopt;
    ModelPatterns models;
    for (const auto& item : parsed->get_array()) {
        if (item.is_string()) models.emplace_back(item.get_string());
    }
    return models;
}

json::value or_null(const std::optional<std::int64_t>& number) {
    return number ? json::value(*number) : json::value(nullptr);
}

}  // namespace

const std::string_view kSelectKeys =
    "SELECT k.id AS id, k.name AS name, k.project_id AS project_id, k.redacted AS redacted, k.is_admin AS is_admin, "
    "k.created_at AS created_at, k.organization_id AS organization_id, k.scopes AS scopes, k.expires_at AS expires_at, "
    "k.last_used_at AS last_used_at, k.old_secret_until AS old_secret_until, k.user_id AS user_id, "
    "k.service_account_id "
    "AS service_account_id, k.hash AS hash, k.old_hash AS old_hash, p.requests_per_minute AS requests_per_minute, "
    "p.tokens_per_minute AS tokens_per_minute, p.concurrent AS concurrent, p.micros_per_day AS micros_per_day, "
    "p.micros_per_month AS micros_per_month, p.alert_percent AS alert_percent, p.models AS models, p.models_denied AS "
    "models_denied FROM api_keys k LEFT JOIN policies p ON p.subject_kind = 'key' AND p.subject_id = k.id";

Project read_project(const sql::Row& row) {
    return {row.text("id"), row.text("name"), row.integer("created_at") / 1000, row.text("organization_id"),
            seconds(row.optional_integer("archived_at"))};
}

ApiKey read_key(const sql::Row& row) {
    ApiKey key{row.text("id"),
               row.text("name"),
               row.text("project_id"),
               row.text("redacted"),
               row.integer("is_admin") != 0,
               row.integer("created_at") / 1000};
    key.organisation = row.text("organization_id");
    key.scopes = key.admin ? ScopeSet::all() : ScopeSet::ordinary();
    if (const auto scopes = row.optional_text("scopes")) {
        std::vector<std::string> names;
        for (const auto name : text::split(*scopes, ' ')) {
            if (!name.empty()) names.emplace_back(name);
        }
        // A scope that this version does not know grants nothing.
        key.scopes = ScopeSet::parse(names).value_or(ScopeSet());
    }
    key.expires_at = seconds(row.optional_integer("expires_at"));
    key.last_used_at = seconds(row.optional_integer("last_used_at"));
    key.old_secret_until = seconds(row.optional_integer("old_secret_until"));
    key.user_id = row.text("user_id");
    key.service_account_id = row.text("service_account_id");
    auto policy = read_policy(row);
    key.models = std::move(policy.models);
    key.limits = policy.limits;
    key.budget = policy.budget;
    return key;
}

User read_user(const sql::Row& row) {
    return {row.text("id"), row.text("email"), row.text("name"), row.text("role"), row.integer("created_at") / 1000};
}

SubjectPolicy read_policy(const sql::Row& row) {
    SubjectPolicy policy;
    policy.limits = {row.integer("requests_per_minute"), row.integer("tokens_per_minute"), row.integer("concurrent")};
    policy.budget = {row.integer("micros_per_day"), row.integer("micros_per_month"),
                     static_cast<int>(row.integer("alert_percent"))};
    policy.models = read_models(row);
    policy.deny = row.integer("models_denied") != 0;
    return policy;
}

Result<std::string> checked_name(std::string_view name, std::string_view field) {
    const auto refused = [&](std::string message) {
        return fail(invalid_argument(std::move(message)).with_field(std::string(field)));
    };
    const auto trimmed = text::trim(name);
    if (trimmed.empty()) return refused(fmt::format("{} must not be empty", field));
    if (trimmed.size() > kMaxNameBytes)
        return refused(fmt::format("{} must be at most {} bytes long", field, kMaxNameBytes));
    for (const char c : trimmed) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return refused(fmt::format("{} must not contain control characters", field));
        }
    }
    return std::string(trimmed);
}

Result<Project> find_project(sql::Session& session, const Administrator& by, const std::string& id) {
    TRY_ASSIGN(const auto row,
               session.query_one("SELECT * FROM projects WHERE id = :id AND organization_id = :organization",
                                 {{"id", text::to_valid_utf8(id)}, {"organization", by.principal.organisation}}));
    if (!row || !by.reaches(id)) {
        return fail(not_found(fmt::format("There is no project '{}'.", text::shorten(text::to_valid_utf8(id), 64)))
                        .with_reason("project_not_found"));
    }
    return read_project(*row);
}

Result<Project> live_project(sql::Session& session, const Administrator& by, const std::string& id) {
    TRY_ASSIGN(auto project, find_project(session, by, id));
    if (!project.archived_at) return project;
    return fail(
        failed_precondition(fmt::format("The project '{}' is archived.", project.id)).with_reason("project_archived"));
}

Result<> require_admin_key(sql::Session& session, const std::string& organisation, std::int64_t now_ms) {
    TRY_ASSIGN(const auto row,
               session.query_one("SELECT COUNT(*) AS n FROM api_keys k JOIN projects p ON p.id = k.project_id "
                                 "WHERE k.organization_id = :organization AND k.is_admin = 1 AND k.revoked_at IS NULL "
                                 "AND p.archived_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > :now) "
                                 "AND (k.scopes IS NULL OR k.scopes LIKE '%admin.write%')",
                                 {{"organization", organisation}, {"now", now_ms}}));
    if (row && row->integer("n") > 0) return {};
    return fail(
        failed_precondition("This is the last admin key; create another one first.").with_reason("last_admin_key"));
}

Result<std::optional<SubjectPolicy>> find_policy(sql::Session& session, SubjectKind kind, const std::string& id) {
    TRY_ASSIGN(const auto row,
               session.query_one("SELECT * FROM policies WHERE subject_kind = :kind AND subject_id = :id",
                                 {{"kind", subject_kind_name(kind)}, {"id", id}}));
    return row ? std::optional(read_policy(*row)) : std::nullopt;
}

Result<> store_policy(sql::Session& session, SubjectKind kind, const std::string& id, const SubjectPolicy& policy) {
    TRY(session.execute("DELETE FROM policies WHERE subject_kind = :kind AND subject_id = :id",
                        {{"kind", subject_kind_name(kind)}, {"id", id}}));
    std::optional<std::string> models;
    if (policy.models) models = json::serialize(to_json(policy.models));
    TRY(session.execute(
        "INSERT INTO policies (subject_kind, subject_id, requests_per_minute, tokens_per_minute, concurrent, "
        "micros_per_day, micros_per_month, alert_percent, models, models_denied) VALUES (:kind, :id, :rpm, "
        ":tpm, :concurrent, :day, :month, :alert, :models, :denied)",
        {{"kind", subject_kind_name(kind)},
         {"id", id},
         {"rpm", policy.limits.requests_per_minute},
         {"tpm", policy.limits.tokens_per_minute},
         {"concurrent", policy.limits.concurrent},
         {"day", policy.budget.micros_per_day},
         {"month", policy.budget.micros_per_month},
         {"alert", policy.budget.alert_percent},
         {"models", models},
         {"denied", policy.deny}}));
    return {};
}

Result<> check_policy(const SubjectPolicy& policy) {
    const auto within = [](std::int64_t value, std::int64_t most, std::string_view field) -> Result<> {
        if (value >= 0 && value <= most) return {};
        return fail(invalid_argument(fmt::format("{} must be an integer from 0 to {}", field, most))
                        .with_field(std::string(field)));
    };
    TRY(within(policy.limits.requests_per_minute, kMostPerMinute, "limits.requests_per_minute"));
    TRY(within(policy.limits.tokens_per_minute, kMostPerMinute, "limits.tokens_per_minute"));
    TRY(within(policy.limits.concurrent, 1'000'000, "limits.concurrent"));
    TRY(within(policy.budget.micros_per_day, kMostMicros, "budget.micros_per_day"));
    TRY(within(policy.budget.micros_per_month, kMostMicros, "budget.micros_per_month"));
    TRY(within(policy.budget.alert_percent, 100, "budget.alert_percent"));
    return policy.models ? check_patterns(*policy.models, "models") : Result<>{};
}

json::object to_json(const LimitPolicy& limits) {
    return {{"requests_per_minute", limits.requests_per_minute},
            {"tokens_per_minute", limits.tokens_per_minute},
            {"concurrent", limits.concurrent}};
}

json::object to_json(const BudgetPolicy& budget) {
    return {{"micros_per_day", budget.micros_per_day},
            {"micros_per_month", budget.micros_per_month},
            {"alert_percent", budget.alert_percent}};
}

json::value to_json(const std::optional<ModelPatterns>& models) {
    if (!models) return nullptr;
    json::array list;
    for (const auto& model : *models) list.emplace_back(model);
    return list;
}

json::object to_json(const ApiKey& key) {
    json::array scopes;
    for (const auto& scope : key.scopes.names()) scopes.emplace_back(scope);
    return {{"id", key.id},
            {"name", key.name},
            {"project_id", key.project},
            {"redacted", key.redacted},
            {"admin", key.admin},
            {"scopes", std::move(scopes)},
            {"expires_at", or_null(key.expires_at)},
            {"models", to_json(key.models)},
            {"limits", to_json(key.limits)},
            {"budget", to_json(key.budget)},
            {"user_id", key.user_id},
            {"service_account_id", key.service_account_id}};
}

json::object to_json(const Project& project) {
    return {{"id", project.id}, {"name", project.name}, {"archived_at", or_null(project.archived_at)}};
}

json::object to_json(const User& user) {
    return {{"id", user.id}, {"email", user.email}, {"name", user.name}, {"role", user.role}};
}

json::object to_json(const ServiceAccount& account) {
    return {{"id", account.id}, {"project_id", account.project}, {"name", account.name}, {"role", account.role}};
}

json::object to_json(const SubjectPolicy& policy) {
    return {{"limits", to_json(policy.limits)},
            {"budget", to_json(policy.budget)},
            {"models", to_json(policy.models)},
            {"models_mode", policy.deny ? "deny_list" : "allow_list"}};
}

}  // namespace atrium::app::internal
