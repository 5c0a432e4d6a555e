#include "app/routing/routing_store.h"

#include "base/json.h"
#include "observability/log/log.h"

namespace atrium::app {
namespace {

Result<> bump(sql::Session& session) {
    TRY(session.execute("UPDATE routing_changes SET version = version + 1 WHERE id = 1"));
    return {};
}

template <class Settings>
std::string spec_of(const Settings& settings) {
    return json::serialize(config::to_json(settings));
}

Result<bool> changed(sql::Session& session, Result<std::int64_t> rows) {
    TRY(rows);
    if (*rows == 0) return false;
    TRY(bump(session));
    return true;
}

std::optional<std::string> previous_spec(const StoredAlias& alias) {
    if (!alias.previous) return std::nullopt;
    config::AliasSettings before = alias.settings;
    before.arms = *alias.previous;
    return spec_of(before);
}

Result<StoredAlias> read_alias(const sql::Row& row) {
    StoredAlias alias;
    TRY_ASSIGN(const auto spec, json::parse_object(row.text("spec")));
    TRY_ASSIGN(alias.settings, config::alias_from_json(spec));
    if (const auto text = row.optional_text("previous_spec")) {
        TRY_ASSIGN(const auto before, json::parse_object(*text));
        TRY_ASSIGN(const auto settings, config::alias_from_json(before));
        alias.previous = settings.arms;
    }
    alias.created_at = row.integer("created_at");
    alias.updated_at = row.integer("updated_at");
    return alias;
}

Result<StoredUpstream> read_upstream(const sql::Row& row) {
    StoredUpstream upstream;
    TRY_ASSIGN(const auto spec, json::parse_object(row.text("spec")));
    TRY_ASSIGN(upstream.settings, config::upstream_from_json(spec));
    upstream.created_at = row.integer("created_at");
    upstream.updated_at = row.integer("updated_at");
    return upstream;
}

template <class Entry>
void take(const sql::Row& row, Result<Entry> entry, std::vector<Entry>& into) {
    if (entry) {
        into.push_back(std::move(*entry));
    } else {
        log::error("a stored routing entry cannot be read and is left out",
                   {{"name", row.text("name")}, {"error", entry.error()}});
    }
}

}  // namespace

Result<std::int64_t> routing_version(sql::Session& session) {
    TRY_ASSIGN(const auto row, session.query_one("SELECT version FROM routing_changes WHERE id = 1"));
    return row ? row->integer("version") : 0;
}

Result<StoredRouting> load_routing(sql::Session& session) {
    StoredRouting stored;
    TRY_ASSIGN(stored.version, routing_version(session));
    TRY_ASSIGN(const auto upstreams, session.query("SELECT * FROM routing_upstreams ORDER BY created_at, name"));
    for (const auto& row : upstreams) take(row, read_upstream(row), stored.upstreams);
    TRY_ASSIGN(const auto aliases, session.query("SELECT * FROM routing_aliases ORDER BY created_at, name"));
    for (const auto& row : aliases) take(row, read_alias(row), stored.aliases);
    return stored;
}

Result<> insert_upstream(sql::Session& session, const StoredUpstream& upstream) {
    TRY(session.execute(
        "INSERT INTO routing_upstreams (name, spec, created_at, updated_at) VALUES (:name, :spec, :created, :updated)",
        {{"name", upstream.settings.name},
         {"spec", spec_of(upstream.settings)},
         {"created", upstream.created_at},
         {"updated", upstream.updated_at}}));
    return bump(session);
}

Result<bool> update_upstream(sql::Session& session, const StoredUpstream& upstream) {
    return changed(
        session, session.execute("UPDATE routing_upstreams SET spec = :spec, updated_at = :updated WHERE name = :name",
                                 {{"name", upstream.settings.name},
                                  {"spec", spec_of(upstream.settings)},
                                  {"updated", upstream.updated_at}}));
}

Result<bool> delete_upstream(sql::Session& session, const std::string& name) {
    return changed(session, session.execute("DELETE FROM routing_upstreams WHERE name = :name", {{"name", name}}));
}

Result<> insert_alias(sql::Session& session, const StoredAlias& alias) {
    TRY(
        session.execute("INSERT INTO routing_aliases (name, spec, previous_spec, created_at, updated_at) "
                        "VALUES (:name, :spec, :previous, :created, :updated)",
                        {{"name", alias.settings.name},
                         {"spec", spec_of(alias.settings)},
                         {"previous", previous_spec(alias)},
                         {"created", alias.created_at},
                         {"updated", alias.updated_at}}));
    return bump(session);
}

Result<bool> update_alias(sql::Session& session, const StoredAlias& alias) {
    return changed(
        session,
        session.execute("UPDATE routing_aliases SET spec = :spec, previous_spec = :previous, updated_at = :updated "
                        "WHERE name = :name",
                        {{"name", alias.settings.name},
                         {"spec", spec_of(alias.settings)},
                         {"previous", previous_spec(alias)},
                         {"updated", alias.updated_at}}));
}

Result<bool> delete_alias(sql::Session& session, const std::string& name) {
    return changed(session, session.execute("DELETE FROM routing_aliases WHERE name = :name", {{"name", name}}));
}

}  // namespace atrium::app
