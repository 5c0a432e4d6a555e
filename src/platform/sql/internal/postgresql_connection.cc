#include <fmt/format.h>
#include <soci/postgresql/soci-postgresql.h>

#include <algorithm>

#include "base/machine_error.h"
#include "base/text.h"
#include "observability/log/log.h"
#include "platform/sql/internal/soci_connection.h"

namespace atrium::sql {
namespace {

// Object identifiers of the types a column may have, from PostgreSQL's pg_type.dat: fixed for ever.
constexpr Oid kBool = 16, kInt8 = 20, kInt2 = 21, kInt4 = 23, kOid = 26, kFloat4 = 700, kFloat8 = 701, kNumeric = 1700;

// Any process may migrate; the number only has to differ from those of other programs in the same database.
constexpr std::string_view kMigrationLock = "SELECT pg_advisory_xact_lock(4715921058213)";

Value to_value(Oid type, std::string text) {
    switch (type) {
        case kBool: return std::int64_t{text == "t"};
        case kInt2:
        case kInt4:
        case kInt8:
        case kOid: return text::to_int(text).value_or(0);
        case kFloat4:
        case kFloat8: return text::to_double(text).value_or(0);
        case kNumeric:
            // sum() of a BIGINT is numeric without a fraction.
            if (const auto integer = text::to_int(text)) return *integer;
            return text::to_double(text).value_or(0);
        default: return text;
    }
}

void log_notice(void*, const char* message) { log::info("postgresql", {{"notice", text::trim(message)}}); }

/// "ERROR: duplicate key … DETAIL: Key (name)=(x)": only the first line; the others repeat values of the row.
std::string first_line(const std::string& message) { return message.substr(0, message.find('\n')); }

class PostgresqlConnection final : public SociConnection {
public:
    PostgresqlConnection(const Location& location, const std::string& parameters)
        : SociConnection(Dialect::kPostgresql, *soci::factory_postgresql(), parameters), shown_(location.shown) {
        handle_ = static_cast<soci::postgresql_session_backend*>(session_.get_backend())->conn_;
        PQsetNoticeProcessor(handle_, log_notice, nullptr);
        if (PQsetClientEncoding(handle_, "UTF8") != 0) throw soci::soci_error("the server cannot talk UTF-8");
        session_ << "SET client_min_messages = 'warning'";
        session_ << "SET statement_timeout = '60s'";
        session_ << "SET lock_timeout = '10s'";
        session_ << "SET idle_in_transaction_session_timeout = '120s'";
        session_ << "SET standard_conforming_strings = on";
    }

    Result<> lock_schema() override {
        // A migration may rewrite a large table and waits for whoever migrates already.
        TRY(run_once("SET LOCAL statement_timeout = 0"));
        TRY(run_once("SET LOCAL lock_timeout = 0"));
        return run_once(kMigrationLock);
    }

protected:
    std::string_view begin_statement(Access access) const override {
        return access == Access::kWrite ? "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
                                        : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    }
    void prepare_for(Access) override {}
    bool in_transaction() override { return PQtransactionStatus(handle_) != PQTRANS_IDLE; }

    void collect(soci::details::statement_backend& backend, bool, std::size_t max_rows, Outcome& out) override {
        auto& statement = static_cast<soci::postgresql_statement_backend&>(backend);
        const PGresult* result = statement.result_;
        out.changed = std::max<std::int64_t>(0, text::to_int(PQcmdTuples(statement.result_.get_result())).value_or(0));
        const auto rows = std::min<std::size_t>(static_cast<std::size_t>(PQntuples(result)), max_rows);
        if (rows > 0) {
            const int count = PQnfields(result);
            std::vector<std::string> names;
            for (int i = 0; i < count; ++i) names.emplace_back(PQfname(result, i));
            const auto columns = std::make_shared<const std::vector<std::string>>(std::move(names));
            out.rows.reserve(rows);
            for (int row = 0; row < static_cast<int>(rows); ++row) {
                std::vector<Value> values;
                values.reserve(static_cast<std::size_t>(count));
                for (int i = 0; i < count; ++i) {
                    if (PQgetisnull(result, row, i) != 0) {
                        values.emplace_back(nullptr);
                        continue;
                    }
                    const auto length = static_cast<std::size_t>(PQgetlength(result, row, i));
                    values.push_back(to_value(PQftype(result, i), std::string(PQgetvalue(result, row, i), length)));
                }
                out.rows.emplace_back(columns, std::move(values));
            }
        }
        statement.result_.reset();  // a cached statement must not hold on to a large result
    }

