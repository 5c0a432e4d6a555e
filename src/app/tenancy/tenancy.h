#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/governance/audit_log.h"
#include "app/tenancy/principal.h"
#include "app/tenancy/types.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/stop.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// One administrative change inside its transaction; lives while the work given to Tenancy::change runs.
struct Change {
    sql::Session& session;
    const Administrator& by;
    std::int64_t now_ms;
    const AuditLog& log;

    /// Puts the change into the audit log.
    Result<> record(AuditEvent event) const;
};

/// Who may call: organisations, projects, people and keys. Turns secrets into principals from an immutable snapshot
/// (SHA-256 of a secret → principal with its policy), swapped after each change; no SQL, no lock on the request path.
///
/// A change counts from the moment its task is done; other gateways on the same database see it within a second,
/// because `run` watches a version number that every change raises. What changes what is in key_service.h,
/// project_service.h, member_service.h and policy_service.h. Thread-safe; owned by main. The default organisation and
/// project always exist.
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

    /// kUnauthenticated: reason invalid_api_key (unknown or revoked), key_expired. Hot path.
    Result<Principal> authenticate(std::string_view api_key) const;

    /// Follows changes of other gateways and writes down when keys were used, until stopped. Owned by main, one per
    /// process.
    Task<> run(StopToken stop);
    /// What `run` does at each turn: reloads when the stored version is another one; true when it did.
    Task<Result<bool>> refresh();
    /// Writes the times of last use; the number of keys.
    Task<Result<std::size_t>> flush_activity();
    /// Unix seconds, this process's newest knowledge; 0: not since it started.
    std::int64_t last_used_at(const std::string& key_id) const;

    /// Runs `work` in a transaction that raises the version, then puts the new state into force here.
    template <class T>
    Task<Result<T>> change(Administrator by, std::function<Result<T>(const Change&)> work);

    /// Shorthands for start-up and tests, in the name of the installation.
    Task<Result<Project>> create_project(std::string name);
    Task<Result<std::vector<Project>>> list_projects();
    Task<Result<NewKey>> create_key(std::string project, std::string name, bool admin);
    Task<Result<std::vector<ApiKey>>> list_keys(std::string project);
    Task<Result<>> revoke_key(std::string project, std::string key_id);

    sql::Database& database() { return database_; }
    const Clock& clock() const { return clock_; }
    const AuditLog& audit() const { return audit_; }

private:
    struct State;
    static Result<> begin_change(sql::Session& session);
    Task<Result<>> reload();

    sql::Database& database_;
    const Clock& clock_;
    AuditLog audit_;
    std::unique_ptr<State> state_;
};

template <class T>
Task<Result<T>> Tenancy::change(Administrator by, std::function<Result<T>(const Change&)> work) {
    const std::int64_t now = unix_millis(clock_.system());
    auto changed = co_await database_.write<T>(
        [this, now, by = std::move(by), work = std::move(work)](sql::Session& session) -> Result<T> {
            TRY(begin_change(session));
            return work(Change{session, by, now, audit_});
        });
    if (!changed) co_return changed;
    CO_TRY(co_await reload());
    co_return changed;
}

}  // namespace atrium::app
