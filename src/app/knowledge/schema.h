#pragma once

#include <span>

#include "platform/sql/database.h"

namespace atrium::app {

/// Migrations 200–299: files, vector_stores, vector_store_files, vector_store_batches, chunks, knowledge_state.
/// Applied by main together with the other rooms', before a Knowledge is made.
std::span<const sql::Migration> knowledge_migrations();

}  // namespace atrium::app
