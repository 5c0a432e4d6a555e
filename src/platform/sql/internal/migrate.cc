#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/clock.h"
#include "observability/log/log.h"
#include "platform/sql/internal/pooled_database.h"

namespace atrium::sql {
namespace {

constexpr std::string_view kCreateTable =
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    "number BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)";

Result<> check_order(std::span<const Migration> migrations) {
    const auto out_of_order = std::ranges::adjacent_find(
        migrations, [](const Migration& a, const Migration& b) { return a.number >= b.number; });
    if (out_of_order == migrations.end()) return {};
    return fail(internal_error(fmt::format("migration {} '{}' is not followed by a higher number", out_of_order->number,
                                           out_of_order->name)));
}

Result<> apply(Connection& connection, const Migration& migration) {
    for (const std::string_view statement : split_statements(migration.sql)) {
        auto done = connection.run_once(statement);
        if (done) continue;
        // Keep the code: a full disk stays a full disk.
        return fail(Error(done.error().code(), fmt::format("migration {} '{}': {}", migration.number, migration.name,
                                                           done.error().message()))
                        .with_cause(done.error()));
    }
    TRY(connection.execute("INSERT INTO schema_migrations (number, name, checksum, applied_at) "
                           "VALUES (:number, :name, :checksum, :now)",
                           {{"number", migration.number},
                            {"name", migration.name},
                            {"checksum", checksum(migration.sql)},
                            {"now", unix_millis(system_clock().system())}}));
    log::info("database migrated", {{"number", migration.number}, {"name", migration.name}});
    return {};
}

}  // namespace

Result<bool> apply_next(Connection& connection, std::span<const Migration> migrations) {
    TRY(check_order(migrations));
    TRY(connection.lock_schema());
    TRY(connection.run_once(kCreateTable));
    TRY_ASSIGN(const auto rows, connection.query("SELECT number, name, checksum FROM schema_migrations ORDER BY number"));
    std::map<std::int64_t, const Row*> applied;
    for (const Row& row : rows) {
        const std::int64_t number = row.integer("number");
        if (std::ranges::find(migrations, number, &Migration::number) == migrations.end()) {
            return fail(failed_precondition(fmt::format(
                "the database was written by a newer version of Atrium (migration {} '{}' is unknown here); upgrade, or "
                "restore a backup",
                number, row.text("name"))));
        }
        applied[number] = &row;
    }
    const Migration* missing = nullptr;
    for (const Migration& migration : migrations) {
        const auto found = applied.find(migration.number);
        if (found == applied.end()) {
            if (missing == nullptr) missing = &migration;
        } else if (found->second->text("checksum") != checksum(migration.sql)) {
            return fail(failed_precondition(fmt::format(
                "migration {} '{}' differs from the one that this database was made with", migration.number, migration.name)));
        }
    }
    if (missing == nullptr) return false;
    TRY(apply(connection, *missing));
    return true;
}

}  // namespace atrium::sql
