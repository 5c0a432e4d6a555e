#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "platform/sql/internal/dialect.h"

namespace atrium::sql {

/// Where the database is, from its URL.
struct Location {
    Dialect dialect = Dialect::kSqlite;
    std::string path;   ///< SQLite: the file, or ":memory:"
    std::string url;    ///< PostgreSQL: with the password; never to be shown
    std::string shown;  ///< for messages: without password and query

    bool in_memory() const { return path == ":memory:"; }
};

/// kInvalidArgument, without repeating a secret, for a scheme or form that is not supported.
Result<Location> parse_location(std::string_view url);

}  // namespace atrium::sql
