#include "gateway/openai/knowledge_wire.h"

#include <utility>

namespace atrium::gateway::wire {

namespace {

template <class T>
json::value or_null(const std::optional<T>& value) {
    if (value) return *value;
    return nullptr;
}

}  // namespace

json::value text_or_null(std::string_view text) {
    if (text.empty()) return nullptr;
    return json::string(text);
}

json::array strings(const std::vector<std::string>& values) { return json::array(values.begin(), values.end()); }

json::object file(const app::File& file) {
    json::object body{{"id", file.id},
                      {"object", "file"},
                      {"bytes", file.bytes},
                      {"created_at", file.created_at},
                      {"filename", file.filename},
                      {"purpose", file.purpose},
                      {"status", "processed"}};
    // Absent, not null: the specification knows no null here.
    if (file.expires_at) body["expires_at"] = *file.expires_at;
    return body;
}

json::object file_counts(const app::FileCounts& counts) {
    return {{"in_progress", counts.in_progress},
            {"completed", counts.completed},
            {"failed", counts.failed},
            {"cancelled", counts.cancelled},
            {"total", counts.total()}};
}

json::object vector_store(const app::VectorStore& store) {
    json::object body{{"id", store.id},
                      {"object", "vector_store"},
                      {"created_at", store.created_at},
                      {"name", store.name},
                      {"usage_bytes", store.usage_bytes},
                      {"file_counts", file_counts(store.file_counts)},
                      {"status", store.status()},
                      {"last_active_at", store.last_active_at},
                      {"metadata", store.metadata}};
    if (store.expires_after_days) {
        body["expires_after"] = json::object{{"anchor", "last_active_at"}, {"days", *store.expires_after_days}};
    }
    body["expires_at"] = or_null(store.expires_at);
    if (!store.description.empty()) body["description"] = store.description;
    return body;
}

json::object chunking_strategy(const app::ChunkingStrategy& strategy) {
    return {{"type", "static"},
            {"static", {{"max_chunk_size_tokens", strategy.max_tokens}, {"chunk_overlap_tokens", strategy.overlap_tokens}}}};
}

json::object store_file(const app::StoreFile& file) {
    json::object body{{"id", file.file_id},
                      {"object", "vector_store.file"},
                      {"usage_bytes", file.usage_bytes},
                      {"created_at", file.created_at},
                      {"vector_store_id", file.store_id},
                      {"status", file.status},
                      {"last_error", nullptr},
                      {"chunking_strategy", chunking_strategy(file.chunking)},
                      {"attributes", file.attributes}};
    if (!file.error_code.empty()) {
        body["last_error"] = json::object{{"code", file.error_code}, {"message", file.error_message}};
    }
    return body;
}

json::object file_batch(const app::FileBatch& batch) {
    return {{"id", batch.id},
            {"object", "vector_store.files_batch"},
            {"created_at", batch.created_at},
            {"vector_store_id", batch.store_id},
            {"status", batch.status()},
            {"file_counts", file_counts(batch.file_counts)}};
}

json::object deleted(const std::string& id, std::string_view object) {
    return {{"id", id}, {"object", object}, {"deleted", true}};
}

Result<app::Paging> paging(const Call& call, int default_limit, int max_limit) {
    app::Paging paging;
    TRY_ASSIGN(const auto limit, call.query_int("limit", default_limit, 1, max_limit));
    paging.limit = static_cast<int>(limit);
    const auto order = call.query("order").value_or("desc");
    if (order != "asc" && order != "desc") return fail(invalid_argument("order must be 'asc' or 'desc'").with_field("order"));
    paging.ascending = order == "asc";
    paging.after = call.query("after").value_or("");
    paging.before = call.query("before").value_or("");
    return paging;
}

Result<std::optional<app::ChunkingStrategy>> parse_chunking(const json::object& body, std::string_view path) {
    const json::Reader reader(body, std::string(path));
    TRY_ASSIGN(const auto* strategy, reader.optional_object("chunking_strategy"));
    if (strategy == nullptr) return std::nullopt;
    const json::Reader chunking(*strategy, reader.name("chunking_strategy"));
    TRY_ASSIGN(const auto type, chunking.required_string("type"));
    if (type == "auto") return std::nullopt;
    if (type != "static") {
        return fail(invalid_argument(chunking.name("type") + " must be 'auto' or 'static'").with_field(chunking.name("type")));
    }
    TRY_ASSIGN(const auto* sizes, chunking.required_object("static"));
    const json::Reader numbers(*sizes, chunking.name("static"));
    TRY_ASSIGN(const auto tokens, numbers.optional_int("max_chunk_size_tokens", 100, 4096));
    TRY_ASSIGN(const auto overlap, numbers.optional_int("chunk_overlap_tokens", 0, 2048));
    app::ChunkingStrategy wanted;
    wanted.automatic = false;
    wanted.max_tokens = static_cast<int>(tokens.value_or(800));
    wanted.overlap_tokens = static_cast<int>(overlap.value_or(wanted.max_tokens / 2));
    if (wanted.overlap_tokens * 2 > wanted.max_tokens) {
        return fail(invalid_argument(numbers.name("chunk_overlap_tokens") + " must not exceed half of max_chunk_size_tokens")
                        .with_field(numbers.name("chunk_overlap_tokens")));
    }
    return wanted;
}

void advise_polling(Call& call) { call.exchange().add_response_header("openai-poll-after-ms", "300"); }

json::object list_schema() {
    return {{"type", "object"},
            {"required", {"object", "data", "has_more"}},
            {"properties",
             {{"object", {{"const", "list"}}},
              {"data", {{"type", "array"}, {"items", {{"type", "object"}}}}},
              {"has_more", {{"type", "boolean"}}}}}};
}

}  // namespace atrium::gateway::wire
