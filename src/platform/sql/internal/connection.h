#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "platform/sql/database.h"
#include "platform/sql/internal/location.h"

namespace atrium::sql {

enum class Access { kRead, kWrite };

/// One connection to one database, used by one thread at a time. Owned by a ConnectionPool. It remembers what went
/// wrong in the current transaction, so that the caller can tell a lost race from a lost server.
class Connection : public Session {
public:
    /// Starts a transaction and forgets what went wrong in the one before.
    virtual Result<> begin(Access access) = 0;
    virtual Result<> commit() = 0;
    /// Ends the transaction whatever its state; a connection on which this fails becomes broken.
    virtual void rollback() = 0;

    /// Runs a statement of a migration: no parameters, not cached.
    virtual Result<> run_once(std::string_view sql) = 0;
    /// Keeps other processes from migrating until the transaction ends.
    virtual Result<> lock_schema() = 0;

    /// The first error of a statement in this transaction; the transaction cannot be committed any more.
    const std::optional<Error>& doomed() const { return doomed_; }
    /// The transaction lost against another one (busy, deadlock, serialization): try it again.
    bool contended() const { return contended_; }
    /// Useless from now on: the server went away.
    bool broken() const { return broken_; }

protected:
    std::optional<Error> doomed_;
    bool contended_ = false;
    bool broken_ = false;
};

/// Opens the file (creating it) and sets the pragmas. Errors name the path.
Result<std::unique_ptr<Connection>> connect_sqlite(const Location& location, Access access);
/// Logs in. kUnavailable when there is no server or it refuses; the cause has its words, never the password.
Result<std::unique_ptr<Connection>> connect_postgresql(const Location& location);

}  // namespace atrium::sql
