#include "app/responses/conversation_store.h"

#include <fmt/format.h>

#include "base/id.h"
#include "base/text.h"

namespace atrium::app {
namespace {

Error no_conversation(std::string_view id) {
    return not_found(fmt::format("There is no conversation '{}'.", text::shorten(text::to_valid_utf8(id), 80)));
}

Error no_item(std::string_view id) {
    return not_found(
        fmt::format("There is no item '{}' in this conversation.", text::shorten(text::to_valid_utf8(id), 80)));
}

json::object to_wire(const sql::Row& row) {
    return {{"id", row.text("id")},
            {"object", "conversation"},
            {"created_at", row.integer("created_at") / 1000},
            {"metadata", json::parse_object(row.text("metadata")).value_or(json::object{})}};
}

json::value item_of(const sql::Row& row) {
    return json::parse_object(row.text("item")).value_or(json::object{});
}

Result<sql::Row> find(sql::Session& session, const std::string& project, const std::string& id) {
    TRY_ASSIGN(auto row, session.query_one("SELECT id, created_at, metadata FROM conversations WHERE id = :id AND "
                                           "project_id = :project {{for_update}}",
                                           {{"id", id}, {"project", project}}));
    if (!row) return fail(no_conversation(id));
    return std::move(*row);
}

Result<sql::Row> peek(sql::Session& session, const std::string& project, const std::string& id) {
    TRY_ASSIGN(
        auto row,
        session.query_one("SELECT id, created_at, metadata FROM conversations WHERE id = :id AND project_id = :project",
                          {{"id", id}, {"project", project}}));
    if (!row) return fail(no_conversation(id));
    return std::move(*row);
}

Result<> insert_items(sql::Session& session, const std::string& project, const std::string& id,
                      const json::array& items) {
    TRY_ASSIGN(const auto count,
               session.query_one(
                   "SELECT COUNT(*) AS n FROM conversation_items WHERE conversation_id = :id AND project_id = :project",
                   {{"id", id}, {"project", project}}));
    if (static_cast<std::size_t>(count->integer("n")) + items.size() > ConversationStore::kMaxItems) {
        return fail(out_of_range(fmt::format("A conversation has at most {} items.", ConversationStore::kMaxItems)));
    }
    for (const auto& item : items) {
        const auto text = json::serialize(item);
        if (text.size() > ConversationStore::kMaxItemBytes)
            return fail(out_of_range(fmt::format("An item of a conversation has at most {} bytes.",
                                                 ConversationStore::kMaxItemBytes))
                            .with_field("items"));
        const std::string item_id(json::string_or(item.get_object(), "id"));
        TRY_ASSIGN(const auto known, session.query_one("SELECT id FROM conversation_items WHERE conversation_id = "
                                                       ":conversation AND id = :id AND project_id = :project",
                                                       {{"conversation", id}, {"id", item_id}, {"project", project}}));
        if (known)
            return fail(
                already_exists(fmt::format("The conversation has an item '{}' already.", item_id)).with_field("items"));
        TRY(
            session.execute("INSERT INTO conversation_items (conversation_id, project_id, id, item) VALUES "
                            "(:conversation, :project, :id, :item)",
                            {{"conversation", id}, {"project", project}, {"id", item_id}, {"item", text}}));
    }
    return {};
}

}  // namespace

json::object item_list(json::array items, bool has_more) {
    const std::string first(items.empty() ? "" : json::string_or(items.front().get_object(), "id"));
    const std::string last(items.empty() ? "" : json::string_or(items.back().get_object(), "id"));
    return {
        {"object", "list"}, {"data", std::move(items)}, {"first_id", first}, {"last_id", last}, {"has_more", has_more}};
}

Task<Result<json::object>> ConversationStore::create(std::string project, json::object metadata, json::array items) {
    const auto now = unix_millis(clock_.system());
    const auto id = new_id("conv_");
    co_return co_await database_.write<json::object>([=](sql::Session& session) -> Result<json::object> {
        TRY(session.execute(
            "INSERT INTO conversations (id, project_id, created_at, metadata) VALUES (:id, :project, :now, :metadata)",
            {{"id", id}, {"project", project}, {"now", now}, {"metadata", json::serialize(metadata)}}));
        TRY(insert_items(session, project, id, items));
        return json::object{{"id", id}, {"object", "conversation"}, {"created_at", now / 1000}, {"metadata", metadata}};
    });
}

Task<Result<json::object>> ConversationStore::get(std::string project, std::string id) {
    co_return co_await database_.read<json::object>([=](sql::Session& session) -> Result<json::object> {
        TRY_ASSIGN(const auto row, peek(session, project, id));
        return to_wire(row);
    });
}

Task<Result<json::object>> ConversationStore::update(std::string project, std::string id, json::object metadata) {
    co_return co_await database_.write<json::object>([=](sql::Session& session) -> Result<json::object> {
        TRY(find(session, project, id));
        TRY(session.execute("UPDATE conversations SET metadata = :metadata WHERE id = :id AND project_id = :project",
                            {{"metadata", json::serialize(metadata)}, {"id", id}, {"project", project}}));
        TRY_ASSIGN(const auto row, find(session, project, id));
        return to_wire(row);
    });
}

Task<Result<>> ConversationStore::remove(std::string project, std::string id) {
    co_return co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        TRY(find(session, project, id));
        TRY(session.execute("DELETE FROM conversation_items WHERE conversation_id = :id AND project_id = :project",
                            {{"id", id}, {"project", project}}));
        TRY(session.execute("DELETE FROM conversations WHERE id = :id AND project_id = :project",
                            {{"id", id}, {"project", project}}));
        return {};
    });
}

