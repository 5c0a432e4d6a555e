#include "gateway/openai/vector_stores.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "gateway/openai/knowledge_wire.h"

namespace atrium::gateway {
namespace {

using app::VectorStoreService;

constexpr std::size_t kMaxQueries = 32;
constexpr std::size_t kMaxQueryBytes = 32 * 1024;
constexpr std::size_t kMaxName = 1000;

struct Services {
    VectorStoreService& stores;
    app::Retriever& retriever;
};

const std::string& project(const Call& call) { return call.principal().project; }
std::string store_id(const Call& call) { return call.path("vector_store_id"); }

/// {"anchor":"last_active_at","days":n}; the outer optional: was it there at all.
Result<std::optional<std::optional<int>>> parse_expiry(const json::object& body) {
    using Parsed = std::optional<std::optional<int>>;
    const auto* value = body.if_contains("expires_after");
    if (value == nullptr) return Parsed{};
    if (value->is_null()) return Parsed{std::optional<int>{}};
    const json::Reader reader(body);
    TRY_ASSIGN(const auto* object, reader.optional_object("expires_after"));
    const json::Reader expiry(*object, "expires_after");
    TRY_ASSIGN(const auto anchor, expiry.required_string("anchor"));
    if (anchor != "last_active_at") {
        return fail(invalid_argument("expires_after.anchor must be 'last_active_at'").with_field("expires_after.anchor"));
    }
    TRY_ASSIGN(const auto days, expiry.optional_int("days", 1, 365));
    if (!days) return fail(invalid_argument("expires_after.days is required").with_field("expires_after.days"));
    return Parsed{std::optional<int>(static_cast<int>(*days))};
}

Result<std::optional<std::string>> parse_name(const json::object& body, std::string_view key) {
    TRY_ASSIGN(auto name, json::Reader(body).optional_string(key));
    if (name && name->size() > kMaxName) {
        return fail(invalid_argument(fmt::format("{} must not exceed {} bytes", key, kMaxName)).with_field(std::string(key)));
    }
    return name;
}

Result<std::vector<std::string>> parse_ids(const json::object& body, std::string_view key, std::size_t max) {
    TRY_ASSIGN(const auto* array, json::Reader(body).optional_array(key));
    std::vector<std::string> ids;
    if (array == nullptr) return ids;
    if (array->size() > max) {
        return fail(invalid_argument(fmt::format("{} may hold at most {} ids", key, max)).with_field(std::string(key)));
    }
    for (const auto& id : *array) {
        if (!id.is_string()) return fail(invalid_argument(fmt::format("{} must hold strings", key)).with_field(std::string(key)));
        ids.emplace_back(id.get_string());
    }
    return ids;
}

// Vector stores ------------------------------------------------------------------------------------------------

Task<Result<>> create_store(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    VectorStoreService::NewStore store;
    store.project = project(call);
    CO_TRY_ASSIGN(const auto name, parse_name(body, "name"));
    CO_TRY_ASSIGN(const auto description, parse_name(body, "description"));
    store.name = name.value_or("");
    store.description = description.value_or("");
    CO_TRY_ASSIGN(store.metadata, app::validate_metadata(body.if_contains("metadata"), "metadata"));
    CO_TRY_ASSIGN(const auto expiry, parse_expiry(body));
    store.expires_after_days = expiry.value_or(std::nullopt);
    CO_TRY_ASSIGN(const auto ids, parse_ids(body, "file_ids", VectorStoreService::kMaxFilesPerStoreCreate));
    CO_TRY_ASSIGN(const auto chunking, wire::parse_chunking(body));
    if (chunking && ids.empty()) {
        co_return fail(invalid_argument("chunking_strategy applies to file_ids, and there are none").with_field("chunking_strategy"));
    }
    for (const auto& id : ids) store.files.push_back({id, {}, chunking});
    CO_TRY_ASSIGN(const auto created, co_await on.stores.create(std::move(store)));
    wire::advise_polling(call);
    co_return co_await call.respond_json(wire::vector_store(created));
}

Task<Result<>> list_stores(Call& call, Services on) {
    CO_TRY_ASSIGN(auto paging, wire::paging(call));
    CO_TRY_ASSIGN(const auto page, co_await on.stores.list(project(call), paging));
    co_return co_await call.respond_json(wire::list(page, wire::vector_store, [](const app::VectorStore& store) { return store.id; }));
}

Task<Result<>> get_store(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto store, co_await on.stores.get(project(call), store_id(call)));
    wire::advise_polling(call);
    co_return co_await call.respond_json(wire::vector_store(store));
}

Task<Result<>> update_store(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    VectorStoreService::StoreChanges changes;
    CO_TRY_ASSIGN(changes.name, parse_name(body, "name"));
    if (body.contains("metadata")) {
        CO_TRY_ASSIGN(changes.metadata, app::validate_metadata(body.if_contains("metadata"), "metadata"));
    }
    CO_TRY_ASSIGN(changes.expires_after_days, parse_expiry(body));
    CO_TRY_ASSIGN(const auto store, co_await on.stores.update(project(call), store_id(call), std::move(changes)));
    co_return co_await call.respond_json(wire::vector_store(store));
}

Task<Result<>> delete_store(Call& call, Services on) {
    CO_TRY(co_await on.stores.remove(project(call), store_id(call)));
    co_return co_await call.respond_json(wire::deleted(store_id(call), "vector_store.deleted"));
}

// Files in a store ---------------------------------------------------------------------------------------------

Result<VectorStoreService::NewFile> parse_new_file(const json::object& body, std::string_view path) {
    const json::Reader reader(body, std::string(path));
    VectorStoreService::NewFile file;
    TRY_ASSIGN(file.file_id, reader.required_string("file_id"));
    TRY_ASSIGN(file.attributes, app::validate_attributes(body.if_contains("attributes"), reader.name("attributes")));
    TRY_ASSIGN(file.chunking, wire::parse_chunking(body, path));
    return file;
}

Result<std::string> parse_status_filter(const Call& call) {
    const auto filter = call.query("filter").value_or("");
    static constexpr std::array<std::string_view, 5> kStatuses{"", "in_progress", "completed", "failed", "cancelled"};
    if (std::find(kStatuses.begin(), kStatuses.end(), filter) == kStatuses.end()) {
        return fail(invalid_argument("filter must be in_progress, completed, failed or cancelled").with_field("filter"));
    }
    return filter;
}

json::object file_list(const app::Page<app::StoreFile>& page) {
    return wire::list(page, wire::store_file, [](const app::StoreFile& file) { return file.file_id; });
}

Task<Result<>> add_file(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(auto file, parse_new_file(body, ""));
    CO_TRY_ASSIGN(const auto added, co_await on.stores.add_file(project(call), store_id(call), std::move(file)));
    wire::advise_polling(call);
    co_return co_await call.respond_json(wire::store_file(added));
}

Task<Result<>> list_files(Call& call, Services on) {
    CO_TRY_ASSIGN(auto paging, wire::paging(call));
    CO_TRY_ASSIGN(auto status, parse_status_filter(call));
    CO_TRY_ASSIGN(const auto page, co_await on.stores.list_files(project(call), store_id(call), status, paging));
    co_return co_await call.respond_json(file_list(page));
}

Task<Result<>> get_file(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto file, co_await on.stores.get_file(project(call), store_id(call), call.path("file_id")));
    wire::advise_polling(call);
    co_return co_await call.respond_json(wire::store_file(file));
}

