#include "app/tenancy/tenancy.h"

#include <fmt/format.h>

#include <mutex>
#include <unordered_map>

#include "base/id.h"
#include "base/text.h"
#include "security/crypto/crypto.h"
#include "security/tokens/api_key.h"

namespace atrium::app {
namespace {

constexpr std::size_t kMaxNameBytes = 200;

/// The immutable view the request path reads: SHA-256 (hex) of each live key → who it is.
using Snapshot = std::unordered_map<std::string, Principal>;

Result<std::string> checked_name(std::string_view name) {
    const auto trimmed = text::trim(name);
    if (trimmed.empty()) return fail(invalid_argument("name must not be empty").with_field("name"));
    if (trimmed.size() > kMaxNameBytes) {
        return fail(
            invalid_argument(fmt::format("name must be at most {} bytes long", kMaxNameBytes)).with_field("name"));
    }
    for (const char c : trimmed) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return fail(invalid_argument("name must not contain control characters").with_field("name"));
        }
    }
    return std::string(trimmed);
}

Project read_project(const sql::Row& row) {
    return {row.text("id"), row.text("name"), row.integer("created_at") / 1000};
}

ApiKey read_key(const sql::Row& row) {
    return {row.text("id"),
            row.text("name"),
            row.text("project_id"),
            row.text("redacted"),
            row.integer("is_admin") != 0,
            row.integer("created_at") / 1000};
}

Result<> require_project(sql::Session& session, const std::string& project) {
    TRY_ASSIGN(auto found, session.query_one("SELECT id FROM projects WHERE id = :id", {{"id", project}}));
    if (!found) {
        return fail(not_found(fmt::format("There is no project '{}'.", text::shorten(project, 64)))
                        .with_reason("project_not_found"));
    }
    return {};
}

Result<std::int64_t> live_admin_keys(sql::Session& session) {
    TRY_ASSIGN(auto row,
               session.query_one("SELECT COUNT(*) AS n FROM api_keys WHERE is_admin = 1 AND revoked_at IS NULL"));
    return row ? row->integer("n") : 0;
}

Result<> insert_project(sql::Session& session, const Project& project, std::int64_t now) {
    TRY(session.execute("INSERT INTO projects (id, name, created_at) VALUES (:id, :name, :now)",
                        {{"id", project.id}, {"name", project.name}, {"now", now}}));
    return {};
}

Result<> insert_key(sql::Session& session, const ApiKey& key, const std::string& hash, std::int64_t now) {
    TRY(
        session.execute("INSERT INTO api_keys (id, project_id, name, hash, redacted, is_admin, created_at) "
                        "VALUES (:id, :project, :name, :hash, :redacted, :admin, :now)",
                        {{"id", key.id},
                         {"project", key.project},
                         {"name", key.name},
                         {"hash", hash},
                         {"redacted", key.redacted},
                         {"admin", key.admin},
                         {"now", now}}));
    return {};
}

Principal principal_of(const ApiKey& key) {
    Principal principal{key.project, key.id, key.name, key.admin, std::string(Tenancy::kDefaultOrganisation),
                        key.admin};
    if (key.admin) principal.scopes = ScopeSet::all();
    auto policy = std::make_shared<KeyPolicy>();
    policy->subjects = {{SubjectKind::kKey, key.id, {}, {}},
                        {SubjectKind::kProject, key.project, {}, {}},
                        {SubjectKind::kOrganisation, principal.organisation, {}, {}}};
    principal.policy = std::move(policy);
    return principal;
}

}  // namespace

struct Tenancy::State {
    State(sql::Database& d, const Clock& c) : database(d), clock(c) {}

    sql::Database& database;
    const Clock& clock;
    std::atomic<std::shared_ptr<const Snapshot>> snapshot{std::make_shared<const Snapshot>()};
    /// Changes are applied as differences under this lock, so that two administrators at once lose nothing.
    std::mutex writers;

    template <class Change>
    void change(Change apply) {
        std::scoped_lock lock(writers);
        auto next = std::make_shared<Snapshot>(*snapshot.load());
        apply(*next);
        snapshot.store(std::move(next));
    }
};

Tenancy::Tenancy(sql::Database& database, const Clock& clock) : state_(std::make_unique<State>(database, clock)) {}
Tenancy::~Tenancy() = default;

Result<> Tenancy::bootstrap(std::string_view admin_key) {
    const std::int64_t now = unix_millis(state_->clock.system());
    const std::string secret(admin_key);
    auto loaded = state_->database.write_now<Snapshot>([&](sql::Session& session) -> Result<Snapshot> {
        const std::string project(kDefaultProject);
        TRY_ASSIGN(auto existing, session.query_one("SELECT id FROM projects WHERE id = :id", {{"id", project}}));
        if (!existing) TRY(insert_project(session, {project, "Default", 0}, now));
        TRY_ASSIGN(const auto admins, live_admin_keys(session));
        if (admins == 0 && !secret.empty()) {
            const ApiKey key{new_id("key_"), "first admin key", project, tokens::redacted_api_key(secret), true, 0};
            TRY(insert_key(session, key, tokens::api_key_hash(secret), now));
        }
        TRY_ASSIGN(auto rows, session.query("SELECT * FROM api_keys WHERE revoked_at IS NULL"));
        Snapshot snapshot;
        for (const auto& row : rows) snapshot.emplace(row.text("hash"), principal_of(read_key(row)));
        return snapshot;
    });
    TRY(loaded);
    state_->change([&](Snapshot& snapshot) { snapshot = std::move(*loaded); });
    return {};
}

