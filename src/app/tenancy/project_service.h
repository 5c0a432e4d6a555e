#pragma once

#include <string>

#include "app/tenancy/tenancy.h"

namespace atrium::app {

/// Organisations and their projects. Names: 1–200 bytes, no control characters; they need not be unique. A project of
/// another organisation, or one that a project's administrator does not own, is kNotFound. Stateless.
class ProjectService {
public:
    explicit ProjectService(Tenancy& tenancy) : tenancy_(tenancy) {}

    Task<Result<Project>> create(Administrator by, std::string name);
    Task<Result<Project>> find(Administrator by, std::string id);
    Task<Result<Listed<Project>>> list(Administrator by, bool include_archived, Range range);
    Task<Result<Project>> rename(Administrator by, std::string id, std::string name);
    /// Its keys stop working; what it stored stays. kFailedPrecondition for the default project and for one that holds
    /// the last admin key. Archiving twice changes nothing.
    Task<Result<Project>> archive(Administrator by, std::string id);

    struct NewOrganisation {
        Organisation organisation;
        Project project;
        NewKey key;  ///< the first admin key
    };
    /// For those who operate the installation; kPermissionDenied for others.
    Task<Result<NewOrganisation>> create_organisation(Administrator by, std::string name);
    Task<Result<std::vector<Organisation>>> organisations(Administrator by);

private:
    Tenancy& tenancy_;
};

}  // namespace atrium::app
