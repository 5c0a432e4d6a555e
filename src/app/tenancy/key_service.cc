#include "app/tenancy/key_service.h"

#include <fmt/format.h>

#include "app/tenancy/grant.h"
#include "app/tenancy/internal/paging.h"
#include "app/tenancy/internal/rows.h"
#include "base/id.h"
#include "base/text.h"
#include "security/tokens/api_key.h"

namespace atrium::app {
namespace {

using internal::to_json;

Error no_such_key(const std::string& id) {
    return not_found(fmt::format("There is no API key '{}'.", text::shorten(text::to_valid_utf8(id), 64)))
        .with_reason("key_not_found");
}

/// What of the organisation's keys the administrator may see, as a condition over `k`.
std::string visible(const Administrator& by, sql::Params& params) {
    params.emplace_back("organization", by.principal.organisation);
    std::string where = "k.organization_id = :organization AND k.revoked_at IS NULL";
    if (by.principal.organisation_admin) return where;
    params.emplace_back("own_project", by.principal.project);
    return where + " AND k.project_id = :own_project AND k.is_admin = 0";
}

struct Found {
    ApiKey key;
    std::string hash;
};

Result<Found> find_key(sql::Session& session, const Administrator& by, const std::string& id,
                       const std::string& project) {
    sql::Params params{{"id", id}};
    std::string where = visible(by, params) + " AND k.id = :id";
    if (!project.empty()) {
        where += " AND k.project_id = :project";
        params.emplace_back("project", project);
    }
    TRY_ASSIGN(const auto row, session.query_one(std::string(internal::kSelectKeys) + " WHERE " + where, params));
    if (!row) return fail(no_such_key(id));
    return Found{internal::read_key(*row), row->text("hash")};
}

/// What the maker does not say, the key gets from its own one.
void inherit(KeySpec& spec, const Grant& creator) {
    if (!spec.scopes) spec.scopes = (spec.admin ? ScopeSet::all() : ScopeSet::ordinary()) & creator.scopes;
    if (!spec.expires_at) spec.expires_at = creator.expires_at;
    if (!spec.models && !creator.models.empty()) spec.models = creator.models.front();
    const auto fill = [](std::int64_t& child, std::int64_t limit) {
        if (child == 0) child = limit;
    };
    fill(spec.limits.requests_per_minute, creator.limits.requests_per_minute);
    fill(spec.limits.tokens_per_minute, creator.limits.tokens_per_minute);
    fill(spec.limits.concurrent, creator.limits.concurrent);
    fill(spec.budget.micros_per_day, creator.budget.micros_per_day);
    fill(spec.budget.micros_per_month, creator.budget.micros_per_month);
}

Result<> check_expiry(std::optional<std::int64_t> expires_at, std::int64_t now_ms) {
    constexpr std::int64_t kMost = 100LL * 366 * 24 * 3600;
    if (!expires_at || (*expires_at > now_ms / 1000 && *expires_at < now_ms / 1000 + kMost)) return {};
    return fail(
        invalid_argument("expires_at must be a unix time in seconds that lies in the future").with_field("expires_at"));
}

Result<> check_scopes(const ApiKey& key) {
    if (key.scopes.empty()) return fail(invalid_argument("scopes must name at least one").with_field("scopes"));
    if (!key.admin || !(key.scopes & ScopeSet::admin()).empty()) return {};
    return fail(invalid_argument("an admin key needs admin.read or admin.write").with_field("scopes"));
}

Result<> check_owner(const Change& change, const ApiKey& key) {
    const auto refused = [](std::string field, std::string message) {
        return fail(invalid_argument(std::move(message)).with_field(std::move(field)));
    };
    if (!key.user_id.empty() && !key.service_account_id.empty()) {
        return refused("user_id", "a key belongs to a user or to a service account, not to both");
    }
    if (!key.user_id.empty()) {
        TRY_ASSIGN(const auto row,
                   change.session.query_one(
                       "SELECT u.id AS id FROM users u LEFT JOIN project_users m ON m.user_id = u.id AND "
                       "m.project_id = :project WHERE u.id = :id AND u.organization_id = :organization AND "
                       "(m.user_id IS NOT NULL OR u.role = 'owner')",
                       {{"id", key.user_id}, {"project", key.project}, {"organization", key.organisation}}));
        if (!row) return refused("user_id", "user_id must be a member of the project");
    }
    if (!key.service_account_id.empty()) {
        TRY_ASSIGN(const auto row,
                   change.session.query_one("SELECT id FROM service_accounts WHERE id = :id AND project_id = :project",
                                            {{"id", key.service_account_id}, {"project", key.project}}));
        if (!row) return refused("service_account_id", "service_account_id must be one of the project");
    }
    return {};
}

SubjectPolicy policy_of(const ApiKey& key) {
    return {key.limits, key.budget, key.models, false};
}

Result<> check_key(const Change& change, const ApiKey& key) {
    TRY(check_scopes(key));
    TRY(internal::check_policy(policy_of(key)));
    TRY_ASSIGN(const auto creator, own_grant(change.session, change.by, change.now_ms));
    return require_within(grant_of(key), creator);
}

Result<> insert_key(const Change& change, const ApiKey& key, const std::string& hash) {
    const auto or_null = [](const std::string& id) { return id.empty() ? std::nullopt : std::optional(id); };
    std::optional<std::int64_t> expires_ms;
    if (key.expires_at) expires_ms = *key.expires_at * 1000;
    TRY(change.session.execute(
        "INSERT INTO api_keys (id, project_id, name, hash, redacted, is_admin, created_at, organization_id, scopes, "
        "expires_at, user_id, service_account_id, created_by) VALUES (:id, :project, :name, :hash, :redacted, :admin, "
        ":now, "
        ":organization, :scopes, :expires, :user, :account, :by)",
        {{"id", key.id},
         {"project", key.project},
         {"name", key.name},
         {"hash", hash},
         {"redacted", key.redacted},
         {"admin", key.admin},
         {"now", change.now_ms},
         {"organization", key.organisation},
         {"scopes", key.scopes.text()},
         {"expires", expires_ms},
         {"user", or_null(key.user_id)},
         {"account", or_null(key.service_account_id)},
         {"by", or_null(change.by.principal.key_id)}}));
    return internal::store_policy(change.session, SubjectKind::kKey, key.id, policy_of(key));
}

Result<ApiKey> update_key(const Change& change, const std::string& id, const KeyChanges& changes) {
    TRY_ASSIGN(auto found, find_key(change.session, change.by, id, {}));
    const json::object before = to_json(found.key);
    ApiKey& key = found.key;
    if (changes.name) {
        TRY_ASSIGN(key.name, internal::checked_name(*changes.name));
    }
    const bool rights = changes.scopes || changes.expires_at || changes.models || changes.limits || changes.budget;
    if (changes.scopes) key.scopes = *changes.scopes;
    if (changes.expires_at) key.expires_at = *changes.expires_at;
    if (changes.models) key.models = *changes.models;
    if (changes.limits) key.limits = *changes.limits;
    if (changes.budget) key.budget = *changes.budget;
    if (changes.expires_at) TRY(check_expiry(key.expires_at, change.now_ms));
    if (rights) TRY(check_key(change, key));
    std::optional<std::int64_t> expires_ms;
    if (key.expires_at) expires_ms = *key.expires_at * 1000;
    TRY(change.session.execute(
        "UPDATE api_keys SET name = :name, scopes = :scopes, expires_at = :expires WHERE id = :id",
        {{"name", key.name}, {"scopes", key.scopes.text()}, {"expires", expires_ms}, {"id", key.id}}));
    TRY(internal::store_policy(change.session, SubjectKind::kKey, key.id, policy_of(key)));
    if (key.admin) TRY(internal::require_admin_key(change.session, key.organisation, change.now_ms));
    TRY(change.record({"api_key.updated", key.project, key.id, before, to_json(key)}));
    return key;
}

Result<ApiKey> rotate_key(const Change& change, const std::string& id, const std::string& secret, std::int64_t grace) {
    TRY_ASSIGN(auto found, find_key(change.session, change.by, id, {}));
    ApiKey& key = found.key;
    TRY_ASSIGN(const auto creator, own_grant(change.session, change.by, change.now_ms));
    TRY(require_within(grant_of(key), creator));
    const json::object before = to_json(key);
    key.redacted = tokens::redacted_api_key(secret);
    std::optional<std::string> old_hash;
    std::optional<std::int64_t> until;
    if (grace > 0) {
        old_hash = found.hash;
        until = change.now_ms + grace * 1000;
        key.old_secret_until = *until / 1000;
    } else {
        key.old_secret_until.reset();
    }
    TRY(change.session.execute(
        "UPDATE api_keys SET hash = :hash, redacted = :redacted, old_hash = :old, old_secret_until = "
        ":until WHERE id = :id",
        {{"hash", tokens::api_key_hash(secret)},
         {"redacted", key.redacted},
         {"old", old_hash},
         {"until", until},
         {"id", key.id}}));
    auto after = to_json(key);
    after["grace_seconds"] = grace;
    TRY(change.record({"api_key.rotated", key.project, key.id, before, std::move(after)}));
    return key;
}

Result<> revoke_key(const Change& change, const ApiKey& key) {
    TRY(change.session.execute("UPDATE api_keys SET revoked_at = :now WHERE id = :id",
                               {{"now", change.now_ms}, {"id", key.id}}));
    TRY(change.session.execute("DELETE FROM policies WHERE subject_kind = 'key' AND subject_id = :id",
                               {{"id", key.id}}));
    if (key.admin) TRY(internal::require_admin_key(change.session, key.organisation, change.now_ms));
    return change.record({"api_key.deleted", key.project, key.id, to_json(key), nullptr});
}

}  // namespace

Result<NewKey> create_key_in(const Change& change, KeySpec spec) {
    TRY_ASSIGN(auto name, internal::checked_name(spec.name));
    TRY_ASSIGN(const auto project, internal::live_project(change.session, change.by, spec.project));
    TRY(check_expiry(spec.expires_at, change.now_ms));
    TRY_ASSIGN(const auto creator, own_grant(change.session, change.by, change.now_ms));
    inherit(spec, creator);
    NewKey made;
    made.secret = tokens::generate_api_key();
    ApiKey& key = made.key;
    key = {new_id("key_"), std::move(name),     project.id, tokens::redacted_api_key(made.secret),
           spec.admin,     change.now_ms / 1000};
    key.organisation = project.organisation;
    key.scopes = *spec.scopes;
    key.expires_at = spec.expires_at;
    key.models = std::move(spec.models);
    key.limits = spec.limits;
    key.budget = spec.budget;
    key.user_id = std::move(spec.user_id);
    key.service_account_id = std::move(spec.service_account_id);
    TRY(check_owner(change, key));
    TRY(check_key(change, key));
    TRY(insert_key(change, key, tokens::api_key_hash(made.secret)));
    TRY(change.record({"api_key.created", key.project, key.id, nullptr, to_json(key)}));
    return made;
}

Result<> revoke_keys_of(const Change& change, std::string_view owner_column, const std::string& owner,
                        const std::string& project) {
    sql::Params params{{"owner", owner}};
    std::string where = fmt::format(" WHERE k.{} = :owner AND k.revoked_at IS NULL", owner_column);
    if (!project.empty()) {
        where += " AND k.project_id = :project";
        params.emplace_back("project", project);
    }
    TRY_ASSIGN(const auto rows, change.session.query(std::string(internal::kSelectKeys) + where, params));
    for (const auto& row : rows) TRY(revoke_key(change, internal::read_key(row)));
    return {};
}

Task<Result<NewKey>> KeyService::create(Administrator by, KeySpec spec) {
    co_return co_await tenancy_.change<NewKey>(
        std::move(by), [spec = std::move(spec)](const Change& change) { return create_key_in(change, spec); });
}

Task<Result<ApiKey>> KeyService::find(Administrator by, std::string id, std::string project) {
    CO_TRY_ASSIGN(auto key, co_await tenancy_.database().read<ApiKey>(
                                [by = std::move(by), id = std::move(id),
                                 project = std::move(project)](sql::Session& session) -> Result<ApiKey> {
                                    TRY_ASSIGN(auto found, find_key(session, by, id, project));
                                    return std::move(found.key);
                                }));
    if (const auto used = tenancy_.last_used_at(key.id))
        key.last_used_at = std::max(used, key.last_used_at.value_or(0));
    co_return key;
}

Task<Result<Listed<ApiKey>>> KeyService::list(Administrator by, KeyFilter filter, Range range) {
    auto listed = co_await tenancy_.database().read<Listed<ApiKey>>(
        [by = std::move(by), filter = std::move(filter),
         range = std::move(range)](sql::Session& session) -> Result<Listed<ApiKey>> {
            sql::Params params;
            std::string where = visible(by, params);
            if (!filter.project.empty()) {
                TRY(internal::find_project(session, by, filter.project));
                where += " AND k.project_id = :project";
                params.emplace_back("project", filter.project);
            }
            if (!filter.service_account_id.empty()) {
                where += " AND k.service_account_id = :account";
                params.emplace_back("account", filter.service_account_id);
            }
            if (filter.organisation_wide) {
                where += " AND k.is_admin = :wide";
                params.emplace_back("wide", *filter.organisation_wide);
            }
            return internal::page_of<ApiKey>(session, internal::kSelectKeys, where, std::move(params), range,
                                             internal::read_key, "k.");
        });
    if (!listed) co_return listed;
    for (auto& key : listed->items) {
        if (const auto used = tenancy_.last_used_at(key.id))
            key.last_used_at = std::max(used, key.last_used_at.value_or(0));
    }
    co_return listed;
}

Task<Result<ApiKey>> KeyService::update(Administrator by, std::string id, KeyChanges changes) {
    co_return co_await tenancy_.change<ApiKey>(
        std::move(by), [id = std::move(id), changes = std::move(changes)](const Change& change) {
            return update_key(change, id, changes);
        });
}

Task<Result<NewKey>> KeyService::rotate(Administrator by, std::string id, std::int64_t grace_seconds) {
    if (grace_seconds < 0 || grace_seconds > kMaxGraceSeconds) {
        co_return fail(invalid_argument(fmt::format("grace_seconds must be an integer from 0 to {}", kMaxGraceSeconds))
                           .with_field("grace_seconds"));
    }
    co_return co_await tenancy_.change<NewKey>(
        std::move(by), [id = std::move(id), grace_seconds](const Change& change) -> Result<NewKey> {
            NewKey rotated;
            rotated.secret = tokens::generate_api_key();
            TRY_ASSIGN(rotated.key, rotate_key(change, id, rotated.secret, grace_seconds));
            return rotated;
        });
}

Task<Result<>> KeyService::revoke(Administrator by, std::string id, std::string project) {
    co_return co_await tenancy_.change<void>(
        std::move(by), [id = std::move(id), project = std::move(project)](const Change& change) -> Result<> {
            TRY_ASSIGN(const auto found, find_key(change.session, change.by, id, project));
            return revoke_key(change, found.key);
        });
}

}  // namespace atrium::app
