#include <fcntl.h>
#include <fmt/format.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/machine_error.h"
#include "observability/log/log.h"
#include "platform/sql/internal/soci_connection.h"

namespace atrium::sql {
namespace {

using namespace std::chrono_literals;

// The driver includes sqlite3.h inside a namespace of its own.
namespace api = sqlite_api;

constexpr auto kBusyTimeout = 5s;

class SqliteConnection final : public SociConnection {
public:
    SqliteConnection(const Location& location, const std::string& parameters)
        : SociConnection(Dialect::kSqlite, *soci::factory_sqlite3(), parameters), location_(location) {
        handle_ = static_cast<soci::sqlite3_session_backend*>(session_.get_backend())->conn_;
        api::sqlite3_extended_result_codes(handle_, 1);
    }

    Result<> set_up(Access access) {
        try {
            // Two processes that turn a new file to WAL at once do not wait for each other by the busy timeout.
            const auto give_up = std::chrono::steady_clock::now() + kBusyTimeout;
            while (true) {
                try {
                    configure(access);
                    return {};
                } catch (const soci::soci_error&) {
                    if (!is_busy() || std::chrono::steady_clock::now() >= give_up) throw;
                    std::this_thread::sleep_for(5ms);
                }
            }
        } catch (const soci::soci_error& error) {
            return fail(classify(error));
        }
    }

    Result<> lock_schema() override { return {}; }  // BEGIN IMMEDIATE has done it

protected:
    std::string_view begin_statement(Access access) const override {
        // IMMEDIATE: a transaction that reads first and then writes would fail with BUSY without waiting.
        return access == Access::kWrite ? "BEGIN IMMEDIATE" : "BEGIN";
    }

    void prepare_for(Access access) override {
        const bool query_only = access == Access::kRead;
        if (query_only_ == query_only) return;
        session_ << (query_only ? "PRAGMA query_only = ON" : "PRAGMA query_only = OFF");
        query_only_ = query_only;
    }

    bool in_transaction() override { return api::sqlite3_get_autocommit(handle_) == 0; }

    void collect(soci::details::statement_backend& backend, bool has_row, std::size_t max_rows, Outcome& out) override {
        auto& statement = static_cast<soci::sqlite3_statement_backend&>(backend);
        struct Reset {
            soci::sqlite3_statement_backend& statement;
            ~Reset() {
                // An unfinished SELECT would keep its snapshot, and bound text is not ours after this call.
                statement.reset();
                api::sqlite3_clear_bindings(statement.stmt_);
            }
        } reset{statement};
        Columns columns;
        while (has_row && (out.rows.size() < max_rows || max_rows == 0)) {
            // max_rows == 0: an execute with RETURNING has to run to its end.
            if (max_rows > 0) out.rows.push_back(read_row(statement.stmt_, columns));
            has_row = statement.fetch(1) == soci::details::statement_backend::ef_success;
        }
        // sqlite3_changes keeps the number of the last INSERT, UPDATE or DELETE through every other statement.
        const auto total = api::sqlite3_total_changes64(handle_);
        if (total != total_changes_) out.changed = api::sqlite3_changes64(handle_);
        total_changes_ = total;
    }

