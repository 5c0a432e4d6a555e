#include <fmt/format.h>

#include "app/tenancy/grant.h"
#include "app/tenancy/internal/paging.h"
#include "app/tenancy/internal/rows.h"
#include "app/tenancy/key_service.h"
#include "app/tenancy/member_service.h"
#include "base/id.h"
#include "base/text.h"

namespace atrium::app {
namespace {

using internal::to_json;

ServiceAccount read_account(const sql::Row& row) {
    return {row.text("id"), row.text("project_id"), row.text("name"), row.text("role"),
            row.integer("created_at") / 1000};
}

Result<ServiceAccount> account_row(sql::Session& session, const Administrator& by, const std::string& project,
                                   const std::string& id) {
    TRY(internal::find_project(session, by, project));
    TRY_ASSIGN(const auto row,
               session.query_one("SELECT * FROM service_accounts WHERE id = :id AND project_id = :project",
                                 {{"id", id}, {"project", project}}));
    if (row) return read_account(*row);
    return fail(not_found(fmt::format("There is no service account '{}' in this project.",
                                      text::shorten(text::to_valid_utf8(id), 64)))
                    .with_reason("service_account_not_found"));
}

/// The key of an account whose role is "owner" administers the project, as far as its maker may grant that.
Result<NewKey> account_key(const Change& change, const ServiceAccount& account, const std::string& name,
                           std::optional<ScopeSet> scopes) {
    if (!scopes && account.role == "owner") {
        TRY_ASSIGN(const auto creator, own_grant(change.session, change.by, change.now_ms));
        scopes = ScopeSet::all() & creator.scopes;
    }
    KeySpec spec;
    spec.name = name;
    spec.project = account.project;
    spec.scopes = scopes;
    spec.service_account_id = account.id;
    return create_key_in(change, std::move(spec));
}

}  // namespace

Task<Result<MemberService::NewAccount>> MemberService::create_account(Administrator by, std::string project,
                                                                      std::string name, bool with_key) {
    CO_TRY_ASSIGN(auto checked, internal::checked_name(name));
    co_return co_await tenancy_.change<NewAccount>(
        std::move(by),
        [project = std::move(project), name = std::move(checked),
         with_key](const Change& change) -> Result<NewAccount> {
            TRY(internal::live_project(change.session, change.by, project));
            NewAccount made;
            made.account = {new_id("svc_acct_"), project, name, "member", change.now_ms / 1000};
            TRY(change.session.execute(
                "INSERT INTO service_accounts (id, project_id, name, role, created_at) VALUES (:id, "
                ":project, :name, 'member', :now)",
                {{"id", made.account.id}, {"project", project}, {"name", name}, {"now", change.now_ms}}));
            TRY(change.record({"service_account.created", project, made.account.id, nullptr, to_json(made.account)}));
            if (!with_key) return made;
            TRY_ASSIGN(made.key, account_key(change, made.account, name, std::nullopt));
            return made;
        });
}

Task<Result<ServiceAccount>> MemberService::find_account(Administrator by, std::string project, std::string id) {
    co_return co_await tenancy_.database().read<ServiceAccount>(
        [by = std::move(by), project = std::move(project), id = std::move(id)](sql::Session& session) {
            return account_row(session, by, project, id);
        });
}

Task<Result<Listed<ServiceAccount>>> MemberService::list_accounts(Administrator by, std::string project, Range range) {
    co_return co_await tenancy_.database().read<Listed<ServiceAccount>>(
        [by = std::move(by), project = std::move(project),
         range = std::move(range)](sql::Session& session) -> Result<Listed<ServiceAccount>> {
            TRY(internal::find_project(session, by, project));
            return internal::page_of<ServiceAccount>(session, "SELECT * FROM service_accounts", "project_id = :project",
                                                     {{"project", project}}, range, read_account);
        });
}

Task<Result<ServiceAccount>> MemberService::update_account(Administrator by, std::string project, std::string id,
                                                           std::optional<std::string> name,
                                                           std::optional<std::string> role) {
    if (name) {
        CO_TRY_ASSIGN(name, internal::checked_name(*name));
    }
    if (role && *role != "owner" && *role != "member") {
        co_return fail(invalid_argument("role must be owner or member").with_field("role"));
    }
    co_return co_await tenancy_.change<ServiceAccount>(
        std::move(by),
        [project = std::move(project), id = std::move(id), name = std::move(name),
         role = std::move(role)](const Change& change) -> Result<ServiceAccount> {
            TRY_ASSIGN(auto account, account_row(change.session, change.by, project, id));
            const auto before = to_json(account);
            account.name = name.value_or(account.name);
            account.role = role.value_or(account.role);
            TRY(change.session.execute("UPDATE service_accounts SET name = :name, role = :role WHERE id = :id",
                                       {{"name", account.name}, {"role", account.role}, {"id", id}}));
            TRY(change.record({"service_account.updated", project, id, before, to_json(account)}));
            return account;
        });
}

Task<Result<>> MemberService::remove_account(Administrator by, std::string project, std::string id) {
    co_return co_await tenancy_.change<void>(
        std::move(by), [project = std::move(project), id = std::move(id)](const Change& change) -> Result<> {
            TRY_ASSIGN(const auto account, account_row(change.session, change.by, project, id));
            TRY(revoke_keys_of(change, "service_account_id", id, project));
            TRY(change.session.execute("DELETE FROM policies WHERE subject_kind = 'user' AND subject_id = :id",
                                       {{"id", id}}));
            TRY(change.session.execute("DELETE FROM service_accounts WHERE id = :id", {{"id", id}}));
            return change.record({"service_account.deleted", project, id, to_json(account), nullptr});
        });
}

Task<Result<NewKey>> MemberService::create_account_key(Administrator by, std::string project, std::string id,
                                                       std::string name, std::optional<ScopeSet> scopes) {
    co_return co_await tenancy_.change<NewKey>(
        std::move(by),
        [project = std::move(project), id = std::move(id), name = std::move(name),
         scopes](const Change& change) -> Result<NewKey> {
            TRY_ASSIGN(const auto account, account_row(change.session, change.by, project, id));
            return account_key(change, account, name.empty() ? account.name : name, scopes);
        });
}

}  // namespace atrium::app
