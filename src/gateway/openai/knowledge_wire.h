#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "app/knowledge/types.h"
#include "gateway/route_table.h"

/// Files and vector stores as JSON, in OpenAI's shapes, and what their routes have in common.
namespace atrium::gateway::wire {

json::object file(const app::File& file);
json::object vector_store(const app::VectorStore& store);
json::object store_file(const app::StoreFile& file);
json::object file_batch(const app::FileBatch& batch);
json::object file_counts(const app::FileCounts& counts);
json::object chunking_strategy(const app::ChunkingStrategy& strategy);
json::array strings(const std::vector<std::string>& values);
/// Null where an OpenAI object has null instead of an empty value.
json::value text_or_null(std::string_view text);

/// {"object":"list","data":[…],"first_id","last_id","has_more"}. `id_of` and `to_json` take an item.
template <class T, class ToJson, class IdOf>
json::object list(const app::Page<T>& page, ToJson to_json, IdOf id_of) {
    json::array data;
    for (const auto& item : page.items) data.push_back(to_json(item));
    json::object body{{"object", "list"}, {"data", std::move(data)}, {"first_id", nullptr}, {"last_id", nullptr}};
    if (!page.items.empty()) {
        body["first_id"] = id_of(page.items.front());
        body["last_id"] = id_of(page.items.back());
    }
    body["has_more"] = page.has_more;
    return body;
}

/// {"id","object","deleted":true}
json::object deleted(const std::string& id, std::string_view object);

/// limit, order, after, before of a list request.
Result<app::Paging> paging(const Call& call, int default_limit = 20, int max_limit = 100);

/// {"type":"auto"} or {"type":"static","static":{…}}; nothing when absent or auto.
Result<std::optional<app::ChunkingStrategy>> parse_chunking(const json::object& body, std::string_view path = {});

/// Tells polling helpers of the SDKs to ask again soon.
void advise_polling(Call& call);

/// The answer to a request made by hand: parts of JSON Schema used by several routes.
json::object list_schema();

}  // namespace atrium::gateway::wire
