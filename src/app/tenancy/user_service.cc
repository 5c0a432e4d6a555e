#include <fmt/format.h>

#include <algorithm>

#include "app/tenancy/internal/paging.h"
#include "app/tenancy/internal/rows.h"
#include "app/tenancy/key_service.h"
#include "app/tenancy/member_service.h"
#include "base/id.h"
#include "base/text.h"

namespace atrium::app {
namespace {

using internal::to_json;

constexpr std::string_view kSelectProjectUsers =
    "SELECT u.id AS id, u.email AS email, u.name AS name, m.role AS role, m.created_at AS created_at FROM "
    "project_users m "
    "JOIN users u ON u.id = m.user_id";

Error no_such_user(const std::string& id) {
    return not_found(fmt::format("There is no user '{}' here.", text::shorten(text::to_valid_utf8(id), 64)))
        .with_reason("user_not_found");
}

Result<> check_role(const std::string& role, std::string_view ordinary) {
    if (role == "owner" || role == ordinary) return {};
    return fail(invalid_argument(fmt::format("role must be owner or {}", ordinary)).with_field("role"));
}

/// Not whether mail arrives there: one '@' with something on both sides, and nothing that could break a header.
Result<std::string> checked_email(std::string_view email) {
    const auto lower = text::to_lower_ascii(text::trim(email));
    const auto at = lower.find('@');
    const bool fine =
        lower.size() <= 254 && at != std::string::npos && at > 0 && at + 1 < lower.size() &&
        lower.find('@', at + 1) == std::string::npos &&
        std::ranges::all_of(lower, [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; });
    if (fine && text::is_utf8(lower)) return lower;
    return fail(
        invalid_argument("email must be an address like name@example.com, at most 254 bytes").with_field("email"));
}

Result<User> user_row(sql::Session& session, const Administrator& by, const std::string& id) {
    TRY_ASSIGN(
        const auto row,
        session.query_one("SELECT * FROM users WHERE (id = :id OR email = :id) AND organization_id = :organization",
                          {{"id", id}, {"organization", by.principal.organisation}}));
    if (!row) return fail(no_such_user(id));
    return internal::read_user(*row);
}

Result<User> project_user_row(sql::Session& session, const Administrator& by, const std::string& project,
                              const std::string& user) {
    TRY(internal::find_project(session, by, project));
    TRY_ASSIGN(const auto row, session.query_one(std::string(kSelectProjectUsers) +
                                                     " WHERE m.project_id = :project AND m.user_id = :user",
                                                 {{"project", project}, {"user", user}}));
    if (!row) return fail(no_such_user(user));
    return internal::read_user(*row);
}

Result<> leave_project(const Change& change, const std::string& project, const User& user) {
    TRY(change.session.execute("DELETE FROM project_users WHERE project_id = :project AND user_id = :user",
                               {{"project", project}, {"user", user.id}}));
    TRY(revoke_keys_of(change, "user_id", user.id, project));
    return change.record({"user.deleted", project, user.id, to_json(user), nullptr});
}

}  // namespace

Task<Result<User>> MemberService::add_user(Administrator by, std::string email, std::string name, std::string role) {
    CO_TRY_ASSIGN(auto address, checked_email(email));
    CO_TRY_ASSIGN(auto checked, internal::checked_name(name.empty() ? address : name));
    CO_TRY(check_role(role, "reader"));
    co_return co_await tenancy_.change<User>(
        std::move(by),
        [address, name = std::move(checked), role = std::move(role)](const Change& change) -> Result<User> {
            User user{new_id("user-"), address, name, role, change.now_ms / 1000};
            const auto& organisation = change.by.principal.organisation;
            TRY_ASSIGN(
                const auto added,
                change.session.execute("INSERT INTO users (id, organization_id, email, name, role, created_at) VALUES "
                                       "(:id, :organization, :email, :name, :role, :now) ON CONFLICT DO NOTHING",
                                       {{"id", user.id},
                                        {"organization", organisation},
                                        {"email", address},
                                        {"name", name},
                                        {"role", role},
                                        {"now", change.now_ms}}));
            if (added == 0)
                return fail(already_exists("There is a user with this address already.").with_field("email"));
            TRY(change.record({"user.added", "", user.id, nullptr, to_json(user)}));
            return user;
        });
}

Task<Result<User>> MemberService::find_user(Administrator by, std::string id) {
    co_return co_await tenancy_.database().read<User>(
        [by = std::move(by), id = std::move(id)](sql::Session& session) { return user_row(session, by, id); });
}

Task<Result<Listed<User>>> MemberService::list_users(Administrator by, std::vector<std::string> emails, Range range) {
    co_return co_await tenancy_.database().read<Listed<User>>(
        [by = std::move(by), emails = std::move(emails), range = std::move(range)](sql::Session& session) {
            std::string where = "organization_id = :organization";
            sql::Params params{{"organization", by.principal.organisation}};
            std::string list;
            for (std::size_t i = 0; i < emails.size(); ++i) {
                const auto name = fmt::format("email_{}", i);
                list += (i == 0 ? ":" : ", :") + name;
                params.emplace_back(name, text::to_lower_ascii(emails[i]));
            }
            if (!list.empty()) where += " AND email IN (" + list + ")";
            return internal::page_of<User>(session, "SELECT * FROM users", where, std::move(params), range,
                                           internal::read_user);
        });
}

Task<Result<User>> MemberService::update_user(Administrator by, std::string id, std::optional<std::string> role,
                                              std::optional<std::string> name) {
    if (role) CO_TRY(check_role(*role, "reader"));
    if (name) {
        CO_TRY_ASSIGN(name, internal::checked_name(*name));
    }
    co_return co_await tenancy_.change<User>(
        std::move(by),
        [id = std::move(id), role = std::move(role), name = std::move(name)](const Change& change) -> Result<User> {
            TRY_ASSIGN(auto user, user_row(change.session, change.by, id));
            const auto before = to_json(user);
            user.role = role.value_or(user.role);
            user.name = name.value_or(user.name);
            TRY(change.session.execute("UPDATE users SET role = :role, name = :name WHERE id = :id",
                                       {{"role", user.role}, {"name", user.name}, {"id", user.id}}));
            TRY(change.record({"user.updated", "", user.id, before, to_json(user)}));
            return user;
        });
}

Task<Result<>> MemberService::remove_user(Administrator by, std::string id) {
    co_return co_await tenancy_.change<void>(std::move(by), [id = std::move(id)](const Change& change) -> Result<> {
        TRY_ASSIGN(const auto user, user_row(change.session, change.by, id));
        TRY(revoke_keys_of(change, "user_id", user.id, {}));
        TRY(change.session.execute("DELETE FROM project_users WHERE user_id = :id", {{"id", user.id}}));
        TRY(change.session.execute("DELETE FROM policies WHERE subject_kind = 'user' AND subject_id = :id",
                                   {{"id", user.id}}));
        TRY(change.session.execute("DELETE FROM users WHERE id = :id", {{"id", user.id}}));
        return change.record({"user.deleted", "", user.id, to_json(user), nullptr});
    });
}

Task<Result<User>> MemberService::add_to_project(Administrator by, std::string project, std::string user,
                                                 std::string role) {
    CO_TRY(check_role(role, "member"));
    co_return co_await tenancy_.change<User>(
        std::move(by),
        [project = std::move(project), id = std::move(user),
         role = std::move(role)](const Change& change) -> Result<User> {
            TRY(internal::live_project(change.session, change.by, project));
            TRY_ASSIGN(auto user, user_row(change.session, change.by, text::to_lower_ascii(id)));
            TRY_ASSIGN(const auto added,
                       change.session.execute(
                           "INSERT INTO project_users (project_id, user_id, role, created_at) VALUES "
                           "(:project, :user, :role, :now) ON CONFLICT DO NOTHING",
                           {{"project", project}, {"user", user.id}, {"role", role}, {"now", change.now_ms}}));
            if (added == 0)
                return fail(already_exists("This user is a member of the project already.").with_field("user_id"));
            user.role = role;
            user.added_at = change.now_ms / 1000;
            TRY(change.record({"user.added", project, user.id, nullptr, to_json(user)}));
            return user;
        });
}

Task<Result<User>> MemberService::find_in_project(Administrator by, std::string project, std::string user) {
    co_return co_await tenancy_.database().read<User>(
        [by = std::move(by), project = std::move(project), user = std::move(user)](sql::Session& session) {
            return project_user_row(session, by, project, user);
        });
}

Task<Result<Listed<User>>> MemberService::list_project(Administrator by, std::string project, Range range) {
    co_return co_await tenancy_.database().read<Listed<User>>(
        [by = std::move(by), project = std::move(project),
         range = std::move(range)](sql::Session& session) -> Result<Listed<User>> {
            TRY(internal::find_project(session, by, project));
            return internal::page_of<User>(session, kSelectProjectUsers, "m.project_id = :project",
                                           {{"project", project}}, range, internal::read_user, "m.", "user_id");
        });
}

Task<Result<User>> MemberService::change_in_project(Administrator by, std::string project, std::string user,
                                                    std::string role) {
    CO_TRY(check_role(role, "member"));
    co_return co_await tenancy_.change<User>(
        std::move(by),
        [project = std::move(project), id = std::move(user),
         role = std::move(role)](const Change& change) -> Result<User> {
            TRY_ASSIGN(auto user, project_user_row(change.session, change.by, project, id));
            const auto before = to_json(user);
            user.role = role;
            TRY(change.session.execute(
                "UPDATE project_users SET role = :role WHERE project_id = :project AND user_id = :user",
                {{"role", role}, {"project", project}, {"user", user.id}}));
            TRY(change.record({"user.updated", project, user.id, before, to_json(user)}));
            return user;
        });
}

Task<Result<>> MemberService::remove_from_project(Administrator by, std::string project, std::string user) {
    co_return co_await tenancy_.change<void>(
        std::move(by), [project = std::move(project), id = std::move(user)](const Change& change) -> Result<> {
            TRY_ASSIGN(const auto user, project_user_row(change.session, change.by, project, id));
            return leave_project(change, project, user);
        });
}

}  // namespace atrium::app
