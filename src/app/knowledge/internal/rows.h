#pragma once

#include <string>

#include "app/knowledge/types.h"
#include "platform/sql/database.h"

/// Statements on the knowledge tables that more than one service runs inside its own transaction.
namespace atrium::app::rows {

Error no_store(const std::string& store_id);
Error no_store_file(const std::string& store_id, const std::string& file_id);

/// With counts. kNotFound when the store is not this project's. `now` (unix ms) decides whether it has expired.
Result<VectorStore> load_store(sql::Session& session, const std::string& project, const std::string& store_id,
                               std::int64_t now);
/// Only the check, for calls that do not need the store itself.
Result<> require_store(sql::Session& session, const std::string& project, const std::string& store_id);

/// The same, and nobody removes the store before this write transaction ends.
Result<> lock_store(sql::Session& session, const std::string& project, const std::string& store_id);

/// "SELECT … FROM vector_store_files f JOIN files d ON d.id = f.file_id"; conditions follow.
extern const std::string kSelectStoreFile;
StoreFile store_file_from(const sql::Row& row);
Result<StoreFile> load_store_file(sql::Session& session, const std::string& store_id, const std::string& file_id);

/// "SELECT … FROM chunks c JOIN files d ON d.id = c.file_id"; conditions follow.
extern const std::string kSelectChunk;
StoredChunk chunk_from(const sql::Row& row);

/// Raises the store's revision and returns it; searching sees rows with this revision from now on.
Result<std::int64_t> next_revision(sql::Session& session, const std::string& store_id);

}  // namespace atrium::app::rows
