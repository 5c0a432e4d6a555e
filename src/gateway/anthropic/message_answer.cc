#include "gateway/anthropic/message_answer.h"

#include <algorithm>

#include "base/id.h"

namespace atrium::gateway {
namespace {

std::int64_t count(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_int64() ? std::max<std::int64_t>(0, value->get_int64()) : 0;
}

std::int64_t detail(const json::object& usage, std::string_view details, std::string_view key) {
    const auto* object = usage.if_contains(details);
    return object != nullptr && object->is_object() ? count(object->get_object(), key) : 0;
}

Error unusable() {
    return unavailable("the model gave an answer that cannot be read, please retry")
        .with_reason("upstream_interrupted");
}

void add_thinking(const json::object& message, json::array& content) {
    if (const auto* blocks = message.if_contains("thinking_blocks"); blocks != nullptr && blocks->is_array()) {
        for (const auto& block : blocks->get_array()) content.push_back(block);
        return;
    }
    auto reasoning = json::string_or(message, "reasoning_content");
    if (reasoning.empty()) reasoning = json::string_or(message, "reasoning");
    if (reasoning.empty()) return;
    content.emplace_back(json::object{{"type", "thinking"}, {"thinking", reasoning}, {"signature", ""}});
}

/// Arguments are text that a model wrote; what is no object is shown as it is instead of being lost.
json::object arguments_of(std::string_view text) {
    if (text.empty()) return {};
    auto parsed = json::parse_object(text);
    if (parsed) return std::move(*parsed);
    return {{"unparsed_arguments", text}};
}

void add_calls(const json::object& message, json::array& content) {
    const auto* calls = message.if_contains("tool_calls");
    if (calls == nullptr || !calls->is_array()) return;
    for (const auto& value : calls->get_array()) {
        const auto* call = value.if_object();
        const auto* function = call != nullptr ? call->if_contains("function") : nullptr;
        if (function == nullptr || !function->is_object()) continue;
        std::string id(json::string_or(*call, "id"));
        if (id.empty()) id = new_id("toolu_");
        content.emplace_back(
            json::object{{"type", "tool_use"},
                         {"id", id},
                         {"name", json::string_or(function->get_object(), "name")},
                         {"input", arguments_of(json::string_or(function->get_object(), "arguments"))}});
    }
}

}  // namespace

json::object message_usage(const json::object& usage) {
    const auto cached = detail(usage, "prompt_tokens_details", "cached_tokens");
    const auto written = detail(usage, "prompt_tokens_details", "cache_write_tokens");
    return {{"input_tokens", std::max<std::int64_t>(0, count(usage, "prompt_tokens") - cached - written)},
            {"output_tokens", count(usage, "completion_tokens")},
            {"cache_creation_input_tokens", written},
            {"cache_read_input_tokens", cached}};
}

std::string_view message_stop_reason(std::string_view finish_reason) {
    if (finish_reason == "length") return "max_tokens";
    if (finish_reason == "tool_calls" || finish_reason == "function_call") return "tool_use";
    if (finish_reason == "content_filter") return "refusal";
    return "end_turn";
}

std::string_view matched_stop(const json::object& choice) {
    return json::string_or(choice, "finish_reason") == "stop" ? json::string_or(choice, "stop_reason") : "";
}

Result<json::object> message_from_completion(std::string_view completion) {
    TRY_ASSIGN(const auto body, json::parse_object(completion));
    const auto* choices = body.if_contains("choices");
    if (choices == nullptr || !choices->is_array() || choices->get_array().empty() ||
        !choices->get_array()[0].is_object())
        return fail(unusable());
    const auto& choice = choices->get_array()[0].get_object();
    const auto* value = choice.if_contains("message");
    if (value == nullptr || !value->is_object()) return fail(unusable());
    const auto& message = value->get_object();

    json::array content;
    add_thinking(message, content);
    auto text = json::string_or(message, "content");
    if (text.empty()) text = json::string_or(message, "refusal");
    if (!text.empty()) content.emplace_back(json::object{{"type", "text"}, {"text", text}});
    add_calls(message, content);

    const auto stop = matched_stop(choice);
    const auto* usage = body.if_contains("usage");
    return json::object{
        {"id", new_id("msg_")},
        {"type", "message"},
        {"role", "assistant"},
        {"model", json::string_or(body, "model")},
        {"content", std::move(content)},
        {"stop_reason", stop.empty() ? message_stop_reason(json::string_or(choice, "finish_reason")) : "stop_sequence"},
        {"stop_sequence", stop.empty() ? json::value(nullptr) : json::value(stop)},
        {"usage", message_usage(usage != nullptr && usage->is_object() ? usage->get_object() : json::object{})}};
}

}  // namespace atrium::gateway