Task<Result<>> update_file(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    if (!body.contains("attributes")) co_return fail(invalid_argument("attributes is required").with_field("attributes"));
    CO_TRY_ASSIGN(auto attributes, app::validate_attributes(body.if_contains("attributes"), "attributes"));
    CO_TRY_ASSIGN(const auto file, co_await on.stores.set_attributes(project(call), store_id(call), call.path("file_id"),
                                                                     std::move(attributes)));
    co_return co_await call.respond_json(wire::store_file(file));
}

Task<Result<>> remove_file(Call& call, Services on) {
    const std::string id = call.path("file_id");
    CO_TRY(co_await on.stores.remove_file(project(call), store_id(call), id));
    co_return co_await call.respond_json(wire::deleted(id, "vector_store.file.deleted"));
}

Task<Result<>> file_content(Call& call, Services on) {
    // Written page by page: the text of a file may be many times what one request should hold in memory.
    app::Paging paging;
    paging.limit = 200;
    paging.ascending = true;
    CO_TRY_ASSIGN(auto page, co_await on.stores.list_chunks(project(call), store_id(call), call.path("file_id"), paging));
    http::Headers headers;
    headers.add("Content-Type", "application/json");
    CO_TRY(co_await call.exchange().start({200, std::move(headers)}));
    std::string out = R"({"object":"vector_store.file_content.page","data":[)";
    for (bool first = true;;) {
        for (const auto& chunk : page.items) {
            if (!std::exchange(first, false)) out += ',';
            out += json::serialize(json::object{{"type", "text"}, {"text", chunk.text}});
        }
        if (!page.has_more) break;
        CO_TRY(co_await call.exchange().write(out));
        out.clear();
        paging.after = page.items.back().id;
        CO_TRY_ASSIGN(page, co_await on.stores.list_chunks(project(call), store_id(call), call.path("file_id"), paging));
    }
    out += R"(],"has_more":false,"next_page":null})";
    CO_TRY(co_await call.exchange().write(out));
    co_return co_await call.exchange().finish();
}

