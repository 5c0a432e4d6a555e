#include <fmt/format.h>

#include "app/responses/items.h"
#include "gateway/openai/responses.h"
#include "gateway/openai/sampling.h"

namespace atrium::gateway {
namespace {

Result<json::array> new_items(const json::object& body, bool required) {
    const json::Reader reader(body);
    TRY_ASSIGN(const auto* items, reader.optional_array("items"));
    if (items == nullptr && required) return refuse("items", "is required and must be an array");
    if (items == nullptr) return json::array{};
    if (items->size() > app::ConversationStore::kMaxNewItems)
        return refuse("items", fmt::format("must have at most {} entries", app::ConversationStore::kMaxNewItems));
    TRY_ASSIGN(auto made, app::normalise_input(json::value(*items), "items"));
    for (std::size_t i = 0; i < made.size(); ++i) {
        if (json::string_or(made[i].get_object(), "type") == "item_reference")
            return refuse(fmt::format("items[{}].type", i), "must be an item, not a reference");
    }
    return made;
}

Task<Result<>> create_conversation(Call& call, app::ConversationStore& conversations) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(auto metadata, app::read_metadata(body));
    CO_TRY_ASSIGN(auto items, new_items(body, false));
    CO_TRY_ASSIGN(const auto made,
                  co_await conversations.create(call.principal().project, std::move(metadata), std::move(items)));
    co_return co_await call.respond_json(made);
}

Task<Result<>> get_conversation(Call& call, app::ConversationStore& conversations) {
    CO_TRY_ASSIGN(const auto found, co_await conversations.get(call.principal().project, call.path("conversation_id")));
    co_return co_await call.respond_json(found);
}

Task<Result<>> update_conversation(Call& call, app::ConversationStore& conversations) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    if (!body.contains("metadata")) co_return refuse("metadata", "is required and must be an object");
    CO_TRY_ASSIGN(auto metadata, app::read_metadata(body));
    CO_TRY_ASSIGN(const auto updated, co_await conversations.update(call.principal().project,
                                                                    call.path("conversation_id"), std::move(metadata)));
    co_return co_await call.respond_json(updated);
}

Task<Result<>> delete_conversation(Call& call, app::ConversationStore& conversations) {
    const auto& id = call.path("conversation_id");
    CO_TRY(co_await conversations.remove(call.principal().project, id));
    co_return co_await call.respond_json(
        json::object{{"id", id}, {"object", "conversation.deleted"}, {"deleted", true}});
}

Task<Result<>> create_items(Call& call, app::ConversationStore& conversations) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(const auto items, new_items(body, true));
    CO_TRY(co_await conversations.append(call.principal().project, call.path("conversation_id"), items));
    co_return co_await call.respond_json(app::item_list(items, false));
}

Task<Result<>> list_items(Call& call, app::ConversationStore& conversations) {
    CO_TRY_ASSIGN(auto paging, item_paging(call));
    CO_TRY_ASSIGN(const auto list, co_await conversations.list_items(call.principal().project,
                                                                     call.path("conversation_id"), std::move(paging)));
    co_return co_await call.respond_json(list);
}

Task<Result<>> get_item(Call& call, app::ConversationStore& conversations) {
    CO_TRY_ASSIGN(const auto item, co_await conversations.get_item(call.principal().project,
                                                                   call.path("conversation_id"), call.path("item_id")));
    co_return co_await call.respond_json(item);
}

Task<Result<>> delete_item(Call& call, app::ConversationStore& conversations) {
    const auto& project = call.principal().project;
    const auto& id = call.path("conversation_id");
    CO_TRY(co_await conversations.remove_item(project, id, call.path("item_id")));
    CO_TRY_ASSIGN(const auto left, co_await conversations.get(project, id));
    co_return co_await call.respond_json(left);
}

}  // namespace

void add_conversation_routes(RouteTable& routes, app::ConversationStore& conversations) {
    struct Row {
        http::Method method;
        const char* pattern;
        const char* summary;
        Task<Result<>> (*handle)(Call&, app::ConversationStore&);
    };
    static constexpr Row kRows[] = {
        {http::Method::kPost, "/v1/conversations", "Begin a conversation", create_conversation},
        {http::Method::kGet, "/v1/conversations/{conversation_id}", "One conversation", get_conversation},
        {http::Method::kPost, "/v1/conversations/{conversation_id}", "Change a conversation's metadata",
         update_conversation},
        {http::Method::kDelete, "/v1/conversations/{conversation_id}", "Delete a conversation", delete_conversation},
        {http::Method::kPost, "/v1/conversations/{conversation_id}/items", "Add items to a conversation", create_items},
        {http::Method::kGet, "/v1/conversations/{conversation_id}/items", "The items of a conversation", list_items},
        {http::Method::kGet, "/v1/conversations/{conversation_id}/items/{item_id}", "One item", get_item},
        {http::Method::kDelete, "/v1/conversations/{conversation_id}/items/{item_id}", "Remove an item", delete_item},
    };
    auto* store = &conversations;
    for (const auto& row : kRows) {
        const auto handle = row.handle;
        routes.add({.method = row.method,
                    .pattern = row.pattern,
                    .tag = "conversations",
                    .summary = row.summary,
                    .handler = [handle, store](Call& call) { return handle(call, *store); }});
    }
}

}  // namespace atrium::gateway
