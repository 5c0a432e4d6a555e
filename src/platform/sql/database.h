#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "platform/async/runtime.h"
#include "platform/async/task.h"

/// SQL over SOCI. Only this folder includes SOCI; SQLite, PostgreSQL and (later) MySQL behave alike here, which
/// database_contract_test proves against the real servers.
namespace atrium::sql {

/// What a column or parameter may hold. Booleans are 0/1 integers, times are unix milliseconds, binary is base64 text:
/// the common ground of all three databases.
using Value = std::variant<std::nullptr_t, std::int64_t, double, std::string>;

/// A named parameter: `{"id", file.id}` binds `:id`.
struct Param {
    std::string name;
    Value value;
    Param(std::string n, std::string v) : name(std::move(n)), value(std::move(v)) {}
    Param(std::string n, const char* v) : name(std::move(n)), value(std::string(v)) {}
    Param(std::string n, std::string_view v) : name(std::move(n)), value(std::string(v)) {}
    Param(std::string n, std::int64_t v) : name(std::move(n)), value(v) {}
    Param(std::string n, int v) : name(std::move(n)), value(std::int64_t{v}) {}
    Param(std::string n, double v) : name(std::move(n)), value(v) {}
    Param(std::string n, bool v) : name(std::move(n)), value(std::int64_t{v}) {}
    Param(std::string n, std::nullptr_t) : name(std::move(n)), value(nullptr) {}
    template <class T>
    Param(std::string n, const std::optional<T>& v) : name(std::move(n)), value(nullptr) {
        if (v) value = Param("", *v).value;
    }
};
using Params = std::vector<Param>;

/// One row of a result; columns by name. Asking for a column that is not there or has another type is a BUG and
/// yields the fallback. integer() takes a whole double and number() an integer, because sum() and avg() differ between
/// databases in what they return.
class Row {
public:
    Row(std::shared_ptr<const std::vector<std::string>> names, std::vector<Value> values)
        : names_(std::move(names)), values_(std::move(values)) {}
    const Value& value(std::string_view column) const;
    std::string text(std::string_view column) const;         ///< "" for NULL
    std::int64_t integer(std::string_view column) const;     ///< 0 for NULL
    double number(std::string_view column) const;            ///< 0 for NULL
    bool is_null(std::string_view column) const;
    std::optional<std::string> optional_text(std::string_view column) const;
    std::optional<std::int64_t> optional_integer(std::string_view column) const;

private:
    std::shared_ptr<const std::vector<std::string>> names_;
    std::vector<Value> values_;
};

/// A connection inside one transaction, handed to the function given to Database::write/read and valid until it returns.
/// Statements are prepared once per connection and cached; values reach them as parameters, never spliced into SQL.
///
///     session.query_one("SELECT name FROM projects WHERE id = :id", {{"id", id}})
///
/// One statement per call. Every `:name` needs exactly one parameter, and every parameter a `:name`. Text must be UTF-8
/// without NUL and numbers finite (kInvalidArgument). Columns are declared BIGINT, DOUBLE PRECISION or TEXT. Where the
/// databases differ, write one of the words of internal/dialect.h, e.g. `{{for_update}}`.
///
/// A statement that failed dooms its transaction in every database: later ones answer the same error and nothing is
/// committed, whatever `work` returns. To tolerate a duplicate use INSERT … ON CONFLICT DO NOTHING.
class Session {
public:
    virtual ~Session() = default;
    virtual Result<std::vector<Row>> query(std::string_view sql, const Params& params = {}) = 0;
    /// The first row, or nothing.
    virtual Result<std::optional<Row>> query_one(std::string_view sql, const Params& params = {}) = 0;
    /// Number of rows changed. A violated unique constraint is kAlreadyExists.
    virtual Result<std::int64_t> execute(std::string_view sql, const Params& params = {}) = 0;
};

/// A numbered step of the schema. `sql` holds statements separated by ";\n"; in it `{{bigserial}}` and other
/// differences between the databases are spelled as documented in internal/dialect.h.
struct Migration {
    int number;
    std::string_view name;
    std::string_view sql;
};

/// The installation's database. Thread-safe; destroyed after everything that uses it. Work runs on SQL threads (one
/// writer for SQLite in WAL mode, several readers; a pool for PostgreSQL), so an io thread never blocks.
///
/// A transaction must not start another one on the same Database from inside its `work` (kInternal).
/// Failures: kAlreadyExists (unique), kFailedPrecondition (foreign key), kInvalidArgument (a value that the column refuses),
/// kResourceExhausted (disk full), kPermissionDenied (read-only, with the path), kUnavailable (server away, file locked for
/// long), kDataLoss (damaged file), kInternal (wrong SQL). The database's own words are in the cause.
class Database {
public:
    /// "sqlite:///path/to.db" (created 0600; its folder must exist), "sqlite://:memory:" (one connection),
    /// "postgresql://user:pass@host/db?…" (as libpq reads it; `threads` connections, reconnecting by themselves).
    /// Messages never contain the password.
    static Result<std::unique_ptr<Database>> open(std::string_view url, int threads = 2);
    virtual ~Database() = default;