Task<Result<>> ConversationStore::append(std::string project, std::string id, json::array items) {
    co_return co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        TRY(find(session, project, id));
        return insert_items(session, project, id, items);
    });
}

Task<Result<json::object>> ConversationStore::list_items(std::string project, std::string id, ItemPaging paging) {
    co_return co_await database_.read<json::object>([=](sql::Session& session) -> Result<json::object> {
        TRY(peek(session, project, id));
        std::int64_t from = paging.ascending ? 0 : INT64_MAX;
        if (!paging.after.empty()) {
            TRY_ASSIGN(const auto row,
                       session.query_one("SELECT number FROM conversation_items WHERE conversation_id = :conversation "
                                         "AND id = :id AND project_id = :project",
                                         {{"conversation", id}, {"id", paging.after}, {"project", project}}));
            if (!row) return fail(invalid_argument("'after' is no item of this conversation").with_field("after"));
            from = row->integer("number");
        }
        const std::string sql = fmt::format(
            "SELECT item FROM conversation_items WHERE conversation_id = :id AND project_id = :project AND number {} "
            ":from_number ORDER BY number {} LIMIT :limit",
            paging.ascending ? ">" : "<", paging.ascending ? "ASC" : "DESC");
        TRY_ASSIGN(
            const auto rows,
            session.query(sql, {{"id", id}, {"project", project}, {"from_number", from}, {"limit", paging.limit + 1}}));
        json::array items;
        for (const auto& row : rows) {
            if (std::ssize(items) < paging.limit) items.push_back(item_of(row));
        }
        return item_list(std::move(items), std::ssize(rows) > paging.limit);
    });
}

Task<Result<json::object>> ConversationStore::get_item(std::string project, std::string id, std::string item_id) {
    co_return co_await database_.read<json::object>([=](sql::Session& session) -> Result<json::object> {
        TRY(peek(session, project, id));
        TRY_ASSIGN(const auto row, session.query_one("SELECT item FROM conversation_items WHERE conversation_id = "
                                                     ":conversation AND id = :id AND project_id = :project",
                                                     {{"conversation", id}, {"id", item_id}, {"project", project}}));
        if (!row) return fail(no_item(item_id));
        return item_of(*row).get_object();
    });
}

Task<Result<>> ConversationStore::remove_item(std::string project, std::string id, std::string item_id) {
    co_return co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        TRY(find(session, project, id));
        TRY_ASSIGN(const auto removed, session.execute("DELETE FROM conversation_items WHERE conversation_id = "
                                                       ":conversation AND id = :id AND project_id = :project",
                                                       {{"conversation", id}, {"id", item_id}, {"project", project}}));
        if (removed == 0) return fail(no_item(item_id));
        return {};
    });
}

Task<Result<json::array>> ConversationStore::items(std::string project, std::string id) {
    co_return co_await database_.read<json::array>([=](sql::Session& session) -> Result<json::array> {
        TRY(peek(session, project, id));
        TRY_ASSIGN(const auto rows, session.query("SELECT item FROM conversation_items WHERE conversation_id = :id AND "
                                                  "project_id = :project ORDER BY number",
                                                  {{"id", id}, {"project", project}}));
        json::array items;
        for (const auto& row : rows) items.push_back(item_of(row));
        return items;
    });
}

}  // namespace atrium::app
