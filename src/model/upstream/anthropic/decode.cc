// Anthropic Messages answer → OpenAI chat completion; errors and usage.
#include <array>

#include "model/upstream/anthropic/anthropic_dialect.h"
#include "model/upstream/anthropic/anthropic_wire.h"
#include "model/upstream/internal/answer_writer.h"

namespace atrium::model {
namespace anthropic {

void RawUsage::read(const json::object& usage) {
    // Reports are cumulative; a later one may leave out what has not changed.
    const auto update = [&](std::string_view key, std::int64_t& count) {
        if (present(usage, key) != nullptr) count = count_at(usage, key);
    };
    update("input_tokens", input);
    update("cache_read_input_tokens", cache_read);
    update("cache_creation_input_tokens", cache_write);
    update("output_tokens", output);
    if (const auto* details = object_at(usage, "output_tokens_details"))
        thinking = std::max(thinking, count_at(*details, "thinking_tokens"));
}

TokenUsage RawUsage::total() const {
    return {.prompt_tokens = input + cache_read + cache_write,
            .completion_tokens = output,
            .cached_tokens = cache_read,
            .cache_write_tokens = cache_write,
            .reasoning_tokens = thinking};
}

std::string_view finish_reason(std::string_view stop_reason) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kReasons{
        {{"end_turn", "stop"},
         {"stop_sequence", "stop"},
         {"pause_turn", "stop"},
         {"tool_use", "tool_calls"},
         {"max_tokens", "length"},
         {"model_context_window_exceeded", "length"},
         {"refusal", "content_filter"}}};
    for (const auto& [theirs, ours] : kReasons) {
        if (theirs == stop_reason) return ours;
    }
    return "stop";
}

Error read_error(const json::object& error) {
    static constexpr std::array<std::pair<std::string_view, Code>, 10> kTypes{
        {{"invalid_request_error", Code::kInvalidArgument},
         {"authentication_error", Code::kUnavailable},
         {"permission_error", Code::kUnavailable},
         {"billing_error", Code::kUnavailable},
         {"not_found_error", Code::kNotFound},
         {"rate_limit_error", Code::kResourceExhausted},
         {"request_too_large", Code::kOutOfRange},
         {"timeout_error", Code::kDeadlineExceeded},
         {"overloaded_error", Code::kUnavailable},
         {"api_error", Code::kUnavailable}}};
    const auto type = string_at(error, "type");
    const auto message = string_at(error, "message");
    // The one text that tells a prompt beyond the window from other bad requests; callers fall back on the reason.
    const bool too_long = message.starts_with("prompt is too long");
    if (type == "authentication_error" || type == "permission_error" || type == "billing_error") {
        return provider_error(Code::kUnavailable,
                              "the upstream refuses this installation's credential; its operator has to correct it",
                              "upstream_credential", type);
    }
    for (const auto& [word, code] : kTypes) {
        if (word == type) return provider_error(code, message, too_long ? "context_length_exceeded" : type, type);
    }
    return provider_error(Code::kUnavailable, message, type, type);
}

namespace {

struct Content {
    std::string text;
    std::string reasoning;
    json::array thinking_blocks;
    json::array tool_calls;
};

Result<> read_block(const json::object& block, Content& content) {
    const auto type = string_at(block, "type");
    if (type == "text") {
        content.text += string_at(block, "text");
    } else if (type == "thinking") {
        content.reasoning += string_at(block, "thinking");
        content.thinking_blocks.emplace_back(block);
    } else if (type == "redacted_thinking") {
        content.thinking_blocks.emplace_back(block);
    } else if (type == "tool_use") {
        if (content.tool_calls.size() >= kMaxToolCalls) return fail(nonsense("more than 128 tool calls"));
        const auto* input = object_at(block, "input");
        content.tool_calls.emplace_back(tool_call_object(string_at(block, "id"), string_at(block, "name"),
                                                         input != nullptr ? json::serialize(*input) : "{}"));
    }
    // Blocks of server-side tools have no counterpart; their outcome is in the text.
    return {};
}

}  // namespace
}  // namespace anthropic

Result<json::object> AnthropicDialect::decode(const UpstreamCall& call, json::object answer) const {
    const auto* blocks = array_at(answer, "content");
    if (blocks == nullptr) return fail(nonsense("a message without content"));
    anthropic::Content content;
    for (const auto& block : *blocks) {
        if (const auto* object = block.if_object()) TRY(anthropic::read_block(*object, content));
    }
    const auto stop_reason = string_at(answer, "stop_reason");
    json::object message;
    message["content"] =
        content.text.empty() && !content.tool_calls.empty() ? json::value(nullptr) : json::value(content.text);
    message["refusal"] = nullptr;
    if (const auto* details = object_at(answer, "stop_details"); details != nullptr && stop_reason == "refusal") {
        if (const auto why = string_at(*details, "explanation"); !why.empty()) message["refusal"] = why;
    }
    if (!content.reasoning.empty()) message["reasoning_content"] = content.reasoning;
    if (!content.thinking_blocks.empty()) message["thinking_blocks"] = std::move(content.thinking_blocks);
    if (!content.tool_calls.empty()) message["tool_calls"] = std::move(content.tool_calls);
    std::optional<TokenUsage> usage;
    if (const auto* reported = object_at(answer, "usage")) {
        anthropic::RawUsage raw;
        raw.read(*reported);
        usage = raw.total();
    }
    const auto model = string_at(answer, "model");
    return chat_answer(string_at(answer, "id"), model.empty() ? std::string_view(call.model) : model,
                       std::move(message), anthropic::finish_reason(stop_reason), usage);
}

Error AnthropicDialect::decode_error(std::string_view upstream, int status, const http::Headers& /*headers*/,
                                     std::string_view body) const {
    const auto parsed = json::parse_object(body);
    const auto* error = parsed ? object_at(*parsed, "error") : nullptr;
    if (status == 401 || status == 403 || error == nullptr || string_at(*error, "type").empty())
        return error_from_upstream(upstream, status, body);
    return anthropic::read_error(*error);
}

}  // namespace atrium::model
