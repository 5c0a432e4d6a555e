#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/governance/audit_log.h"
#include "app/tenancy/policy.h"
#include "app/tenancy/principal.h"
#include "app/tenancy/scopes.h"

/// What administration deals with. Times are unix seconds.
namespace atrium::app {

/// Owns projects and people; what one has, another cannot see. The first one operates the installation.
struct Organisation {
    std::string id;
    std::string name;
    std::int64_t created_at = 0;
};

struct Project {
    std::string id;
    std::string name;
    std::int64_t created_at = 0;
    std::string organisation = {};
    std::optional<std::int64_t> archived_at = {};
};

struct ApiKey {
    std::string id;
    std::string name;
    std::string project;
    std::string redacted;
    bool admin = false;  ///< its admin scopes reach the whole organisation
    std::int64_t created_at = 0;
    std::string organisation = {};
    ScopeSet scopes = ScopeSet::ordinary();
    std::optional<std::int64_t> expires_at = {};
    std::optional<std::int64_t> last_used_at = {};
    std::optional<std::int64_t> old_secret_until = {};  ///< after a rotation: until when the old secret works too
    std::optional<ModelPatterns> models = {};           ///< nothing: every model of its project
    LimitPolicy limits = {};
    BudgetPolicy budget = {};
    std::string user_id = {};
    std::string service_account_id = {};
};

/// The secret is returned once and never stored.
struct NewKey {
    ApiKey key;
    std::string secret;
};

struct User {
    std::string id;
    std::string email;
    std::string name;
    std::string role;  ///< "owner" or "reader" of the organisation; "owner" or "member" of a project
    std::int64_t added_at = 0;
};

struct ServiceAccount {
    std::string id;
    std::string project;
    std::string name;
    std::string role;  ///< "member", or "owner": its keys may administer the project
    std::int64_t created_at = 0;
};

struct SpendAlert {
    std::string id;
    std::string project;  ///< empty: the organisation
    std::int64_t threshold_cents = 0;
    std::vector<std::string> recipients;
    std::string subject_prefix;
    std::int64_t created_at = 0;
};

/// The policy of one subject as an administrator sees and sets it.
struct SubjectPolicy {
    LimitPolicy limits;
    BudgetPolicy budget;
    std::optional<ModelPatterns> models;  ///< nothing: no list
    bool deny = false;                    ///< `models` lists what is forbidden
};

/// Which part of a list. Lists are ordered by creation.
struct Range {
    std::string after;
    std::string before;
    int limit = 20;
    bool ascending = true;
};
template <class T>
struct Listed {
    std::vector<T> items;
    bool has_more = false;
};

/// Who administers: the caller and where the call came from. Its principal decides what it reaches; a default one is
/// the installation itself (start-up, tests).
struct Administrator {
    Principal principal = installation();
    std::string request_id = {};
    std::string ip = {};

    static Principal installation();
    bool reaches(const std::string& project) const {
        return principal.organisation_admin || principal.project == project;
    }
};

}  // namespace atrium::app
