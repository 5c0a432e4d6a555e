#pragma once

#include <soci/soci.h>

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "platform/sql/internal/connection.h"

namespace atrium::sql {

/// What the connections have in common: a SOCI session, prepared statements, named parameters, and the bookkeeping of
/// failed transactions. SOCI prepares, binds and executes. Results are read from the driver's own statement, because
/// SOCI 4.0 types a column by its declaration and so turns count(*) on SQLite into text and fails on types it does not
/// know on PostgreSQL.
class SociConnection : public Connection {
public:
    ~SociConnection() override;

    Result<std::vector<Row>> query(std::string_view sql, const Params& params) override;
    Result<std::optional<Row>> query_one(std::string_view sql, const Params& params) override;
    Result<std::int64_t> execute(std::string_view sql, const Params& params) override;
    Result<> begin(Access access) override;
    Result<> commit() override;
    void rollback() override;
    Result<> run_once(std::string_view sql) override;

protected:
    SociConnection(Dialect dialect, const soci::backend_factory& factory, const std::string& parameters);

    using Columns = std::shared_ptr<const std::vector<std::string>>;
    /// The driver's side of an executed statement.
    struct Outcome {
        std::vector<Row> rows;
        std::int64_t changed = 0;
    };

    virtual std::string_view begin_statement(Access access) const = 0;
    /// Called before each transaction, outside of it.
    virtual void prepare_for(Access access) = 0;
    virtual bool in_transaction() = 0;
    /// Reads at most `max_rows` rows of the statement just executed and leaves it ready to be executed again.
    virtual void collect(soci::details::statement_backend& statement, bool has_row, std::size_t max_rows, Outcome& out) = 0;
    /// Turns the driver's failure into ours; sets contended_ and broken_.
    virtual Error classify(const soci::soci_error& error) = 0;

    soci::session session_;
    Access access_ = Access::kWrite;

private:
    struct Prepared {
        Prepared(soci::session& session, Statement text) : statement(session), parameters(std::move(text.parameters)) {
            statement.alloc();
            statement.prepare(text.sql);
        }
        soci::statement statement;
        std::vector<std::string> parameters;
    };
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };

    Result<Outcome> run(std::string_view sql, const Params& params, std::size_t max_rows);
    Result<Prepared*> prepared(std::string_view sql);
    Result<Outcome> execute_prepared(Prepared& statement, const Params& params, std::size_t max_rows);
    Result<> control(std::string_view sql);
    void drop(std::string_view sql);
    std::unexpected<Error> doom(Error error);

    const Dialect dialect_;
    std::unordered_map<std::string, std::unique_ptr<Prepared>, TextHash, std::equal_to<>> cache_;
    /// Statements that failed. PostgreSQL refuses to deallocate inside an aborted transaction, so they go after it.
    std::vector<std::unique_ptr<Prepared>> discarded_;
};

}  // namespace atrium::sql
