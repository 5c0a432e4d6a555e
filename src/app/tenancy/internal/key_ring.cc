#include "app/tenancy/internal/key_ring.h"

#include <fmt/format.h>

#include <map>

#include "app/tenancy/internal/rows.h"
#include "app/tenancy/tenancy.h"
#include "security/crypto/crypto.h"
#include "security/tokens/api_key.h"

namespace atrium::app::internal {
namespace {

/// A key in use writes this often, not on every request: the cache line stays shared between io threads.
constexpr std::int64_t kActivityResolutionMs = 1000;

using Policies = std::map<std::pair<std::string, std::string>, SubjectPolicy>;
using ModelLimits = std::map<std::string, std::vector<ModelLimit>>;

struct Rules {
    Policies policies;
    ModelLimits model_limits;
};

Result<Rules> load_rules(sql::Session& session) {
    Rules rules;
    TRY_ASSIGN(const auto policies, session.query("SELECT * FROM policies"));
    for (const auto& row : policies) {
        rules.policies.emplace(std::pair(row.text("subject_kind"), row.text("subject_id")), read_policy(row));
    }
    TRY_ASSIGN(const auto limits, session.query("SELECT * FROM model_limits"));
    for (const auto& row : limits) {
        rules.model_limits[row.text("project_id")].push_back(
            {row.text("model"), {row.integer("requests_per_minute"), row.integer("tokens_per_minute"), 0}});
    }
    return rules;
}

std::shared_ptr<const KeyPolicy> policy_of(const ApiKey& key, const Rules& rules) {
    auto policy = std::make_shared<KeyPolicy>();
    const auto add = [&](SubjectKind kind, const std::string& id) {
        if (id.empty()) return;
        Subject subject{kind, id, {}, {}};
        const auto found = rules.policies.find({std::string(subject_kind_name(kind)), id});
        if (found != rules.policies.end()) {
            subject.limits = found->second.limits;
            subject.budget = found->second.budget;
            if (found->second.models && found->second.deny) {
                policy->deny_models.insert(policy->deny_models.end(), found->second.models->begin(),
                                           found->second.models->end());
            } else if (found->second.models) {
                policy->allow_models.push_back(*found->second.models);
            }
        }
        policy->subjects.push_back(std::move(subject));
    };
    add(SubjectKind::kKey, key.id);
    add(SubjectKind::kUser, key.user_id.empty() ? key.service_account_id : key.user_id);
    add(SubjectKind::kProject, key.project);
    add(SubjectKind::kOrganisation, key.organisation);
    const auto limits = rules.model_limits.find(key.project);
    if (limits != rules.model_limits.end()) policy->model_limits = limits->second;
    return policy;
}

std::shared_ptr<const Principal> principal_of(const ApiKey& key, const Rules& rules) {
    auto principal = std::make_shared<Principal>();
    principal->project = key.project;
    principal->key_id = key.id;
    principal->key_name = key.name;
    principal->organisation = key.organisation;
    principal->organisation_admin = key.admin;
    principal->admin =
        key.admin && key.organisation == Tenancy::kDefaultOrganisation && key.scopes.has(Scope::kAdminRead);
    principal->user_id = key.user_id;
    principal->service_account_id = key.service_account_id;
    principal->scopes = key.scopes;
    principal->policy = policy_of(key, rules);
    return principal;
}

Error expired(const KeyEntry& entry, bool rotated) {
    return unauthenticated(
               fmt::format("The {} of the API key '{}' has expired.{}", rotated ? "old secret" : "validity",
                           entry.principal->key_name,
                           rotated ? " It was rotated; use the new one." : " Ask an administrator for a new one."))
        .with_reason("key_expired");
}

}  // namespace

Result<std::int64_t> stored_version(sql::Session& session) {
    TRY_ASSIGN(const auto row, session.query_one("SELECT version FROM tenancy_version WHERE id = 1"));
    return row ? row->integer("version") : 0;
}

Result<KeySnapshot> load_snapshot(sql::Session& session) {
    KeySnapshot snapshot;
    TRY_ASSIGN(snapshot.version, stored_version(session));
    TRY_ASSIGN(const auto rules, load_rules(session));
    TRY_ASSIGN(const auto rows, session.query(std::string(kSelectKeys) +
                                              " JOIN projects j ON j.id = k.project_id WHERE k.revoked_at IS NULL AND "
                                              "j.archived_at IS NULL"));
    for (const auto& row : rows) {
        KeyEntry entry;
        entry.principal = principal_of(read_key(row), rules);
        entry.expires_at = row.integer("expires_at");
        snapshot.entries.emplace(row.text("hash"), entry);
        if (row.is_null("old_hash")) continue;
        entry.secret_until = row.integer("old_secret_until");
        snapshot.entries.emplace(row.text("old_hash"), std::move(entry));
    }
    return snapshot;
}

KeyRing::KeyRing() : snapshot_(std::make_shared<const KeySnapshot>()) {}

Result<Principal> KeyRing::authenticate(std::string_view secret, std::int64_t now_ms) const {
    const auto hash = tokens::api_key_hash(secret);
    const auto snapshot = snapshot_.load();
    const auto found = snapshot->entries.find(hash);
    // What is compared are SHA-256 sums of 238-bit secrets, so timing says nothing about a key; the comparison in
    // constant time is the second lock on the same door.
    if (found == snapshot->entries.end() || !crypto::equal_constant_time(found->first, hash)) {
        return fail(
            unauthenticated(fmt::format("Incorrect API key provided: {}. Keys are managed in the console, under "
                                        "/atrium/v1/keys or with 'atrium keys'.",
                                        tokens::redacted_api_key(secret)))
                .with_reason("invalid_api_key"));
    }
    const KeyEntry& entry = found->second;
    if (entry.expires_at != 0 && entry.expires_at <= now_ms) return fail(expired(entry, false));
    if (entry.secret_until != 0 && entry.secret_until <= now_ms) return fail(expired(entry, true));
    auto& last_used = entry.activity->last_used_ms;
    if (now_ms - last_used.load(std::memory_order_relaxed) >= kActivityResolutionMs) {
        last_used.store(now_ms, std::memory_order_relaxed);
    }
    return *entry.principal;
}

void KeyRing::publish(KeySnapshot snapshot) {
    std::scoped_lock lock(mutex_);
    if (snapshot.version < snapshot_.load()->version) return;
    decltype(activity_) kept;
    for (auto& [hash, entry] : snapshot.entries) {
        auto& activity = kept[entry.principal->key_id];
        if (!activity) activity = std::move(activity_[entry.principal->key_id]);
        if (!activity) activity = std::make_shared<KeyActivity>();
        entry.activity = activity;
    }
    activity_ = std::move(kept);
    snapshot_.store(std::make_shared<const KeySnapshot>(std::move(snapshot)));
}

std::vector<std::pair<std::string, std::int64_t>> KeyRing::take_used(std::size_t most) {
    std::scoped_lock lock(mutex_);
    std::vector<std::pair<std::string, std::int64_t>> used;
    for (auto& [id, activity] : activity_) {
        if (used.size() == most) break;
        const auto last = activity->last_used_ms.load(std::memory_order_relaxed);
        if (last <= activity->flushed_ms) continue;
        activity->flushed_ms = last;
        used.emplace_back(id, last);
    }
    return used;
}

std::int64_t KeyRing::last_used_ms(const std::string& key_id) const {
    std::scoped_lock lock(mutex_);
    const auto found = activity_.find(key_id);
    return found == activity_.end() ? 0 : found->second->last_used_ms.load(std::memory_order_relaxed);
}

}  // namespace atrium::app::internal
