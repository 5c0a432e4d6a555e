#pragma once

#include <optional>
#include <string>

#include "app/tenancy/tenancy.h"

namespace atrium::app {

/// A key to be made. What is not said is inherited from the key that makes it.
struct KeySpec {
    std::string name;
    std::string project;
    bool admin = false;                      ///< reaches the whole organisation
    std::optional<ScopeSet> scopes;          ///< nothing: everything but administration, with `admin` everything
    std::optional<std::int64_t> expires_at;  ///< unix seconds, in the future
    std::optional<ModelPatterns> models;
    LimitPolicy limits;
    BudgetPolicy budget;
    std::string user_id;             ///< whose key it is: a member of the project, …
    std::string service_account_id;  ///< … or one of its service accounts; at most one of both
};

struct KeyChanges {
    std::optional<std::string> name;
    std::optional<ScopeSet> scopes;
    std::optional<std::optional<std::int64_t>> expires_at;
    std::optional<std::optional<ModelPatterns>> models;
    std::optional<LimitPolicy> limits;
    std::optional<BudgetPolicy> budget;
};

struct KeyFilter {
    std::string project;  ///< empty: every project the administrator reaches
    std::string service_account_id;
    std::optional<bool> organisation_wide;  ///< only admin keys of the organisation, or all others
};

/// API keys. A key can never do more than the key that made or changed it: scopes, projects, models, expiry, limits and
/// budgets are compared inside the transaction (kPermissionDenied, reason exceeds_creator). A project's administrator
/// sees the project's ordinary keys; everything else is kNotFound. Every change is in force, and in the audit log,
/// when its task is done. Stateless; made where it is needed.
class KeyService {
public:
    static constexpr std::int64_t kMaxGraceSeconds = 30 * 24 * 3600;

    explicit KeyService(Tenancy& tenancy) : tenancy_(tenancy) {}

    Task<Result<NewKey>> create(Administrator by, KeySpec spec);
    Task<Result<ApiKey>> find(Administrator by, std::string id, std::string project = {});
    Task<Result<Listed<ApiKey>>> list(Administrator by, KeyFilter filter, Range range);
    Task<Result<ApiKey>> update(Administrator by, std::string id, KeyChanges changes);
    /// A new secret for the same key; the old one works for `grace_seconds` more. Needs at least what the key can do.
    Task<Result<NewKey>> rotate(Administrator by, std::string id, std::int64_t grace_seconds);
    /// kFailedPrecondition for the last admin key of the organisation.
    Task<Result<>> revoke(Administrator by, std::string id, std::string project = {});

private:
    Tenancy& tenancy_;
};

/// For services that make keys as part of a larger change.
Result<NewKey> create_key_in(const Change& change, KeySpec spec);
/// Revokes the keys of a user (of one project, unless `project` is empty) or service account.
Result<> revoke_keys_of(const Change& change, std::string_view owner_column, const std::string& owner,
                        const std::string& project);

}  // namespace atrium::app
