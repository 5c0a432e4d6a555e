#include "app/tenancy/grant.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/tenancy/internal/rows.h"

namespace atrium::app {
namespace {

Error too_much(std::string message, std::string field) {
    return permission_denied(std::move(message)).with_field(std::move(field)).with_reason("exceeds_creator");
}

/// 0 means "no limit", so it is the largest.
bool exceeds(std::int64_t child, std::int64_t creator) {
    return creator != 0 && (child == 0 || child > creator);
}

std::int64_t tighter(std::int64_t a, std::int64_t b) {
    if (a == 0 || b == 0) return std::max(a, b);
    return std::min(a, b);
}

bool list_within(const ModelPatterns& inner, const ModelPatterns& outer) {
    return std::ranges::all_of(inner, [&](const std::string& pattern) {
        return std::ranges::any_of(outer, [&](const std::string& allowed) { return covers(allowed, pattern); });
    });
}

Result<> require_limits(const Grant& child, const Grant& creator) {
    struct Pair {
        std::int64_t child, creator;
        std::string_view field;
    };
    const Pair pairs[] = {
        {child.limits.requests_per_minute, creator.limits.requests_per_minute, "limits.requests_per_minute"},
        {child.limits.tokens_per_minute, creator.limits.tokens_per_minute, "limits.tokens_per_minute"},
        {child.limits.concurrent, creator.limits.concurrent, "limits.concurrent"},
        {child.budget.micros_per_day, creator.budget.micros_per_day, "budget.micros_per_day"},
        {child.budget.micros_per_month, creator.budget.micros_per_month, "budget.micros_per_month"},
    };
    for (const auto& pair : pairs) {
        if (!exceeds(pair.child, pair.creator)) continue;
        return fail(
            too_much(fmt::format("{} may be at most {}, the limit of the key in use.", pair.field, pair.creator),
                     std::string(pair.field)));
    }
    return {};
}

}  // namespace

Grant grant_of(const ApiKey& key) {
    Grant grant{key.organisation, key.project, key.admin, key.scopes, {}, key.expires_at, key.limits, key.budget};
    if (key.models) grant.models.push_back(*key.models);
    return grant;
}

Result<Grant> own_grant(sql::Session& session, const Administrator& by, std::int64_t now_ms) {
    const Principal& who = by.principal;
    if (who.key_id.empty()) return Grant{who.organisation, who.project, true, ScopeSet::all(), {}, {}, {}, {}};
    TRY_ASSIGN(const auto row,
               session.query_one(std::string(internal::kSelectKeys) + " WHERE k.id = :id AND k.revoked_at IS NULL",
                                 {{"id", who.key_id}}));
    if (!row || (row->integer("expires_at") != 0 && row->integer("expires_at") <= now_ms)) {
        return fail(unauthenticated("The API key in use is no longer valid.").with_reason("invalid_api_key"));
    }
    const auto key = internal::read_key(*row);
    auto grant = grant_of(key);
    const auto owner = key.user_id.empty() ? key.service_account_id : key.user_id;
    TRY_ASSIGN(const auto policy, internal::find_policy(session, SubjectKind::kUser, owner));
    if (!policy) return grant;
    if (policy->models && !policy->deny) grant.models.push_back(*policy->models);
    grant.limits = {tighter(grant.limits.requests_per_minute, policy->limits.requests_per_minute),
                    tighter(grant.limits.tokens_per_minute, policy->limits.tokens_per_minute),
                    tighter(grant.limits.concurrent, policy->limits.concurrent)};
    grant.budget.micros_per_day = tighter(grant.budget.micros_per_day, policy->budget.micros_per_day);
    grant.budget.micros_per_month = tighter(grant.budget.micros_per_month, policy->budget.micros_per_month);
    return grant;
}

Result<> require_within(const Grant& child, const Grant& creator) {
    if (child.organisation != creator.organisation ||
        (!creator.organisation_wide && child.project != creator.project)) {
        return fail(too_much("The key in use reaches its own project only.", "project_id"));
    }
    if (child.organisation_wide && !creator.organisation_wide) {
        return fail(too_much("Only an organization's admin key can make another one.", "admin"));
    }
    if (!child.scopes.within(creator.scopes)) {
        return fail(too_much(fmt::format("The key in use lacks {}, so it cannot grant it.",
                                         fmt::join(child.scopes.minus(creator.scopes).names(), ", ")),
                             "scopes"));
    }
    for (const auto& outer : creator.models) {
        const bool within =
            std::ranges::any_of(child.models, [&](const ModelPatterns& inner) { return list_within(inner, outer); });
        if (within) continue;
        return fail(too_much(fmt::format("models must be among those of the key in use: {}.", fmt::join(outer, ", ")),
                             "models"));
    }
    if (creator.expires_at && (!child.expires_at || *child.expires_at > *creator.expires_at)) {
        return fail(
            too_much(fmt::format("expires_at may be at most {}, when the key in use expires.", *creator.expires_at),
                     "expires_at"));
    }
    return require_limits(child, creator);
}

}  // namespace atrium::app
