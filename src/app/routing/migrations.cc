#include "app/routing/migrations.h"

#include <array>

namespace atrium::app {
namespace {

// Upstreams and aliases belong to the installation, not to a project: only its administrators see or change them.
// `spec` is the JSON of the settings, read by the same code as the file. `version` in routing_changes counts changes,
// so that other gateways on the database notice them by one small read.
constexpr std::array<sql::Migration, 1> kMigrations{{
    {340, "upstreams_and_aliases",
     "CREATE TABLE routing_upstreams (\n"
     "  name VARCHAR(64) NOT NULL PRIMARY KEY,\n"
     "  spec TEXT NOT NULL,\n"
     "  created_at BIGINT NOT NULL,\n"
     "  updated_at BIGINT NOT NULL\n"
     ");\n"
     "CREATE TABLE routing_aliases (\n"
     "  name VARCHAR(128) NOT NULL PRIMARY KEY,\n"
     "  spec TEXT NOT NULL,\n"
     "  previous_spec TEXT,\n"
     "  created_at BIGINT NOT NULL,\n"
     "  updated_at BIGINT NOT NULL\n"
     ");\n"
     "CREATE TABLE routing_changes (\n"
     "  id BIGINT NOT NULL PRIMARY KEY,\n"
     "  version BIGINT NOT NULL\n"
     ");\n"
     "INSERT INTO routing_changes (id, version) VALUES (1, 0)"},
}};

}  // namespace

std::span<const sql::Migration> routing_migrations() {
    return kMigrations;
}

}  // namespace atrium::app