// Batches ------------------------------------------------------------------------------------------------------

Task<Result<>> create_batch(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    constexpr auto kMax = VectorStoreService::kMaxFilesPerBatch;
    CO_TRY_ASSIGN(const auto ids, parse_ids(body, "file_ids", kMax));
    CO_TRY_ASSIGN(const auto* objects, json::Reader(body).optional_array("files"));
    if (ids.empty() == (objects == nullptr || objects->empty())) {
        co_return fail(invalid_argument("give either file_ids or files, with at least one entry").with_field("file_ids"));
    }
    std::vector<VectorStoreService::NewFile> files;
    if (!ids.empty()) {
        CO_TRY_ASSIGN(const auto attributes, app::validate_attributes(body.if_contains("attributes"), "attributes"));
        CO_TRY_ASSIGN(const auto chunking, wire::parse_chunking(body));
        for (const auto& id : ids) files.push_back({id, attributes, chunking});
    } else {
        if (objects->size() > kMax) co_return fail(invalid_argument("files may hold at most 2000 entries").with_field("files"));
        for (std::size_t i = 0; i < objects->size(); ++i) {
            const auto path = fmt::format("files[{}]", i);
            const auto* object = (*objects)[i].if_object();
            if (object == nullptr) co_return fail(invalid_argument(path + " must be an object").with_field(path));
            CO_TRY_ASSIGN(auto file, parse_new_file(*object, path));
            files.push_back(std::move(file));
        }
    }
    CO_TRY_ASSIGN(const auto batch, co_await on.stores.create_batch(project(call), store_id(call), std::move(files)));
    wire::advise_polling(call);
    co_return co_await call.respond_json(wire::file_batch(batch));
}

Task<Result<>> get_batch(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto batch, co_await on.stores.get_batch(project(call), store_id(call), call.path("batch_id")));
    wire::advise_polling(call);
    co_return co_await call.respond_json(wire::file_batch(batch));
}

Task<Result<>> cancel_batch(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto batch, co_await on.stores.cancel_batch(project(call), store_id(call), call.path("batch_id")));
    co_return co_await call.respond_json(wire::file_batch(batch));
}

Task<Result<>> list_batch_files(Call& call, Services on) {
    CO_TRY_ASSIGN(auto paging, wire::paging(call));
    CO_TRY_ASSIGN(auto status, parse_status_filter(call));
    CO_TRY_ASSIGN(const auto page, co_await on.stores.list_batch_files(project(call), store_id(call), call.path("batch_id"),
                                                                       status, paging));
    co_return co_await call.respond_json(file_list(page));
}

// Search -------------------------------------------------------------------------------------------------------

Result<std::vector<std::string>> parse_queries(const json::object& body) {
    const auto invalid = [](std::string message) { return fail(invalid_argument(std::move(message)).with_field("query")); };
    const auto* value = body.if_contains("query");
    if (value == nullptr) return invalid("query is required");
    std::vector<std::string> queries;
    if (value->is_string()) {
        queries.emplace_back(value->get_string());
    } else if (value->is_array()) {
        for (const auto& item : value->get_array()) {
            if (!item.is_string()) return invalid("query must be a string or an array of strings");
            queries.emplace_back(item.get_string());
        }
    } else {
        return invalid("query must be a string or an array of strings");
    }
    if (queries.empty() || queries.size() > kMaxQueries) return invalid(fmt::format("query must hold 1 to {} strings", kMaxQueries));
    for (const auto& query : queries) {
        if (text::trim(query).empty()) return invalid("query must not be empty");
        if (query.size() > kMaxQueryBytes) return invalid(fmt::format("query must not exceed {} bytes", kMaxQueryBytes));
    }
    return queries;
}

Result<double> parse_threshold(const json::object& body) {
    TRY_ASSIGN(const auto* options, json::Reader(body).optional_object("ranking_options"));
    if (options == nullptr) return 0;
    const json::Reader reader(*options, "ranking_options");
    TRY_ASSIGN(const auto ranker, reader.optional_string("ranker"));
    if (ranker && *ranker != "auto" && *ranker != "none" && *ranker != "default-2024-11-15") {
        return fail(invalid_argument("ranking_options.ranker must be auto, none or default-2024-11-15").with_field("ranking_options.ranker"));
    }
    TRY_ASSIGN(const auto threshold, reader.optional_number("score_threshold", 0, 1));
    return threshold.value_or(0);
}

