#include "model/upstream/rerank/rerank_dialects.h"

#include <algorithm>

#include "model/upstream/internal/chat_request.h"
#include "model/upstream/rerank/rerank_wire.h"

namespace atrium::model {
namespace {

json::array strings(const std::vector<std::string_view>& texts) {
    json::array list;
    for (const auto text : texts) list.emplace_back(text);
    return list;
}

void add_key(const UpstreamOptions& options, WireRequest& wire) {
    if (!options.api_key.empty()) wire.headers.add("Authorization", "Bearer " + options.api_key);
}

const json::array* results_of(const json::object& answer) {
    return array_at(answer, "results");
}

}  // namespace

Result<WireRequest> CohereDialect::encode(const UpstreamCall& call, const UpstreamOptions& options) const {
    TRY_ASSIGN(const auto request, rerank::read_request(call.request->object));
    WireRequest wire{"/rerank", {}, {}};
    add_key(options, wire);
    json::object body{{"model", call.model}, {"query", request.query}, {"documents", strings(request.documents)}};
    if (request.top_n) body["top_n"] = *request.top_n;
    copy_members(call.request->object, body, {{"max_tokens_per_doc", "max_tokens_per_doc"}, {"priority", "priority"}});
    wire.body = json::serialize(body);
    return wire;
}

Result<json::object> CohereDialect::decode(const UpstreamCall& call, json::object answer) const {
    const auto* results = results_of(answer);
    if (results == nullptr) return fail(nonsense("an answer without results"));
    const auto* meta = object_at(answer, "meta");
    const auto* tokens = meta != nullptr ? object_at(*meta, "tokens") : nullptr;
    TRY_ASSIGN(auto decoded, rerank::answer(call, *results, "relevance_score", string_at(answer, "id"),
                                            tokens != nullptr ? count_at(*tokens, "input_tokens") : 0));
    // Cohere charges by search units; the caller may look at them.
    if (meta != nullptr) decoded["meta"] = *meta;
    return decoded;
}

std::unique_ptr<StreamDecoder> CohereDialect::decoder(const UpstreamCall& /*call*/) const {
    return rerank::no_decoder();
}

Result<WireRequest> JinaDialect::encode(const UpstreamCall& call, const UpstreamOptions& options) const {
    WireRequest wire;
    wire.path = operation_path(call.operation);
    add_key(options, wire);
    json::object body{{"model", call.model}};
    if (call.operation == Operation::kRerank) {
        TRY_ASSIGN(const auto request, rerank::read_request(call.request->object));
        body["query"] = request.query;
        body["documents"] = strings(request.documents);
        if (request.top_n) body["top_n"] = *request.top_n;
        body["return_documents"] = false;  // they are here already
    } else {
        copy_members(call.request->object, body,
                     {{"input", "input"},
                      {"dimensions", "dimensions"},
                      {"encoding_format", "embedding_type"},
                      {"task", "task"},
                      {"late_chunking", "late_chunking"}});
    }
    wire.body = json::serialize(body);
    return wire;
}

Result<json::object> JinaDialect::decode(const UpstreamCall& call, json::object answer) const {
    if (call.operation == Operation::kEmbedding) return answer;
    const auto* results = results_of(answer);
    if (results == nullptr) return fail(nonsense("an answer without results"));
    const auto* usage = object_at(answer, "usage");
    return rerank::answer(call, *results, "relevance_score", string_at(answer, "id"),
                          usage != nullptr ? count_at(*usage, "total_tokens") : 0);
}

std::unique_ptr<StreamDecoder> JinaDialect::decoder(const UpstreamCall& /*call*/) const {
    return rerank::no_decoder();
}

Result<WireRequest> TeiDialect::encode(const UpstreamCall& call, const UpstreamOptions& options) const {
    WireRequest wire;
    add_key(options, wire);
    const json::object& asked = call.request->object;
    json::object body;
    if (call.operation == Operation::kRerank) {
        wire.path = "/rerank";
        TRY_ASSIGN(const auto request, rerank::read_request(asked));
        body = {{"query", request.query}, {"texts", strings(request.documents)}};
        copy_members(asked, body, {{"truncate", "truncate"}, {"raw_scores", "raw_scores"}});
    } else if (call.operation == Operation::kEmbedding) {
        wire.path = "/v1/embeddings";
        wire.body = openai_body(call);
        return wire;
    } else if (call.operation == Operation::kTokenize) {
        wire.path = "/tokenize";
        const auto prompt = string_at(asked, "prompt");
        if (present(asked, "prompt") == nullptr) return fail(cannot_say("prompt", "a TEI", "anything but a text"));
        body = {{"inputs", prompt}};
        copy_members(asked, body, {{"add_special_tokens", "add_special_tokens"}});
    } else {
        wire.path = "/decode";
        TRY_ASSIGN(const auto* tokens, json::Reader(asked).required_array("tokens"));
        body = {{"ids", *tokens}, {"skip_special_tokens", true}};
    }
    wire.body = json::serialize(body);
    return wire;
}

namespace {

Result<json::object> decode_tokens(const json::array& items) {
    const auto* tokens = items.size() == 1 ? items[0].if_array() : nullptr;
    if (tokens == nullptr) return fail(nonsense("tokens of another number of texts than one"));
    json::array ids;
    for (const auto& item : *tokens) {
        const auto* token = item.if_object();
        const auto* id = token != nullptr ? token->if_contains("id") : nullptr;
        if (id == nullptr || !id->is_int64()) return fail(nonsense("a token without id"));
        ids.push_back(*id);
    }
    return json::object{{"count", ids.size()}, {"max_model_len", nullptr}, {"tokens", std::move(ids)}};
}

}  // namespace

Result<json::object> TeiDialect::decode(const UpstreamCall& call, json::object answer) const {
    if (call.operation == Operation::kEmbedding) return answer;
    const auto* items = array_at(answer, "items");
    if (items == nullptr) return fail(nonsense("an answer that is no list"));
    if (call.operation == Operation::kRerank) return rerank::answer(call, *items, "score", {}, 0);
    if (call.operation == Operation::kTokenize) return decode_tokens(*items);
    if (items->size() != 1 || !(*items)[0].is_string()) return fail(nonsense("a decoding that is no text"));
    return json::object{{"prompt", (*items)[0]}};
}

std::unique_ptr<StreamDecoder> TeiDialect::decoder(const UpstreamCall& /*call*/) const {
    return rerank::no_decoder();
}

Error TeiDialect::decode_error(std::string_view upstream, int status, const http::Headers& /*headers*/,
                               std::string_view body) const {
    const auto parsed = json::parse_object(body);
    const auto type = parsed ? string_at(*parsed, "error_type") : std::string_view();
    const auto message = parsed ? string_at(*parsed, "error") : std::string_view();
    if (type == "overloaded") return provider_error(Code::kResourceExhausted, message, "overloaded", type);
    if (type == "unhealthy") return provider_error(Code::kUnavailable, message, {}, type);
    // 424: the model is of another kind, or failed.
    if (type == "backend") return provider_error(Code::kUnavailable, message, {}, type);
    if (type == "validation" || type == "tokenizer") return provider_error(Code::kInvalidArgument, message, {}, type);
    return error_from_upstream(upstream, status, body);
}

}  // namespace atrium::model
