#include "app/tenancy/tenancy.h"

#include <fmt/format.h>

#include "app/tenancy/internal/key_ring.h"
#include "app/tenancy/internal/rows.h"
#include "app/tenancy/key_service.h"
#include "app/tenancy/project_service.h"
#include "base/id.h"
#include "observability/log/log.h"
#include "security/tokens/api_key.h"

namespace atrium::app {
namespace {

constexpr std::chrono::milliseconds kPoll{500};
constexpr int kPollsPerFlush = 10;
constexpr std::size_t kFlushBatch = 500;
constexpr int kEverything = 100'000;

Result<> insert_first_key(sql::Session& session, const std::string& secret, std::int64_t now) {
    TRY(
        session.execute("INSERT INTO api_keys (id, project_id, name, hash, redacted, is_admin, created_at, scopes) "
                        "VALUES (:id, :project, 'first admin key', :hash, :redacted, 1, :now, :scopes)",
                        {{"id", new_id("key_")},
                         {"project", Tenancy::kDefaultProject},
                         {"hash", tokens::api_key_hash(secret)},
                         {"redacted", tokens::redacted_api_key(secret)},
                         {"now", now},
                         {"scopes", ScopeSet::all().text()}}));
    return {};
}

Result<internal::KeySnapshot> prepare(sql::Session& session, const std::string& secret, std::int64_t now) {
    TRY(session.execute(
        "INSERT INTO projects (id, name, created_at) VALUES (:id, 'Default', :now) ON CONFLICT DO NOTHING",
        {{"id", Tenancy::kDefaultProject}, {"now", now}}));
    const auto exists = internal::require_admin_key(session, std::string(Tenancy::kDefaultOrganisation), now);
    if (!exists && exists.error().reason() != "last_admin_key") return fail(exists.error());
    if (!exists && !secret.empty()) TRY(insert_first_key(session, secret, now));
    return internal::load_snapshot(session);
}

}  // namespace

Principal Administrator::installation() {
    Principal principal;
    principal.project = Tenancy::kDefaultProject;
    principal.organisation = Tenancy::kDefaultOrganisation;
    principal.admin = principal.organisation_admin = true;
    principal.scopes = ScopeSet::all();
    return principal;
}

Result<> Change::record(AuditEvent event) const {
    const Principal& who = by.principal;
    AuditActor actor{who.organisation,       who.key_id,    who.key_name, who.user_id, {},
                     who.service_account_id, by.request_id, by.ip};
    if (!who.user_id.empty()) {
        TRY_ASSIGN(const auto row, session.query_one("SELECT email FROM users WHERE id = :id", {{"id", who.user_id}}));
        if (row) actor.user_email = row->text("email");
    }
    return log.append(session, actor, event);
}

struct Tenancy::State {
    internal::KeyRing ring;
};

Tenancy::Tenancy(sql::Database& database, const Clock& clock)
    : database_(database), clock_(clock), audit_(database, clock), state_(std::make_unique<State>()) {}
Tenancy::~Tenancy() = default;

Result<> Tenancy::bootstrap(std::string_view admin_key) {
    const std::int64_t now = unix_millis(clock_.system());
    const std::string secret(admin_key);
    TRY_ASSIGN(auto snapshot, database_.write_now<internal::KeySnapshot>(
                                  [&](sql::Session& session) { return prepare(session, secret, now); }));
    state_->ring.publish(std::move(snapshot));
    return {};
}

Result<bool> Tenancy::has_admin_key() {
    const std::int64_t now = unix_millis(clock_.system());
    return database_.read_now<bool>([&](sql::Session& session) -> Result<bool> {
        const auto exists = internal::require_admin_key(session, std::string(kDefaultOrganisation), now);
        if (!exists && exists.error().reason() != "last_admin_key") return fail(exists.error());
        return exists.has_value();
    });
}

Result<Principal> Tenancy::authenticate(std::string_view api_key) const {
    return state_->ring.authenticate(api_key, unix_millis(clock_.system()));
}

// The version's row is every change's first lock: changes of all gateways run one after another, so what one of them
// has checked still holds when it commits.
Result<> Tenancy::begin_change(sql::Session& session) {
    TRY(session.execute("UPDATE tenancy_version SET version = version + 1 WHERE id = 1"));
    return {};
}

Task<Result<>> Tenancy::reload() {
    CO_TRY_ASSIGN(auto snapshot, co_await database_.read<internal::KeySnapshot>(internal::load_snapshot));
    state_->ring.publish(std::move(snapshot));
    co_return Result<>{};
}

Task<Result<bool>> Tenancy::refresh() {
    CO_TRY_ASSIGN(const auto version, co_await database_.read<std::int64_t>(internal::stored_version));
    if (version == state_->ring.version()) co_return false;
    CO_TRY(co_await reload());
    co_return true;
}

Task<Result<std::size_t>> Tenancy::flush_activity() {
    std::size_t written = 0;
    while (true) {
        const auto used = state_->ring.take_used(kFlushBatch);
        if (used.empty()) co_return written;
        written += used.size();
        CO_TRY(co_await database_.write<void>([used](sql::Session& session) -> Result<> {
            for (const auto& [id, at] : used) {
                TRY(session.execute(
                    "UPDATE api_keys SET last_used_at = :at WHERE id = :id AND (last_used_at IS NULL OR "
                    "last_used_at < :at)",
                    {{"id", id}, {"at", at}}));
            }
            return {};
        }));
    }
}

std::int64_t Tenancy::last_used_at(const std::string& key_id) const {
    return state_->ring.last_used_ms(key_id) / 1000;
}

Task<> Tenancy::run(StopToken stop) {
    bool away = false;
    for (int turn = 1; !stop.stop_requested(); ++turn) {
        co_await sleep_for(kPoll, stop);
        auto looked = co_await refresh();
        if (!looked && !away) {
            log::warning("changed keys cannot be read; the known ones stay in force",
                         {{"error", looked.error().to_string()}});
        }
        away = !looked;
        if (turn % kPollsPerFlush != 0 && !stop.stop_requested()) continue;
        if (const auto flushed = co_await flush_activity(); !flushed && !away) {
            log::warning("the times when keys were used are not written", {{"error", flushed.error().to_string()}});
        }
    }
}

Task<Result<Project>> Tenancy::create_project(std::string name) {
    co_return co_await ProjectService(*this).create({}, std::move(name));
}

Task<Result<std::vector<Project>>> Tenancy::list_projects() {
    CO_TRY_ASSIGN(auto projects, co_await ProjectService(*this).list({}, false, {.limit = kEverything}));
    co_return std::move(projects.items);
}

Task<Result<NewKey>> Tenancy::create_key(std::string project, std::string name, bool admin) {
    KeySpec spec;
    spec.project = std::move(project);
    spec.name = std::move(name);
    spec.admin = admin;
    co_return co_await KeyService(*this).create({}, std::move(spec));
}

Task<Result<std::vector<ApiKey>>> Tenancy::list_keys(std::string project) {
    KeyFilter filter;
    filter.project = std::move(project);
    CO_TRY_ASSIGN(auto keys, co_await KeyService(*this).list({}, std::move(filter), {.limit = kEverything}));
    co_return std::move(keys.items);
}

Task<Result<>> Tenancy::revoke_key(std::string project, std::string key_id) {
    co_return co_await KeyService(*this).revoke({}, std::move(key_id), std::move(project));
}

}  // namespace atrium::app
