#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "app/tenancy/types.h"
#include "base/json.h"
#include "platform/sql/database.h"

/// Rows of the tenancy tables, and checks that several services share.
namespace atrium::app::internal {

Project read_project(const sql::Row& row);
ApiKey read_key(const sql::Row& row);
User read_user(const sql::Row& row);
SubjectPolicy read_policy(const sql::Row& row);

/// SELECT of keys with their policies, up to and including FROM; the key's table is `k`.
extern const std::string_view kSelectKeys;

/// 1–200 bytes, no control characters, trimmed.
Result<std::string> checked_name(std::string_view name, std::string_view field = "name");

/// The project if the administrator reaches it; kNotFound also when it belongs to somebody else.
Result<Project> find_project(sql::Session& session, const Administrator& by, const std::string& id);
/// Likewise, and kFailedPrecondition when it is archived.
Result<Project> live_project(sql::Session& session, const Administrator& by, const std::string& id);

/// At least one key that can administer the organisation is left; kFailedPrecondition (last_admin_key).
Result<> require_admin_key(sql::Session& session, const std::string& organisation, std::int64_t now_ms);

Result<std::optional<SubjectPolicy>> find_policy(sql::Session& session, SubjectKind kind, const std::string& id);
Result<> store_policy(sql::Session& session, SubjectKind kind, const std::string& id, const SubjectPolicy& policy);
/// Every number is within what the databases and the arithmetic hold.
Result<> check_policy(const SubjectPolicy& policy);

json::object to_json(const LimitPolicy& limits);
json::object to_json(const BudgetPolicy& budget);
json::value to_json(const std::optional<ModelPatterns>& models);
/// As the audit log shows them: without secrets.
json::object to_json(const ApiKey& key);
json::object to_json(const Project& project);
json::object to_json(const User& user);
json::object to_json(const ServiceAccount& account);
json::object to_json(const SubjectPolicy& policy);

}  // namespace atrium::app::internal
