#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/tenancy/types.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// Everything a key can do, for comparing: nobody may hand out more than they have.
struct Grant {
    std::string organisation;
    std::string project;
    bool organisation_wide = false;
    ScopeSet scopes;
    std::vector<ModelPatterns> models;       ///< as in KeyPolicy; no list: every model
    std::optional<std::int64_t> expires_at;  ///< unix seconds
    LimitPolicy limits;
    BudgetPolicy budget;
};

Grant grant_of(const ApiKey& key);

/// What the administrator's own key may do as of this transaction, its owner's policy included; everything for the
/// installation itself. kUnauthenticated when the key has just been revoked.
Result<Grant> own_grant(sql::Session& session, const Administrator& by, std::int64_t now_ms);

/// Whether `child` ⊆ `creator`. kPermissionDenied that names the first thing that is too much.
Result<> require_within(const Grant& child, const Grant& creator);

}  // namespace atrium::app
