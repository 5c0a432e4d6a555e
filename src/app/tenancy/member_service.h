#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/tenancy/tenancy.h"

namespace atrium::app {

/// People of an organisation and of its projects, and service accounts. An organisation's user is "owner" or "reader";
/// a project's user or service account is "owner" or "member". Whoever leaves takes their keys along: they are revoked
/// in the same transaction. What the administrator does not reach is kNotFound. Stateless.
class MemberService {
public:
    explicit MemberService(Tenancy& tenancy) : tenancy_(tenancy) {}

    /// kAlreadyExists when the organisation has somebody with this address.
    Task<Result<User>> add_user(Administrator by, std::string email, std::string name, std::string role);
    Task<Result<User>> find_user(Administrator by, std::string id);
    Task<Result<Listed<User>>> list_users(Administrator by, std::vector<std::string> emails, Range range);
    Task<Result<User>> update_user(Administrator by, std::string id, std::optional<std::string> role,
                                   std::optional<std::string> name);
    Task<Result<>> remove_user(Administrator by, std::string id);

    /// `user` is an id or an address of the organisation's users.
    Task<Result<User>> add_to_project(Administrator by, std::string project, std::string user, std::string role);
    Task<Result<User>> find_in_project(Administrator by, std::string project, std::string user);
    Task<Result<Listed<User>>> list_project(Administrator by, std::string project, Range range);
    Task<Result<User>> change_in_project(Administrator by, std::string project, std::string user, std::string role);
    Task<Result<>> remove_from_project(Administrator by, std::string project, std::string user);

    struct NewAccount {
        ServiceAccount account;
        std::optional<NewKey> key;
    };
    Task<Result<NewAccount>> create_account(Administrator by, std::string project, std::string name, bool with_key);
    Task<Result<ServiceAccount>> find_account(Administrator by, std::string project, std::string id);
    Task<Result<Listed<ServiceAccount>>> list_accounts(Administrator by, std::string project, Range range);
    Task<Result<ServiceAccount>> update_account(Administrator by, std::string project, std::string id,
                                                std::optional<std::string> name, std::optional<std::string> role);
    Task<Result<>> remove_account(Administrator by, std::string project, std::string id);
    Task<Result<NewKey>> create_account_key(Administrator by, std::string project, std::string id, std::string name,
                                            std::optional<ScopeSet> scopes);

private:
    Tenancy& tenancy_;
};

}  // namespace atrium::app
