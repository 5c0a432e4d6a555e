#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "platform/sql/database.h"
#include "security/audit/hash_chain.h"

namespace atrium::app {

/// The schema of the audit log: numbers 250–269.
std::span<const sql::Migration> audit_migrations();

/// Who changes something, and by which request. A default one is the installation itself (start-up, tests).
struct AuditActor {
    std::string organisation;  ///< empty: the first organisation
    std::string key_id;
    std::string key_name;
    std::string user_id;
    std::string user_email;
    std::string service_account_id;
    std::string request_id;
    std::string ip;
};

/// One administrative change. `type` is the name in OpenAI's audit log where it has one ("project.created"), else one
/// in the same form ("api_key.rotated"). `before` and `after` are the object as the API shows it.
struct AuditEvent {
    std::string type;
    std::string project;  ///< empty: concerns the organisation
    std::string object_id;
    json::value before;  ///< null: there was none
    json::value after;   ///< null: there is none any more
};

struct AuditRecord {
    audit::Link link;
    std::string id;       ///< "audit_log_…"
    std::int64_t at = 0;  ///< unix milliseconds
    json::object
        content;  ///< what the hash covers: id, type, at, actor, project, object, before, after, request_id, ip
};

/// Every list: any of its values; an empty one: no condition. At most 100 values each.
struct AuditQuery {
    std::string organisation;
    std::vector<std::string> projects, types, actors, actor_emails, objects;
    std::optional<std::int64_t> from, to;  ///< unix seconds, [from, to)
    std::string after, before;             ///< ids of records
    int limit = 20;
};
struct AuditPage {
    std::vector<AuditRecord> items;  ///< latest first
    bool has_more = false;
};

struct AuditReport {
    std::int64_t records = 0;
    std::string head;     ///< hash of the last record that holds
    std::string problem;  ///< empty: the log is whole
};

/// The record of all administrative changes, one hash chain per installation. A change and its record are one
/// transaction: neither exists without the other. Holds no state of its own, so anybody may have one; thread-safe.
/// Secrets do not get in: members with such names are replaced by "***".
class AuditLog {
public:
    AuditLog(sql::Database& database, const Clock& clock) : database_(database), clock_(clock) {}

    /// Inside the transaction of the change, after everything else it does: from here on appends queue behind it.
    Result<> append(sql::Session& session, const AuditActor& actor, const AuditEvent& event) const;

    /// kInvalidArgument when `after` or `before` is not a record of this organisation.
    Task<Result<AuditPage>> list(AuditQuery query) const;
    /// The records from `number` on, in order, of all organisations; for exports.
    Task<Result<std::vector<AuditRecord>>> read(std::int64_t number, int limit) const;
    /// Walks the whole chain. Fails only when it cannot read; what it finds is in the report.
    Task<Result<AuditReport>> verify() const;

private:
    sql::Database& database_;
    const Clock& clock_;
};

}  // namespace atrium::app
