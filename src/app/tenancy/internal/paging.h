#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "app/tenancy/types.h"
#include "platform/sql/database.h"

namespace atrium::app::internal {

/// One page of `select` + `where` (conditions without WHERE, over `params`), ordered by (created_at, id) of the table
/// named `prefix`: stable while rows come and go. kInvalidArgument when the cursor is not an item of the list.
template <class T, class Read>
Result<Listed<T>> page_of(sql::Session& session, std::string_view select, const std::string& where, sql::Params params,
                          const Range& range, Read read, const std::string& prefix = "", const std::string& id = "id") {
    const bool backwards = range.after.empty() && !range.before.empty();
    const std::string& cursor = backwards ? range.before : range.after;
    const bool ascending = range.ascending != backwards;
    std::string sql = std::string(select) + " WHERE " + where;
    if (!cursor.empty()) {
        auto at_cursor = params;
        at_cursor.emplace_back("cursor", cursor);
        TRY_ASSIGN(const auto row, session.query_one(sql + " AND " + prefix + id + " = :cursor", at_cursor));
        if (!row) {
            const std::string field = backwards ? "before" : "after";
            return fail(invalid_argument(field + " is not an item of this list").with_field(field));
        }
        const std::string op = ascending ? " > " : " < ";
        sql += " AND (" + prefix + "created_at" + op + ":position OR (" + prefix + "created_at = :position AND " +
               prefix + id + op + ":cursor))";
        params.emplace_back("cursor", cursor);
        params.emplace_back("position", row->integer("created_at"));
    }
    const std::string direction = ascending ? " ASC" : " DESC";
    sql += " ORDER BY " + prefix + "created_at" + direction + ", " + prefix + id + direction + " LIMIT :page_rows";
    params.emplace_back("page_rows", range.limit + 1);
    TRY_ASSIGN(const auto rows, session.query(sql, params));
    Listed<T> page;
    page.has_more = rows.size() > static_cast<std::size_t>(range.limit);
    for (const auto& row : rows) {
        if (page.items.size() == static_cast<std::size_t>(range.limit)) break;
        page.items.push_back(read(row));
    }
    if (backwards) std::ranges::reverse(page.items);
    return page;
}

}  // namespace atrium::app::internal