    Error classify(const soci::soci_error& error) override {
        const auto* from_server = dynamic_cast<const soci::postgresql_soci_error*>(&error);
        const std::string state = from_server != nullptr ? from_server->sqlstate() : std::string("     ");
        const std::string detail = first_line(error.get_error_message());
        // A failure without a state is libpq's own: the server is gone, though PQstatus may not say so yet.
        if (PQstatus(handle_) != CONNECTION_OK || (from_server != nullptr && state == "     ")) broken_ = true;
        return describe(state, detail).with_cause(internal_error(fmt::format("postgresql {}: {}", state, detail)));
    }

private:
    static Error away(std::string message) {
        return machine_error(MachineTrouble::kStorageUnavailable, Code::kUnavailable, std::move(message));
    }
    static Error refuses(std::string message) {
        return machine_error(MachineTrouble::kStorageReadOnly, Code::kPermissionDenied, std::move(message));
    }

    Error describe(std::string_view state, const std::string& detail) {
        const auto is = [state](std::string_view prefix) { return state.starts_with(prefix); };
        if (state == "23505") return already_exists("an entry with the same unique value exists already");
        if (state == "23503") {
            return failed_precondition("the entry refers to another one that does not exist, or is still referred to");
        }
        if (state == "54000" || state == "22001") return out_of_range("a value is too large for the database");
        if (is("23") || is("22")) return invalid_argument("a value is missing or outside of what the database allows");
        // 0A000 here: a prepared statement met a table that a migration changed; it works when prepared again.
        if (is("40") || state == "55P03" || (state == "0A000" && detail.find("cached plan") != std::string::npos)) {
            contended_ = true;
            return unavailable("the database is busy with conflicting changes; please retry");
        }
        if (state == "57014") return deadline_exceeded("the database took too long for a statement");
        if (broken_ || is("08") || is("57P")) {
            broken_ = true;
            return away(fmt::format("the database {} is not reachable; please retry", shown_));
        }
        if (state == "53100") {
            return machine_error(MachineTrouble::kStorageFull, Code::kResourceExhausted,
                                 fmt::format("no space left for the database {}; free some disk space", shown_));
        }
        if (is("53")) return away(fmt::format("the database {} is overloaded; please retry", shown_));
        if (state == "25006") {
            if (access_ == Access::kRead) return internal_error("a read transaction tried to write to the database");
            return refuses(fmt::format("the database {} is read-only (a standby?)", shown_));
        }
        if (state == "42501") return refuses(fmt::format("the user of the database {} lacks a privilege", shown_));
        if (is("XX") || is("58")) return data_loss(fmt::format("the database {} reports damage or an I/O error", shown_));
        return internal_error("a database statement failed");
    }

    const std::string shown_;
    PGconn* handle_ = nullptr;
};

/// Adds what makes a dead server noticeable; what the URL says itself wins, since libpq takes the last mention.
std::string with_timeouts(const std::string& url) {
    constexpr std::string_view kDefaults =
        "connect_timeout=5&keepalives_idle=30&keepalives_interval=10&keepalives_count=3&tcp_user_timeout=30000"
        "&fallback_application_name=atrium";
    const std::size_t query = url.find('?');
    if (query == std::string::npos) return fmt::format("{}?{}", url, kDefaults);
    const std::string_view own = std::string_view(url).substr(query + 1);
    return fmt::format("{}{}{}{}", url.substr(0, query + 1), kDefaults, own.empty() ? "" : "&", own);
}

/// Checks the form first: libpq's complaint about a malformed URL quotes parts of it, perhaps of the password.
bool well_formed(const std::string& url) {
    char* complaint = nullptr;
    PQconninfoOption* options = PQconninfoParse(url.c_str(), &complaint);
    PQfreemem(complaint);
    if (options == nullptr) return false;
    PQconninfoFree(options);
    return true;
}

}  // namespace

Result<std::unique_ptr<Connection>> connect_postgresql(const Location& location) {
    const std::string url = with_timeouts(location.url);
    if (!well_formed(url)) {
        return fail(invalid_argument("the PostgreSQL URL is malformed; special characters in user and password must be "
                                     "percent-encoded"));
    }
    try {
        return std::make_unique<PostgresqlConnection>(location, url);
    } catch (const soci::soci_error& error) {
        std::string reason = error.get_error_message();
        std::ranges::replace(reason, '\n', ' ');
        return fail(machine_error(MachineTrouble::kStorageUnavailable, Code::kUnavailable,
                                  fmt::format("cannot connect to the database {}", location.shown))
                        .with_cause(unavailable(std::string(text::trim(reason)))));
    }
}

}  // namespace atrium::sql