    Error classify(const soci::soci_error& error) override {
        const std::string detail = error.get_error_message();
        const auto* from_driver = dynamic_cast<const soci::sqlite3_soci_error*>(&error);
        const int extended = from_driver != nullptr ? from_driver->result() : SQLITE_ERROR;
        const Error cause = internal_error(fmt::format("sqlite {}: {}", extended, detail));
        return describe(extended).with_cause(cause);
    }

private:
    void configure(Access access) {
        api::sqlite3_busy_timeout(handle_, static_cast<int>(std::chrono::milliseconds(kBusyTimeout).count()));
        if (!location_.in_memory()) {
            std::string mode;
            session_ << "PRAGMA journal_mode = WAL", soci::into(mode);
            if (mode != "wal") {
                log::warning("the database cannot use write-ahead logging here; readers will wait for writers",
                             {{"path", location_.path}, {"journal_mode", mode}});
            }
            session_ << "PRAGMA journal_size_limit = 67108864";
        }
        session_ << (access == Access::kWrite ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
        session_ << "PRAGMA foreign_keys = ON";
        session_ << "PRAGMA temp_store = MEMORY";
        session_ << "PRAGMA case_sensitive_like = ON";  // as in PostgreSQL
        // Notices a file that is no database now rather than at the first request.
        int version = 0;
        session_ << "PRAGMA schema_version", soci::into(version);
    }

    bool is_busy() const {
        const int code = api::sqlite3_errcode(handle_) & 0xff;
        return code == SQLITE_BUSY || code == SQLITE_LOCKED;
    }

    static Value read_value(api::sqlite3_stmt* statement, int column) {
        switch (api::sqlite3_column_type(statement, column)) {
            case SQLITE_INTEGER: return std::int64_t{api::sqlite3_column_int64(statement, column)};
            case SQLITE_FLOAT: return api::sqlite3_column_double(statement, column);
            case SQLITE_NULL: return nullptr;
            default: break;
        }
        const auto* bytes = static_cast<const char*>(api::sqlite3_column_blob(statement, column));
        const auto length = static_cast<std::size_t>(api::sqlite3_column_bytes(statement, column));
        return bytes == nullptr ? std::string() : std::string(bytes, length);
    }

    static Row read_row(api::sqlite3_stmt* statement, Columns& columns) {
        const int count = api::sqlite3_column_count(statement);
        if (!columns) {
            std::vector<std::string> names;
            for (int i = 0; i < count; ++i) names.emplace_back(api::sqlite3_column_name(statement, i));
            columns = std::make_shared<const std::vector<std::string>>(std::move(names));
        }
        std::vector<Value> values;
        values.reserve(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i) values.push_back(read_value(statement, i));
        return {columns, std::move(values)};
    }

    Error describe(int extended) {
        const std::string& where = location_.shown;
        switch (extended) {
            case SQLITE_CONSTRAINT_UNIQUE:
            case SQLITE_CONSTRAINT_PRIMARYKEY:
            case SQLITE_CONSTRAINT_ROWID: return already_exists("an entry with the same unique value exists already");
            case SQLITE_CONSTRAINT_FOREIGNKEY:
                return failed_precondition("the entry refers to another one that does not exist, or is still referred to");
            default: break;
        }
        switch (extended & 0xff) {
            case SQLITE_CONSTRAINT:
            case SQLITE_MISMATCH: return invalid_argument("a value is missing or outside of what the database allows");
            case SQLITE_TOOBIG: return out_of_range("a value is too large for the database");
            case SQLITE_BUSY:
            case SQLITE_LOCKED:
                contended_ = true;
                return machine_error(MachineTrouble::kStorageUnavailable, Code::kUnavailable,
                                     fmt::format("the database {} is locked by another process; please retry", where));
            case SQLITE_FULL: return disk_full();
            case SQLITE_READONLY:
                if (access_ == Access::kRead && query_only_) {
                    return internal_error("a read transaction tried to write to the database");
                }
                return read_only();
            case SQLITE_PERM:
            case SQLITE_AUTH:
            case SQLITE_CANTOPEN: return from_system(EACCES);
            case SQLITE_IOERR: return from_system(EIO);
            case SQLITE_CORRUPT:
            case SQLITE_NOTADB:
                return data_loss(fmt::format("the database {} is damaged or not a database; restore it from a backup", where));
            case SQLITE_NOMEM:
                return machine_error(MachineTrouble::kMachineExhausted, Code::kResourceExhausted, "out of memory in the database");
            default: return internal_error("a database statement failed");
        }
    }

    Error disk_full() const {
        return machine_error(MachineTrouble::kStorageFull, Code::kResourceExhausted,
                             fmt::format("no space left for the database {}; free some disk space", location_.shown));
    }
    Error read_only() const {
        return machine_error(
            MachineTrouble::kStorageReadOnly, Code::kPermissionDenied,
            fmt::format("the database {} is read-only; check the permissions of the file and its folder", location_.shown));
    }
    /// For failures that SQLite only calls an I/O error: the system knows better, or how much space is left.
    Error from_system(int fallback) const {
        constexpr std::uint64_t kTooLittle = 1 << 20;
        struct statvfs info{};
        if (!location_.in_memory() && ::statvfs(location_.path.c_str(), &info) == 0 &&
            static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize < kTooLittle) {
            return disk_full();
        }
        const int system = api::sqlite3_system_errno(handle_);
        switch (system != 0 ? system : fallback) {
            case ENOSPC:
            case EDQUOT:
            case EFBIG: return disk_full();
            case EROFS:
            case EACCES:
            case EPERM: return read_only();
            default: return from_errno(system != 0 ? system : fallback, fmt::format("access the database {}", location_.shown));
        }
    }

    const Location location_;
    api::sqlite3* handle_ = nullptr;
    bool query_only_ = false;
    api::sqlite3_int64 total_changes_ = 0;
};

/// SQLite would quietly open a file read-only that it may not write, and report every other trouble as "unable to open
/// database file". Also creates the file as private, whatever the umask.
Result<> check_file(const Location& location) {
    const int fd = ::open(location.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return fail(from_errno(errno, fmt::format("open the database {}", location.shown)));
    ::close(fd);
    return {};
}

}  // namespace

Result<std::unique_ptr<Connection>> connect_sqlite(const Location& location, Access access) {
    if (!location.in_memory()) TRY(check_file(location));
    try {
        auto connection = std::make_unique<SqliteConnection>(location, fmt::format("dbname=\"{}\"", location.path));
        TRY(connection->set_up(access));
        return connection;
    } catch (const soci::soci_error& error) {
        return fail(machine_error(MachineTrouble::kStorageUnavailable, Code::kUnavailable,
                                  fmt::format("cannot open the database {}", location.shown))
                        .with_cause(internal_error(error.get_error_message())));
    }
}

}  // namespace atrium::sql
