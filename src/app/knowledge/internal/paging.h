#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/knowledge/types.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// Keyset paging over (`order_column`, `id_column`): stable while rows come and go, and as quick on page 1,000 as on
/// page 1.
///
///     PageQuery page(paging, "created_at", "id");
///     TRY(page.locate(session, "SELECT created_at FROM files WHERE id = :cursor AND project = :project", params));
///     session.query("SELECT … WHERE project = :project" + page.condition() + page.order(), page.with(params));
///     return page.take(std::move(rows));
class PageQuery {
public:
    PageQuery(const Paging& paging, std::string order_column, std::string id_column)
        : limit_(paging.limit),
          backwards_(paging.after.empty() && !paging.before.empty()),
          ascending_(paging.ascending != backwards_),
          cursor_(backwards_ ? paging.before : paging.after),
          field_(backwards_ ? "before" : "after"),
          order_column_(std::move(order_column)),
          id_column_(std::move(id_column)) {}

    /// Finds the cursor's position with a statement that selects one column as `order_column`.
    Result<> locate(sql::Session& session, std::string_view statement, sql::Params params) {
        if (cursor_.empty()) return {};
        params.emplace_back("cursor", cursor_);
        TRY_ASSIGN(const auto row, session.query_one(statement, params));
        if (!row) return fail(invalid_argument(field_ + " is not an item of this list").with_field(field_));
        position_ = row->integer("position");
        return {};
    }

    std::string condition() const {
        if (cursor_.empty()) return {};
        const std::string op = ascending_ ? ">" : "<";
        return " AND (" + order_column_ + " " + op + " :position OR (" + order_column_ + " = :position AND " + id_column_ +
               " " + op + " :cursor))";
    }

    std::string order() const {
        const std::string direction = ascending_ ? " ASC" : " DESC";
        return " ORDER BY " + order_column_ + direction + ", " + id_column_ + direction + " LIMIT :page_rows";
    }

    sql::Params with(sql::Params params) const {
        if (!cursor_.empty()) {
            params.emplace_back("cursor", cursor_);
            params.emplace_back("position", position_);
        }
        params.emplace_back("page_rows", limit_ + 1);
        return params;
    }

    /// Cuts the extra row that tells whether there is more and restores the order asked for.
    template <class T>
    Page<T> take(std::vector<T> rows) const {
        Page<T> page;
        page.has_more = rows.size() > static_cast<std::size_t>(limit_);
        if (page.has_more) rows.erase(rows.begin() + limit_, rows.end());
        if (backwards_) std::reverse(rows.begin(), rows.end());
        page.items = std::move(rows);
        return page;
    }

private:
    int limit_;
    bool backwards_;
    bool ascending_;
    std::string cursor_;
    std::string field_;
    std::string order_column_;
    std::string id_column_;
    std::int64_t position_ = 0;
};

}  // namespace atrium::app
