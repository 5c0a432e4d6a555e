#include "app/knowledge/schema.h"

#include <array>

namespace atrium::app {

namespace {

// Keys are our own random text ids, so nothing here differs between the databases. Times are unix milliseconds.
//
// vector_store_files.generation names the chunks that are searchable, `pending` those being built; publishing
// is the one transaction that moves pending to generation. `claim`/`claim_until` is the lease of the worker that
// may write to the row. `revision` is the vector store's revision at the row's last change that searching can see.
constexpr std::string_view kTables = R"sql(
CREATE TABLE files (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  purpose TEXT NOT NULL,
  filename TEXT NOT NULL,
  bytes BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT
);
CREATE INDEX files_by_project ON files (project, created_at, id);
CREATE INDEX files_by_blob ON files (sha256);
CREATE TABLE orphan_blobs (
  sha256 TEXT PRIMARY KEY,
  bytes BIGINT NOT NULL
);
CREATE TABLE vector_stores (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  metadata TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  last_active_at BIGINT NOT NULL,
  expires_days BIGINT,
  embedding_model TEXT NOT NULL,
  dimensions BIGINT NOT NULL,
  revision BIGINT NOT NULL
);
CREATE INDEX vector_stores_by_project ON vector_stores (project, created_at, id);
CREATE TABLE vector_store_files (
  store_id TEXT NOT NULL,
  file_id TEXT NOT NULL,
  project TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  status TEXT NOT NULL,
  stage TEXT NOT NULL,
  progress DOUBLE PRECISION NOT NULL,
  attempts BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  next_attempt_at BIGINT NOT NULL,
  claim TEXT NOT NULL,
  claim_until BIGINT NOT NULL,
  generation TEXT NOT NULL,
  pending TEXT NOT NULL,
  revision BIGINT NOT NULL,
  title TEXT NOT NULL,
  language TEXT NOT NULL,
  pages BIGINT NOT NULL,
  chunks BIGINT NOT NULL,
  usage_bytes BIGINT NOT NULL,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL,
  attributes TEXT NOT NULL,
  chunking_auto BIGINT NOT NULL,
  chunk_tokens BIGINT NOT NULL,
  overlap_tokens BIGINT NOT NULL,
  warnings TEXT NOT NULL,
  PRIMARY KEY (store_id, file_id)
);
CREATE INDEX vector_store_files_by_status ON vector_store_files (status, next_attempt_at);
CREATE INDEX vector_store_files_by_file ON vector_store_files (file_id);
CREATE INDEX vector_store_files_by_revision ON vector_store_files (store_id, revision);
CREATE TABLE vector_store_batches (
  id TEXT PRIMARY KEY,
  store_id TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  cancelled BIGINT NOT NULL
);
CREATE INDEX vector_store_batches_by_store ON vector_store_batches (store_id);
CREATE TABLE vector_store_batch_files (
  batch_id TEXT NOT NULL,
  file_id TEXT NOT NULL,
  PRIMARY KEY (batch_id, file_id)
);
CREATE TABLE chunks (
  id TEXT PRIMARY KEY,
  store_id TEXT NOT NULL,
  file_id TEXT NOT NULL,
  generation TEXT NOT NULL,
  ordinal BIGINT NOT NULL,
  text TEXT NOT NULL,
  headings TEXT NOT NULL,
  page BIGINT NOT NULL,
  tokens BIGINT NOT NULL,
  embedding TEXT
);
CREATE UNIQUE INDEX chunks_by_file ON chunks (store_id, file_id, generation, ordinal);
CREATE TABLE knowledge_state (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
)sql";

constexpr std::array<sql::Migration, 1> kMigrations{{
    {200, "knowledge: files, vector stores, chunks", kTables},
}};

}  // namespace

std::span<const sql::Migration> knowledge_migrations() { return kMigrations; }

}  // namespace atrium::app
