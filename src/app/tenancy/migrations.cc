#include "app/tenancy/migrations.h"

#include <array>

namespace atrium::app {
namespace {

// A key's row stays when it is revoked: usage and traces refer to it.
constexpr std::array<sql::Migration, 1> kMigrations{{
    {100, "projects_and_keys",
     "CREATE TABLE projects (\n"
     "  id VARCHAR(64) NOT NULL PRIMARY KEY,\n"
     "  name VARCHAR(400) NOT NULL,\n"
     "  created_at BIGINT NOT NULL\n"
     ");\n"
     "CREATE TABLE api_keys (\n"
     "  id VARCHAR(64) NOT NULL PRIMARY KEY,\n"
     "  project_id VARCHAR(64) NOT NULL REFERENCES projects(id),\n"
     "  name VARCHAR(400) NOT NULL,\n"
     "  hash VARCHAR(64) NOT NULL UNIQUE,\n"
     "  redacted VARCHAR(64) NOT NULL,\n"
     "  is_admin BIGINT NOT NULL,\n"
     "  created_at BIGINT NOT NULL,\n"
     "  revoked_at BIGINT\n"
     ");\n"
     "CREATE INDEX api_keys_by_project ON api_keys (project_id)"},
}};

}  // namespace

std::span<const sql::Migration> tenancy_migrations() {
    return kMigrations;
}

}  // namespace atrium::app
