#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/tenancy/principal.h"
#include "base/clock.h"
#include "base/result.h"
#include "platform/sql/database.h"

namespace atrium::app {

struct Project {
    std::string id;
    std::string name;
    std::int64_t created_at = 0;  ///< unix seconds
};

struct ApiKey {
    std::string id;
    std::string name;
    std::string project;
    std::string redacted;
    bool admin = false;
    std::int64_t created_at = 0;
};

/// Projects and API keys. Look-ups on the request path use an immutable snapshot (hash of SHA-256 → principal, compared
/// in constant time), swapped when keys change; no SQL, no lock. Thread-safe. The default project always exists.
class Tenancy {
public:
    static constexpr std::string_view kDefaultProject = "proj_default";
    static constexpr std::string_view kDefaultOrganisation = "org_default";

    Tenancy(sql::Database& database, const Clock& clock);
    ~Tenancy();

    /// Creates the default project and, when no admin key exists and `admin_key` is not empty, one with this secret;
    /// then loads the snapshot. Call once at start, after the migrations; not from an io thread.
    Result<> bootstrap(std::string_view admin_key);
    /// Not from an io thread.
    Result<bool> has_admin_key();

    /// kUnauthenticated (reason invalid_api_key) when unknown or revoked. Hot path.
    Result<Principal> authenticate(std::string_view api_key) const;

    /// Names: 1–200 bytes, no control characters; they need not be unique.
    Task<Result<Project>> create_project(std::string name);
    Task<Result<std::vector<Project>>> list_projects();
    /// The secret is returned once and never stored.
    struct NewKey {
        ApiKey key;
        std::string secret;
    };
    /// kNotFound when there is no such project. Works from the moment the task is done.
    Task<Result<NewKey>> create_key(std::string project, std::string name, bool admin);
    /// The live ones.
    Task<Result<std::vector<ApiKey>>> list_keys(std::string project);
    /// In force when the task is done. kFailedPrecondition for the last admin key of the installation.
    Task<Result<>> revoke_key(std::string project, std::string key_id);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace atrium::app
