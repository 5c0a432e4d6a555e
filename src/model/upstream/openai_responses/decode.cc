// Responses answer → OpenAI chat completion; errors and usage.
#include <array>

#include "model/upstream/internal/answer_writer.h"
#include "model/upstream/internal/foreign_thinking.h"
#include "model/upstream/openai_responses/responses_dialect.h"
#include "model/upstream/openai_responses/responses_wire.h"

namespace atrium::model {
namespace responses {

TokenUsage read_usage(const json::object& usage) {
    TokenUsage total;
    total.prompt_tokens = count_at(usage, "input_tokens");
    total.completion_tokens = count_at(usage, "output_tokens");
    if (const auto* details = object_at(usage, "input_tokens_details")) {
        total.cached_tokens = count_at(*details, "cached_tokens");
        total.cache_write_tokens = count_at(*details, "cache_write_tokens");
    }
    if (const auto* details = object_at(usage, "output_tokens_details"))
        total.reasoning_tokens = count_at(*details, "reasoning_tokens");
    return total;
}

Error read_error(const json::object& error) {
    static constexpr std::array<std::pair<std::string_view, Code>, 5> kCodes{
        {{"rate_limit_exceeded", Code::kResourceExhausted},
         {"insufficient_quota", Code::kResourceExhausted},
         {"server_error", Code::kUnavailable},
         {"vector_store_timeout", Code::kDeadlineExceeded},
         {"internal_error", Code::kUnavailable}}};
    const auto code = string_at(error, "code");
    const auto message = string_at(error, "message");
    if (code.empty()) return provider_error(Code::kUnavailable, message, "server_error", "an error without code");
    for (const auto& [word, meaning] : kCodes) {
        if (word == code) return provider_error(meaning, message, code, code);
    }
    // The others name what is wrong with the request: invalid_prompt, image_too_large, context_length_exceeded, …
    return provider_error(Code::kInvalidArgument, message, code, code);
}

std::string_view finish_reason(const json::object& response, bool tools) {
    if (const auto* details = object_at(response, "incomplete_details")) {
        const auto reason = string_at(*details, "reason");
        if (reason == "content_filter") return "content_filter";
        if (!reason.empty()) return "length";
    }
    if (string_at(response, "status") == "incomplete") return "length";
    return tools ? "tool_calls" : "stop";
}

std::string reasoning_text(const json::object& item) {
    std::string all;
    for (const auto* key : {"summary", "content"}) {
        const auto* parts = array_at(item, key);
        if (parts == nullptr) continue;
        for (const auto& part : *parts) {
            const auto* object = part.if_object();
            if (object == nullptr) continue;
            if (!all.empty()) all += "\n\n";
            all += string_at(*object, "text");
        }
        if (!all.empty()) break;
    }
    return all;
}

std::optional<json::object> thinking_block(const json::object& item) {
    const auto encrypted = string_at(item, "encrypted_content");
    if (encrypted.empty()) return std::nullopt;
    std::string signature(kResponsesSignature);
    signature += encrypted;
    return json::object{{"type", "thinking"}, {"thinking", reasoning_text(item)}, {"signature", signature}};
}

json::array read_annotations(const json::array& annotations) {
    json::array out;
    for (const auto& value : annotations) {
        const auto* object = value.if_object();
        if (object == nullptr || string_at(*object, "type") != "url_citation") continue;
        json::object citation;
        copy_members(*object, citation,
                     {{"start_index", "start_index"}, {"end_index", "end_index"}, {"url", "url"}, {"title", "title"}});
        out.emplace_back(json::object{{"type", "url_citation"}, {"url_citation", std::move(citation)}});
    }
    return out;
}

json::object read_call(const json::object& item, std::string_view input) {
    // An item has two ids; call_id is the one its output refers to.
    auto id = string_at(item, "call_id");
    if (id.empty()) id = string_at(item, "id");
    const auto name = string_at(item, "name");
    if (string_at(item, "type") != "custom_tool_call") return tool_call_object(id, name, input);
    return {{"id", id}, {"type", "custom"}, {"custom", {{"name", name}, {"input", input}}}};
}

namespace {

struct Output {
    std::string text;
    std::string refusal;
    std::string reasoning;
    json::array thinking_blocks;
    json::array tool_calls;
    json::array annotations;
};

void read_message(const json::object& item, Output& output) {
    const auto* content = array_at(item, "content");
    if (content == nullptr) return;
    for (const auto& value : *content) {
        const auto* part = value.if_object();
        if (part == nullptr) continue;
        const auto type = string_at(*part, "type");
        if (type == "refusal") output.refusal += string_at(*part, "refusal");
        if (type != "output_text") continue;
        output.text += string_at(*part, "text");
        if (const auto* annotations = array_at(*part, "annotations")) {
            for (auto& citation : read_annotations(*annotations)) output.annotations.push_back(std::move(citation));
        }
    }
}

Result<> read_item(const json::object& item, Output& output) {
    const auto type = string_at(item, "type");
    if (type == "message") {
        read_message(item, output);
    } else if (type == "reasoning") {
        output.reasoning += reasoning_text(item);
        if (auto block = thinking_block(item)) output.thinking_blocks.emplace_back(std::move(*block));
    } else if (type == "function_call" || type == "custom_tool_call") {
        if (output.tool_calls.size() >= kMaxToolCalls) return fail(nonsense("more than 128 tool calls"));
        output.tool_calls.emplace_back(
            read_call(item, string_at(item, type == "function_call" ? "arguments" : "input")));
    }
    // Calls of tools that run at the provider have no counterpart; their outcome is in the message.
    return {};
}

json::object to_message(Output output) {
    json::object message;
    message["content"] = output.text.empty() && (!output.tool_calls.empty() || !output.refusal.empty())
                             ? json::value(nullptr)
                             : json::value(output.text);
    message["refusal"] = output.refusal.empty() ? json::value(nullptr) : json::value(output.refusal);
    if (!output.reasoning.empty()) message["reasoning_content"] = output.reasoning;
    if (!output.thinking_blocks.empty()) message["thinking_blocks"] = std::move(output.thinking_blocks);
    if (!output.tool_calls.empty()) message["tool_calls"] = std::move(output.tool_calls);
    if (!output.annotations.empty()) message["annotations"] = std::move(output.annotations);
    return message;
}

}  // namespace
}  // namespace responses

Result<json::object> ResponsesDialect::decode(const UpstreamCall& call, json::object answer) const {
    if (call.operation != Operation::kChat) return answer;
    const auto status = string_at(answer, "status");
    if (const auto* error = object_at(answer, "error")) return fail(responses::read_error(*error));
    if (status == "failed" || status == "cancelled")
        return fail(provider_error(Code::kUnavailable, {}, "server_error", status));
    const auto* items = array_at(answer, "output");
    if (items == nullptr) return fail(nonsense("a response without output"));
    responses::Output output;
    for (const auto& item : *items) {
        if (const auto* object = item.if_object()) TRY(responses::read_item(*object, output));
    }
    std::optional<TokenUsage> usage;
    if (const auto* reported = object_at(answer, "usage")) usage = responses::read_usage(*reported);
    const auto finish = responses::finish_reason(answer, !output.tool_calls.empty());
    const auto model = string_at(answer, "model");
    return chat_answer(string_at(answer, "id"), model.empty() ? std::string_view(call.model) : model,
                       responses::to_message(std::move(output)), finish, usage);
}

}  // namespace atrium::model