    /// Applies the migrations that are missing, each in a transaction, recorded with a checksum. A recorded
    /// migration that changed or is unknown (a newer version wrote it) is kFailedPrecondition. `migrations` is the whole
    /// list of the program, ascending by number. Several processes may do this at once. Blocking: for start-up.
    virtual Result<> migrate(std::span<const Migration> migrations) = 0;

    /// Runs `work` in one transaction; commits when it returns a value, rolls back on an error or exception. Serialization
    /// failures and SQLITE_BUSY are retried, so `work` may run more than once. When it returns a value, the commit
    /// is durable (SQLite: synchronous=FULL for writes). SQLite runs writes one after another, and those that wait at the
    /// same time share one commit, hence one wait for the disk; when one of them fails, each runs again on its own, so no
    /// write is undone by another's failure. PostgreSQL runs them at once as READ COMMITTED, so read-then-write needs
    /// `{{for_update}}` or one statement that does both.
    template <class T>
    Task<Result<T>> write(std::function<Result<T>(Session&)> work);
    /// The same for reads, on a reader: one snapshot for the whole of `work`; writing is an error.
    template <class T>
    Task<Result<T>> read(std::function<Result<T>(Session&)> work);

    /// The synchronous forms, for start-up, CLI verbs and the SQL threads themselves. Never from an io thread.
    template <class T>
    Result<T> write_now(std::function<Result<T>(Session&)> work);
    template <class T>
    Result<T> read_now(std::function<Result<T>(Session&)> work);

    virtual std::string_view backend() const = 0;  ///< "sqlite", "postgresql"

protected:
    enum class Mode { kRead, kWrite };
    virtual ThreadPool& pool(Mode mode) = 0;
    /// Begin, work, commit or roll back, retry. `work` stores its own value and reports success or failure.
    virtual Result<> transact(Mode mode, const std::function<Result<>(Session&)>& work) = 0;
    /// transact(kWrite) on the SQL threads, awaited.
    virtual Task<Result<>> transact_queued(std::function<Result<>(Session&)> work) = 0;

private:
    template <class T>
    Result<T> run(Mode mode, const std::function<Result<T>(Session&)>& work);
};

template <class T>
Result<T> Database::run(Mode mode, const std::function<Result<T>(Session&)>& work) {
    if constexpr (std::is_void_v<T>) {
        return transact(mode, work);
    } else {
        std::optional<T> value;
        TRY(transact(mode, [&](Session& session) -> Result<> {
            TRY_ASSIGN(T produced, work(session));
            value.emplace(std::move(produced));
            return {};
        }));
        return std::move(*value);
    }
}

template <class T>
Result<T> Database::write_now(std::function<Result<T>(Session&)> work) { return run<T>(Mode::kWrite, work); }
template <class T>
Result<T> Database::read_now(std::function<Result<T>(Session&)> work) { return run<T>(Mode::kRead, work); }

template <class T>
Task<Result<T>> Database::write(std::function<Result<T>(Session&)> work) {
    if constexpr (std::is_void_v<T>) {
        co_return co_await transact_queued(std::move(work));
    } else {
        const auto value = std::make_shared<std::optional<T>>();
        CO_TRY(co_await transact_queued([value, work = std::move(work)](Session& session) -> Result<> {
            TRY_ASSIGN(T produced, work(session));
            value->emplace(std::move(produced));
            return {};
        }));
        co_return std::move(**value);
    }
}
template <class T>
Task<Result<T>> Database::read(std::function<Result<T>(Session&)> work) {
    auto job = [this, work = std::move(work)] { return run<T>(Mode::kRead, work); };
    co_return co_await offload(pool(Mode::kRead), std::move(job));
}

}  // namespace atrium::sql
