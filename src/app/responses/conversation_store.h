#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// Which part of a list of items is wanted; cursors are ids of the same list.
struct ItemPaging {
    int limit = 20;
    bool ascending = false;
    std::string after;
};

/// {"object":"list","data","first_id","last_id","has_more"}
json::object item_list(json::array items, bool has_more);

/// Conversations: lists of items that responses read and extend. Everything is one project's; another project's id is
/// kNotFound. Thread-safe; owned by ResponseService.
class ConversationStore {
public:
    static constexpr std::size_t kMaxItems = 10'000;  ///< of one conversation
    static constexpr std::size_t kMaxItemBytes = 1u << 20;
    static constexpr std::size_t kMaxNewItems = 20;  ///< of one request, as OpenAI has it

    ConversationStore(sql::Database& database, const Clock& clock) : database_(database), clock_(clock) {}

    /// `items` were normalised. The conversation object.
    Task<Result<json::object>> create(std::string project, json::object metadata, json::array items);
    Task<Result<json::object>> get(std::string project, std::string id);
    Task<Result<json::object>> update(std::string project, std::string id, json::object metadata);
    Task<Result<>> remove(std::string project, std::string id);

    /// kResourceExhausted when the conversation would grow beyond its limit, kAlreadyExists for an id it has.
    Task<Result<>> append(std::string project, std::string id, json::array items);
    Task<Result<json::object>> list_items(std::string project, std::string id, ItemPaging paging);
    Task<Result<json::object>> get_item(std::string project, std::string id, std::string item_id);
    Task<Result<>> remove_item(std::string project, std::string id, std::string item_id);
    /// All of them, oldest first.
    Task<Result<json::array>> items(std::string project, std::string id);

private:
    sql::Database& database_;
    const Clock& clock_;
};

}  // namespace atrium::app
