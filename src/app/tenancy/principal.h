#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "app/tenancy/policy.h"
#include "app/tenancy/scopes.h"
#include "base/result.h"

namespace atrium::app {

/// Who calls: the outcome of authentication, carried by value through every layer. Every query of a tenant's data
/// filters by `project`, every administrative one by `organisation`.
struct Principal {
    std::string project;  ///< "proj_…"
    std::string key_id;   ///< "key_…"
    std::string key_name;
    /// May administer the installation: an administrator of the first organisation. Upstreams, aliases, operations
    /// data.
    bool admin = false;

    std::string organisation;         ///< "org_…"
    bool organisation_admin = false;  ///< its admin scopes reach all projects of the organisation, not only `project`
    std::string user_id = {};         ///< whose key it is: a person's, …
    std::string service_account_id = {};  ///< … a service account's, or nobody's in particular
    ScopeSet scopes = ScopeSet::ordinary();
    std::shared_ptr<const KeyPolicy> policy = {};  ///< null: unrestrained
};

/// Whether this caller may call or see that model. kPermissionDenied (reason model_not_allowed, field "model").
Result<> check_model(const Principal& principal, std::string_view model);

}  // namespace atrium::app
