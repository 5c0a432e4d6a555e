#include "app/responses/schema.h"

#include <array>

namespace atrium::app {
namespace {

// An item may come again under the id that it had in an earlier response, so ids are not unique here.
constexpr std::array<sql::Migration, 1> kMigrations{{
    {300, "responses_and_conversations",
     "CREATE TABLE responses (\n"
     "  id VARCHAR(64) NOT NULL PRIMARY KEY,\n"
     "  project_id VARCHAR(64) NOT NULL,\n"
     "  status VARCHAR(16) NOT NULL,\n"
     "  created_at BIGINT NOT NULL,\n"
     "  lease_until BIGINT NOT NULL,\n"
     "  previous_id VARCHAR(64),\n"
     "  body TEXT NOT NULL,\n"
     "  events TEXT\n"
     ");\n"
     "CREATE INDEX responses_by_status ON responses (status, lease_until);\n"
     "CREATE INDEX responses_by_age ON responses (created_at);\n"
     "CREATE TABLE response_items (\n"
     "  response_id VARCHAR(64) NOT NULL REFERENCES responses(id),\n"
     "  position BIGINT NOT NULL,\n"
     "  project_id VARCHAR(64) NOT NULL,\n"
     "  id VARCHAR(128) NOT NULL,\n"
     "  is_output BIGINT NOT NULL,\n"
     "  item TEXT NOT NULL,\n"
     "  PRIMARY KEY (response_id, position)\n"
     ");\n"
     "CREATE INDEX response_items_by_id ON response_items (project_id, id);\n"
     "CREATE TABLE conversations (\n"
     "  id VARCHAR(64) NOT NULL PRIMARY KEY,\n"
     "  project_id VARCHAR(64) NOT NULL,\n"
     "  created_at BIGINT NOT NULL,\n"
     "  metadata TEXT NOT NULL\n"
     ");\n"
     "CREATE TABLE conversation_items (\n"
     "  number {{bigserial}} PRIMARY KEY,\n"
     "  conversation_id VARCHAR(64) NOT NULL REFERENCES conversations(id),\n"
     "  project_id VARCHAR(64) NOT NULL,\n"
     "  id VARCHAR(128) NOT NULL,\n"
     "  item TEXT NOT NULL,\n"
     "  UNIQUE (conversation_id, id)\n"
     ");\n"
     "CREATE INDEX conversation_items_by_id ON conversation_items (project_id, id)"},
}};

}  // namespace

std::span<const sql::Migration> response_migrations() {
    return kMigrations;
}

}  // namespace atrium::app