Task<Result<>> search(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    static constexpr std::array<std::string_view, 5> kKnown{"query", "rewrite_query", "max_num_results", "filters", "ranking_options"};
    for (const auto& pair : body) {
        if (std::find(kKnown.begin(), kKnown.end(), pair.key()) != kKnown.end()) continue;
        const auto name = text::shorten(pair.key(), 100);
        co_return fail(invalid_argument("Unknown parameter: '" + name + "'.").with_field(name).with_reason("unknown_parameter"));
    }
    const json::Reader reader(body);
    app::SearchRequest request;
    request.store_id = store_id(call);
    CO_TRY_ASSIGN(request.queries, parse_queries(body));
    CO_TRY(reader.optional_bool("rewrite_query"));
    CO_TRY_ASSIGN(const auto limit, reader.optional_int("max_num_results", 1, 50));
    request.limit = static_cast<int>(limit.value_or(10));
    CO_TRY_ASSIGN(request.score_threshold, parse_threshold(body));
    if (const auto* filters = body.if_contains("filters")) {
        CO_TRY_ASSIGN(request.filter, app::AttributeFilter::parse(*filters));
    }
    const auto queries = request.queries;
    CO_TRY_ASSIGN(const auto found, co_await on.retriever.search(call.context(), std::move(request)));
    json::array data;
    for (const auto& passage : found.passages) {
        data.push_back(json::object{{"file_id", passage.chunk.file_id},
                                    {"filename", passage.chunk.filename},
                                    {"score", passage.score},
                                    {"attributes", passage.attributes},
                                    {"content", json::array{json::object{{"type", "text"}, {"text", passage.chunk.text}}}}});
    }
    if (found.words_only) call.exchange().add_response_header("x-atrium-warning", found.warning);
    co_return co_await call.respond_json(json::object{{"object", "vector_store.search_results.page"},
                                                      {"search_query", wire::strings(queries)},
                                                      {"data", std::move(data)},
                                                      {"has_more", false},
                                                      {"next_page", nullptr}});
}

using Handler = Task<Result<>> (*)(Call&, Services);

}  // namespace

void add_vector_store_routes(RouteTable& routes, app::VectorStoreService& stores, app::Retriever& retriever) {
    const Services on{stores, retriever};
    const auto add = [&](http::Method method, std::string pattern, std::string summary, Handler handler, json::object response = {}) {
        routes.add({.method = method, .pattern = "/v1/vector_stores" + pattern, .tag = "vector stores", .summary = std::move(summary),
                    .handler = [on, handler](Call& call) { return handler(call, on); }, .response_schema = std::move(response)});
    };
    const auto kGet = http::Method::kGet;
    const auto kPost = http::Method::kPost;
    const auto kDelete = http::Method::kDelete;
    add(kPost, "", "Create a vector store", create_store);
    add(kGet, "", "List vector stores", list_stores, wire::list_schema());
    add(kGet, "/{vector_store_id}", "One vector store", get_store);
    add(kPost, "/{vector_store_id}", "Rename, annotate or set the expiry of a vector store", update_store);
    add(kDelete, "/{vector_store_id}", "Delete a vector store; its files stay", delete_store);
    add(kPost, "/{vector_store_id}/search", "Search a vector store", search);
    add(kPost, "/{vector_store_id}/files", "Add a file to a vector store", add_file);
    add(kGet, "/{vector_store_id}/files", "List the files of a vector store", list_files, wire::list_schema());
    add(kGet, "/{vector_store_id}/files/{file_id}", "One file of a vector store", get_file);
    add(kPost, "/{vector_store_id}/files/{file_id}", "Set the attributes of a file", update_file);
    add(kDelete, "/{vector_store_id}/files/{file_id}", "Remove a file from a vector store; the file stays", remove_file);
    add(kGet, "/{vector_store_id}/files/{file_id}/content", "The parsed text of a file", file_content);
    add(kPost, "/{vector_store_id}/file_batches", "Add several files", create_batch);
    add(kGet, "/{vector_store_id}/file_batches/{batch_id}", "One file batch", get_batch);
    add(kPost, "/{vector_store_id}/file_batches/{batch_id}/cancel", "Cancel what is not done of a file batch", cancel_batch);
    add(kGet, "/{vector_store_id}/file_batches/{batch_id}/files", "List the files of a batch", list_batch_files, wire::list_schema());
}

}  // namespace atrium::gateway
