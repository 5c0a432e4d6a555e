// Ollama's answers → OpenAI's.
#include "base/id.h"
#include "base/text.h"
#include "model/upstream/internal/embedding_answer.h"
#include "model/upstream/ollama/ollama_dialect.h"
#include "model/upstream/ollama/ollama_wire.h"

namespace atrium::model {
namespace ollama {

std::optional<TokenUsage> read_usage(const json::object& document) {
    if (present(document, "eval_count") == nullptr && present(document, "prompt_eval_count") == nullptr)
        return std::nullopt;
    return TokenUsage{.prompt_tokens = count_at(document, "prompt_eval_count"),
                      .completion_tokens = count_at(document, "eval_count")};
}

std::string_view finish_reason(const json::object& document, bool tools) {
    if (string_at(document, "done_reason") == "length") return "length";
    return tools ? "tool_calls" : "stop";
}

Result<json::object> read_call(const json::value& call) {
    const auto* object = call.if_object();
    const auto* function = object != nullptr ? object_at(*object, "function") : nullptr;
    if (function == nullptr || string_at(*function, "name").empty())
        return fail(nonsense("a tool call without a function"));
    const auto* arguments = object_at(*function, "arguments");
    const auto id = string_at(*object, "id");
    return tool_call_object(id.empty() ? new_id("call_") : std::string(id), string_at(*function, "name"),
                            arguments != nullptr ? json::serialize(*arguments) : "{}");
}

std::optional<Error> read_error(const json::object& document) {
    const auto message = string_at(document, "error");
    if (message.empty()) return std::nullopt;
    return provider_error(Code::kUnavailable, message, "upstream_error", "an error in mid-answer");
}

namespace {

Result<json::object> decode_chat(const UpstreamCall& call, const json::object& answer) {
    const auto* said = object_at(answer, "message");
    if (said == nullptr) return fail(nonsense("an answer without message"));
    json::array calls;
    if (const auto* list = array_at(*said, "tool_calls")) {
        if (list->size() > kMaxToolCalls) return fail(nonsense("more than 128 tool calls"));
        for (const auto& item : *list) {
            TRY_ASSIGN(auto made, read_call(item));
            calls.emplace_back(std::move(made));
        }
    }
    const auto finish = finish_reason(answer, !calls.empty());
    const auto text = string_at(*said, "content");
    json::object message;
    message["content"] = text.empty() && !calls.empty() ? json::value(nullptr) : json::value(text);
    message["refusal"] = nullptr;
    if (const auto thinking = string_at(*said, "thinking"); !thinking.empty()) message["reasoning_content"] = thinking;
    if (!calls.empty()) message["tool_calls"] = std::move(calls);
    return chat_answer({}, call.model, std::move(message), finish, read_usage(answer));
}

Result<json::object> decode_embedding(const UpstreamCall& call, const json::object& answer) {
    const auto* list = array_at(answer, "embeddings");
    if (list == nullptr) return fail(nonsense("an answer without embeddings"));
    std::vector<const json::array*> vectors;
    for (const auto& vector : *list) vectors.push_back(vector.if_array());
    return embedding_answer(call.request->object, call.model, vectors, count_at(answer, "prompt_eval_count"));
}

}  // namespace
}  // namespace ollama

Result<json::object> OllamaDialect::decode(const UpstreamCall& call, json::object answer) const {
    if (auto error = ollama::read_error(answer)) return fail(std::move(*error));
    if (call.operation == Operation::kEmbedding) return ollama::decode_embedding(call, answer);
    if (call.operation == Operation::kChat) return ollama::decode_chat(call, answer);
    return completion_answer({}, call.model, string_at(answer, "response"), ollama::finish_reason(answer, false),
                             ollama::read_usage(answer));
}

}  // namespace atrium::model
