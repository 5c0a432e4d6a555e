#include "app/tenancy/project_service.h"

#include "app/tenancy/internal/paging.h"
#include "app/tenancy/internal/rows.h"
#include "app/tenancy/key_service.h"
#include "base/id.h"

namespace atrium::app {
namespace {

using internal::to_json;

Result<Project> insert_project(const Change& change, const std::string& name) {
    Project project{new_id("proj_"), name, change.now_ms / 1000, change.by.principal.organisation, {}};
    TRY(change.session.execute(
        "INSERT INTO projects (id, name, created_at, organization_id) VALUES (:id, :name, :now, :org)",
        {{"id", project.id}, {"name", name}, {"now", change.now_ms}, {"org", project.organisation}}));
    TRY(change.record({"project.created", project.id, project.id, nullptr, to_json(project)}));
    return project;
}

Result<Project> archive_project(const Change& change, const std::string& id) {
    TRY_ASSIGN(auto project, internal::find_project(change.session, change.by, id));
    if (project.archived_at) return project;
    if (project.id == Tenancy::kDefaultProject) {
        return fail(failed_precondition("The default project cannot be archived.").with_reason("default_project"));
    }
    const auto before = to_json(project);
    project.archived_at = change.now_ms / 1000;
    TRY(change.session.execute("UPDATE projects SET archived_at = :now WHERE id = :id",
                               {{"now", change.now_ms}, {"id", id}}));
    TRY(internal::require_admin_key(change.session, project.organisation, change.now_ms));
    TRY(change.record({"project.archived", id, id, before, to_json(project)}));
    return project;
}

Result<ProjectService::NewOrganisation> insert_organisation(const Change& change, const std::string& name) {
    ProjectService::NewOrganisation made;
    made.organisation = {new_id("org_"), name, change.now_ms / 1000};
    TRY(change.session.execute("INSERT INTO organizations (id, name, created_at) VALUES (:id, :name, :now)",
                               {{"id", made.organisation.id}, {"name", name}, {"now", change.now_ms}}));
    TRY(change.record({"organization.created", "", made.organisation.id, nullptr,
                       json::object{{"id", made.organisation.id}, {"name", name}}}));
    // Its first project and key are made in its own name, and stand in its own audit log.
    Administrator founder;
    founder.request_id = change.by.request_id;
    founder.ip = change.by.ip;
    founder.principal.organisation = made.organisation.id;
    const Change inside{change.session, founder, change.now_ms, change.log};
    TRY_ASSIGN(made.project, insert_project(inside, "Default"));
    KeySpec spec;
    spec.name = "first admin key";
    spec.project = made.project.id;
    spec.admin = true;
    TRY_ASSIGN(made.key, create_key_in(inside, std::move(spec)));
    return made;
}

Error operators_only() {
    return permission_denied("Organizations are managed by those who operate the installation.");
}

}  // namespace

Task<Result<Project>> ProjectService::create(Administrator by, std::string name) {
    CO_TRY_ASSIGN(auto checked, internal::checked_name(name));
    co_return co_await tenancy_.change<Project>(
        std::move(by), [name = std::move(checked)](const Change& change) { return insert_project(change, name); });
}

Task<Result<Project>> ProjectService::find(Administrator by, std::string id) {
    co_return co_await tenancy_.database().read<Project>(
        [by = std::move(by), id = std::move(id)](sql::Session& session) {
            return internal::find_project(session, by, id);
        });
}

Task<Result<Listed<Project>>> ProjectService::list(Administrator by, bool include_archived, Range range) {
    co_return co_await tenancy_.database().read<Listed<Project>>(
        [by = std::move(by), include_archived, range = std::move(range)](sql::Session& session) {
            std::string where = "organization_id = :organization";
            sql::Params params{{"organization", by.principal.organisation}};
            if (!include_archived) where += " AND archived_at IS NULL";
            if (!by.principal.organisation_admin) {
                where += " AND id = :own";
                params.emplace_back("own", by.principal.project);
            }
            return internal::page_of<Project>(session, "SELECT * FROM projects", where, std::move(params), range,
                                              internal::read_project);
        });
}

Task<Result<Project>> ProjectService::rename(Administrator by, std::string id, std::string name) {
    CO_TRY_ASSIGN(auto checked, internal::checked_name(name));
    co_return co_await tenancy_.change<Project>(
        std::move(by), [id = std::move(id), name = std::move(checked)](const Change& change) -> Result<Project> {
            TRY_ASSIGN(auto project, internal::live_project(change.session, change.by, id));
            const auto before = to_json(project);
            project.name = name;
            TRY(change.session.execute("UPDATE projects SET name = :name WHERE id = :id",
                                       {{"name", name}, {"id", id}}));
            TRY(change.record({"project.updated", id, id, before, to_json(project)}));
            return project;
        });
}

Task<Result<Project>> ProjectService::archive(Administrator by, std::string id) {
    co_return co_await tenancy_.change<Project>(
        std::move(by), [id = std::move(id)](const Change& change) { return archive_project(change, id); });
}

Task<Result<ProjectService::NewOrganisation>> ProjectService::create_organisation(Administrator by, std::string name) {
    if (!by.principal.admin) co_return fail(operators_only());
    CO_TRY_ASSIGN(auto checked, internal::checked_name(name));
    co_return co_await tenancy_.change<NewOrganisation>(
        std::move(by), [name = std::move(checked)](const Change& change) { return insert_organisation(change, name); });
}

Task<Result<std::vector<Organisation>>> ProjectService::organisations(Administrator by) {
    if (!by.principal.admin) co_return fail(operators_only());
    co_return co_await tenancy_.database().read<std::vector<Organisation>>(
        [](sql::Session& session) -> Result<std::vector<Organisation>> {
            TRY_ASSIGN(const auto rows, session.query("SELECT * FROM organizations ORDER BY created_at, id"));
            std::vector<Organisation> all;
            for (const auto& row : rows)
                all.push_back({row.text("id"), row.text("name"), row.integer("created_at") / 1000});
            return all;
        });
}

}  // namespace atrium::app