Result<bool> Tenancy::has_admin_key() {
    TRY_ASSIGN(const auto count, state_->database.read_now<std::int64_t>(live_admin_keys));
    return count > 0;
}

Result<Principal> Tenancy::authenticate(std::string_view api_key) const {
    const auto hash = tokens::api_key_hash(api_key);
    const auto snapshot = state_->snapshot.load();
    const auto found = snapshot->find(hash);
    // What is compared are SHA-256 sums of 238-bit secrets, so timing says nothing about a key; the comparison in
    // constant time is the second lock on the same door.
    if (found == snapshot->end() || !crypto::equal_constant_time(found->first, hash)) {
        return fail(unauthenticated(fmt::format("Incorrect API key provided: {}. Keys are managed under "
                                                "/atrium/v1/projects/{{id}}/keys or with 'atrium keys'.",
                                                tokens::redacted_api_key(api_key)))
                        .with_reason("invalid_api_key"));
    }
    return found->second;
}

Task<Result<Project>> Tenancy::create_project(std::string name) {
    CO_TRY_ASSIGN(auto checked, checked_name(name));
    const std::int64_t now = unix_millis(state_->clock.system());
    Project project{new_id("proj_"), std::move(checked), now / 1000};
    CO_TRY(co_await state_->database.write<void>(
        [project, now](sql::Session& session) { return insert_project(session, project, now); }));
    co_return project;
}

Task<Result<std::vector<Project>>> Tenancy::list_projects() {
    co_return co_await state_->database.read<std::vector<Project>>(
        [](sql::Session& session) -> Result<std::vector<Project>> {
            TRY_ASSIGN(auto rows, session.query("SELECT * FROM projects ORDER BY created_at, id"));
            std::vector<Project> projects;
            for (const auto& row : rows) projects.push_back(read_project(row));
            return projects;
        });
}

Task<Result<Tenancy::NewKey>> Tenancy::create_key(std::string project, std::string name, bool admin) {
    CO_TRY_ASSIGN(auto checked, checked_name(name));
    const std::int64_t now = unix_millis(state_->clock.system());
    std::string secret = tokens::generate_api_key();
    ApiKey key{new_id("key_"), std::move(checked), std::move(project), tokens::redacted_api_key(secret),
               admin,          now / 1000};
    const std::string hash = tokens::api_key_hash(secret);
    CO_TRY(co_await state_->database.write<void>([key, hash, now](sql::Session& session) -> Result<> {
        TRY(require_project(session, key.project));
        return insert_key(session, key, hash, now);
    }));
    state_->change([&](Snapshot& snapshot) { snapshot.emplace(hash, principal_of(key)); });
    co_return NewKey{std::move(key), std::move(secret)};
}

Task<Result<std::vector<ApiKey>>> Tenancy::list_keys(std::string project) {
    co_return co_await state_->database.read<std::vector<ApiKey>>(
        [project](sql::Session& session) -> Result<std::vector<ApiKey>> {
            TRY(require_project(session, project));
            TRY_ASSIGN(auto rows,
                       session.query("SELECT * FROM api_keys WHERE project_id = :project AND revoked_at IS NULL "
                                     "ORDER BY created_at, id",
                                     {{"project", project}}));
            std::vector<ApiKey> keys;
            for (const auto& row : rows) keys.push_back(read_key(row));
            return keys;
        });
}

Task<Result<>> Tenancy::revoke_key(std::string project, std::string key_id) {
    const std::int64_t now = unix_millis(state_->clock.system());
    CO_TRY_ASSIGN(const auto hash, co_await state_->database.write<std::string>([project, key_id,
                                                                                 now](sql::Session& session)
                                                                                    -> Result<std::string> {
        TRY_ASSIGN(auto row, session.query_one("SELECT * FROM api_keys WHERE id = :id AND project_id = :project "
                                               "AND revoked_at IS NULL",
                                               {{"id", key_id}, {"project", project}}));
        if (!row) {
            return fail(not_found(fmt::format("There is no key '{}' in this project.", text::shorten(key_id, 64)))
                            .with_reason("key_not_found"));
        }
        if (row->integer("is_admin") != 0) {
            TRY_ASSIGN(const auto admins, live_admin_keys(session));
            if (admins <= 1) {
                return fail(failed_precondition("This is the last admin key; create another one before revoking it.")
                                .with_reason("last_admin_key"));
            }
        }
        TRY(session.execute("UPDATE api_keys SET revoked_at = :now WHERE id = :id", {{"id", key_id}, {"now", now}}));
        return row->text("hash");
    }));
    state_->change([&](Snapshot& snapshot) { snapshot.erase(hash); });
    co_return Result<>{};
}

}  // namespace atrium::app
