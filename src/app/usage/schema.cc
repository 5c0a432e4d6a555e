#include "app/usage/schema.h"

#include <array>

namespace atrium::app {
namespace {

// 150 is the first layout, without prices; 152 replaces it.
constexpr std::array<sql::Migration, 5> kMigrations{{
    {150, "usage_records",
     "CREATE TABLE usage_records (\n"
     "  request_id VARCHAR(64) NOT NULL PRIMARY KEY,\n"
     "  at BIGINT NOT NULL,\n"
     "  project_id VARCHAR(64) NOT NULL,\n"
     "  key_id VARCHAR(64) NOT NULL,\n"
     "  operation VARCHAR(32) NOT NULL,\n"
     "  model VARCHAR(255) NOT NULL,\n"
     "  upstream VARCHAR(255) NOT NULL,\n"
     "  prompt_tokens BIGINT NOT NULL,\n"
     "  completion_tokens BIGINT NOT NULL,\n"
     "  cached_tokens BIGINT NOT NULL,\n"
     "  estimated BIGINT NOT NULL,\n"
     "  status BIGINT NOT NULL,\n"
     "  duration_ms BIGINT NOT NULL\n"
     ");\n"
     "CREATE INDEX usage_records_by_project ON usage_records (project_id, at)"},
    // Who, what and where of a call are one row of usage_series; events and sums refer to it by number, which keeps ten
    // million events small and a filter a look at a short table.
    {151, "usage_series",
     "CREATE TABLE usage_series (\n"
     "  id {{bigserial}} PRIMARY KEY,\n"
     "  organization_id VARCHAR(64) NOT NULL,\n"
     "  project_id VARCHAR(64) NOT NULL,\n"
     "  key_id VARCHAR(64) NOT NULL,\n"
     "  user_id VARCHAR(64) NOT NULL,\n"
     "  operation VARCHAR(32) NOT NULL,\n"
     "  model VARCHAR(255) NOT NULL,\n"
     "  upstream VARCHAR(255) NOT NULL,\n"
     "  status_class BIGINT NOT NULL,\n"
     "  batch BIGINT NOT NULL\n"
     ");\n"
     "CREATE TABLE usage_events (\n"
     "  request_id VARCHAR(64) NOT NULL PRIMARY KEY,\n"
     "  at BIGINT NOT NULL,\n"
     "  series_id BIGINT NOT NULL,\n"
     "  fresh_input BIGINT NOT NULL,\n"
     "  cache_read BIGINT NOT NULL,\n"
     "  cache_write BIGINT NOT NULL,\n"
     "  output BIGINT NOT NULL,\n"
     "  reasoning BIGINT NOT NULL,\n"
     "  cost_micros BIGINT NOT NULL,\n"
     "  price_version BIGINT NOT NULL,\n"
     "  estimated BIGINT NOT NULL,\n"
     "  cache_hit BIGINT NOT NULL,\n"
     "  attempts BIGINT NOT NULL,\n"
     "  status BIGINT NOT NULL,\n"
     "  duration_ms BIGINT NOT NULL\n"
     ");\n"
     "CREATE INDEX usage_events_by_time ON usage_events (at);\n"
     "CREATE TABLE usage_hourly (\n"
     "  bucket BIGINT NOT NULL,\n"
     "  series_id BIGINT NOT NULL,\n"
     "  requests BIGINT NOT NULL,\n"
     "  fresh_input BIGINT NOT NULL,\n"
     "  cache_read BIGINT NOT NULL,\n"
     "  cache_write BIGINT NOT NULL,\n"
     "  output BIGINT NOT NULL,\n"
     "  reasoning BIGINT NOT NULL,\n"
     "  cost_micros BIGINT NOT NULL,\n"
     "  duration_ms BIGINT NOT NULL,\n"
     "  PRIMARY KEY (bucket, series_id)\n"
     ");\n"
     "CREATE TABLE usage_daily (\n"
     "  bucket BIGINT NOT NULL,\n"
     "  series_id BIGINT NOT NULL,\n"
     "  requests BIGINT NOT NULL,\n"
     "  fresh_input BIGINT NOT NULL,\n"
     "  cache_read BIGINT NOT NULL,\n"
     "  cache_write BIGINT NOT NULL,\n"
     "  output BIGINT NOT NULL,\n"
     "  reasoning BIGINT NOT NULL,\n"
     "  cost_micros BIGINT NOT NULL,\n"
     "  duration_ms BIGINT NOT NULL,\n"
     "  PRIMARY KEY (bucket, series_id)\n"
     ")"},
    {152, "usage_records_replaced", "DROP TABLE usage_records"},
    {153, "prices",
     "CREATE TABLE prices (\n"
     "  id {{bigserial}} PRIMARY KEY,\n"
     "  model VARCHAR(255) NOT NULL,\n"
     "  input BIGINT NOT NULL,\n"
     "  cached_input BIGINT NOT NULL,\n"
     "  cache_write BIGINT NOT NULL,\n"
     "  output BIGINT NOT NULL,\n"
     "  request BIGINT NOT NULL,\n"
     "  valid_from BIGINT NOT NULL,\n"
     "  created_at BIGINT NOT NULL,\n"
     "  retired_at BIGINT,\n"
     "  source VARCHAR(16) NOT NULL\n"
     ")"},
    {154, "budget_spend",
     "CREATE TABLE budget_spend (\n"
     "  subject VARCHAR(200) NOT NULL,\n"
     "  period VARCHAR(8) NOT NULL,\n"
     "  began BIGINT NOT NULL,\n"
     "  spent_micros BIGINT NOT NULL,\n"
     "  PRIMARY KEY (subject, period, began)\n"
     ");\n"
     "CREATE TABLE alerts (\n"
     "  id VARCHAR(255) NOT NULL PRIMARY KEY,\n"
     "  at BIGINT NOT NULL,\n"
     "  kind VARCHAR(32) NOT NULL,\n"
     "  organization_id VARCHAR(64) NOT NULL,\n"
     "  subject VARCHAR(200) NOT NULL,\n"
     "  message TEXT NOT NULL\n"
     ");\n"
     "CREATE INDEX alerts_by_organization ON alerts (organization_id, at)"},
}};

}  // namespace

std::span<const sql::Migration> usage_migrations() {
    return kMigrations;
}

}  // namespace atrium::app
