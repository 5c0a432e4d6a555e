#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// What is spelled differently in SQLite and PostgreSQL. SQL in Atrium is the common subset of both; the rest is one of
/// these words, replaced when a statement is prepared:
///
/// | word               | SQLite            | PostgreSQL             | use                                              |
/// |--------------------|-------------------|------------------------|--------------------------------------------------|
/// | {{bigserial}}      | INTEGER           | BIGSERIAL              | `number {{bigserial}} PRIMARY KEY` counts itself |
/// | {{for_update}}     | (nothing)         | FOR UPDATE             | at the end of a SELECT: lock what will be written |
/// | {{skip_locked}}    | (nothing)         | FOR UPDATE SKIP LOCKED | the same, leaving out what others hold: queues   |
/// | {{collate_bytes}}  | COLLATE BINARY    | COLLATE "C"            | ORDER BY text {{collate_bytes}}: same everywhere |
/// | {{greatest}}       | max               | GREATEST               | {{greatest}}(a, b)                               |
/// | {{least}}          | min               | LEAST                  | {{least}}(a, b)                                  |
namespace atrium::sql {

enum class Dialect { kSqlite, kPostgresql };
std::string_view dialect_name(Dialect dialect);  ///< "sqlite", "postgresql"

/// A statement ready for the driver: words replaced, comments removed.
struct Statement {
    std::string sql;
    std::vector<std::string> parameters;  ///< distinct names of `:name`, in order of appearance
};

/// kInternal for an unknown word, an unclosed quote or more than one statement: those are defects in the caller.
Result<Statement> translate(std::string_view sql, Dialect dialect);

/// The statements of a migration: separated by ';' at the end of a line, empty ones left out.
std::vector<std::string_view> split_statements(std::string_view script);

/// 64-bit FNV-1a in hexadecimal: notices an edited migration, not a malicious one.
std::string checksum(std::string_view text);

}  // namespace atrium::sql
