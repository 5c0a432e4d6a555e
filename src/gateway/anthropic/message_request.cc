#include "gateway/anthropic/message_request.h"

#include <fmt/format.h>

#include <set>

#include "gateway/anthropic/content_blocks.h"
#include "gateway/openai/sampling.h"

namespace atrium::gateway {
namespace {

constexpr std::size_t kMaxMessages = 100'000;
constexpr std::size_t kMaxTools = 128;
constexpr std::size_t kMaxStops = 16;

Result<> translate_messages(const json::Reader& body, MessageRequest& request) {
    ChatMessages chat;
    if (body.has("system")) TRY(chat.add_system(*body.find("system"), "system"));
    TRY_ASSIGN(const auto* messages, body.required_array("messages"));
    if (messages->empty()) return refuse("messages", "must have at least one message");
    if (messages->size() > kMaxMessages)
        return refuse("messages", fmt::format("must have at most {} entries", kMaxMessages));
    for (std::size_t i = 0; i < messages->size(); ++i) {
        const auto path = fmt::format("messages[{}]", i);
        if (!(*messages)[i].is_object()) return refuse(path, "must be an object");
        TRY(chat.add((*messages)[i].get_object(), path));
    }
    request.only_text = chat.only_text;
    request.chat["messages"] = std::move(chat.messages);
    return {};
}

Result<std::set<std::string>> translate_tools(const json::Reader& body, MessageRequest& request) {
    std::set<std::string> names;
    TRY_ASSIGN(const auto* tools, body.optional_array("tools"));
    if (tools == nullptr || tools->empty()) return names;
    if (tools->size() > kMaxTools) return refuse("tools", fmt::format("must have at most {} entries", kMaxTools));
    json::array made;
    for (std::size_t i = 0; i < tools->size(); ++i) {
        const auto path = fmt::format("tools[{}]", i);
        if (!(*tools)[i].is_object()) return refuse(path, "must be an object");
        const auto& object = (*tools)[i].get_object();
        const json::Reader tool(object, path);
        TRY_ASSIGN(const auto type, tool.optional_string("type"));
        if (type && *type != "custom") {
            return refuse(tool.name("type"),
                          fmt::format("'{}' is a tool of Anthropic's servers and not supported; only "
                                      "'custom' tools are",
                                      type->substr(0, 60)));
        }
        TRY_ASSIGN(const auto name, tool.required_string("name"));
        if (name.empty() || name.size() > 128) return refuse(tool.name("name"), "must be 1 to 128 bytes long");
        if (!names.insert(name).second) return refuse(tool.name("name"), "is given twice");
        TRY_ASSIGN(const auto description, tool.optional_string("description"));
        TRY_ASSIGN(const auto* schema, tool.required_object("input_schema"));
        TRY_ASSIGN(const auto strict, tool.optional_bool("strict"));
        json::object function{{"name", name}, {"parameters", *schema}};
        if (description) function["description"] = *description;
        if (strict) function["strict"] = *strict;
        json::object entry{{"type", "function"}, {"function", std::move(function)}};
        if (const auto* mark = tool.find("cache_control"); mark != nullptr && mark->is_object())
            entry["cache_control"] = *mark;
        made.emplace_back(std::move(entry));
    }
    request.chat["tools"] = std::move(made);
    return names;
}

Result<> translate_tool_choice(const json::Reader& body, const std::set<std::string>& tools, json::object& chat) {
    TRY_ASSIGN(const auto* object, body.optional_object("tool_choice"));
    if (object == nullptr) return {};
    const json::Reader choice(*object, "tool_choice");
    TRY_ASSIGN(const auto type, choice.required_string("type"));
    TRY(check_word(choice, "type", {"auto", "any", "tool", "none"}));
    TRY_ASSIGN(const auto alone, choice.optional_bool("disable_parallel_tool_use"));
    if ((type == "any" || type == "tool") && tools.empty()) return refuse("tool_choice", "needs 'tools'");
    if (tools.empty()) return {};
    if (type == "tool") {
        TRY_ASSIGN(const auto name, choice.required_string("name"));
        if (!tools.contains(name)) return refuse("tool_choice.name", "is not among 'tools'");
        chat["tool_choice"] = {{"type", "function"}, {"function", {{"name", name}}}};
    } else {
        chat["tool_choice"] = type == "any" ? "required" : type;
    }
    if (alone.value_or(false)) chat["parallel_tool_calls"] = false;
    return {};
}

/// Anthropic counts tokens of thought, OpenAI knows words for effort.
std::string_view effort_of(std::int64_t budget) {
    if (budget <= 2048) return "low";
    return budget <= 16'384 ? "medium" : "high";
}

Result<> translate_thinking(const json::Reader& body, json::object& chat) {
    TRY_ASSIGN(const auto* object, body.optional_object("thinking"));
    if (object != nullptr) {
        const json::Reader thinking(*object, "thinking");
        TRY_ASSIGN(const auto type, thinking.required_string("type"));
        TRY_ASSIGN(const auto budget, thinking.optional_int("budget_tokens", 1, kMaxTokenLimit));
        if (type == "enabled") {
            if (!budget) return refuse("thinking.budget_tokens", "is required when thinking is enabled");
            chat["reasoning_effort"] = effort_of(*budget);
        }
    }
    TRY_ASSIGN(const auto* output, body.optional_object("output_config"));
    if (output == nullptr) return {};
    const json::Reader config(*output, "output_config");
    TRY(check_word(config, "effort", {"low", "medium", "high", "xhigh", "max"}));
    if (config.has("effort")) chat["reasoning_effort"] = *config.find("effort");
    TRY_ASSIGN(const auto* format, config.optional_object("format"));
    if (format == nullptr) return {};
    const json::Reader reader(*format, config.name("format"));
    TRY(reader.required_string("type"));
    TRY(check_word(reader, "type", {"json_schema"}));
    TRY_ASSIGN(const auto* schema, reader.required_object("schema"));
    chat["response_format"] = {{"type", "json_schema"},
                               {"json_schema", {{"name", "answer"}, {"schema", *schema}, {"strict", true}}}};
    return {};
}

Result<> translate_sampling(const json::Reader& body, json::object& chat) {
    TRY_ASSIGN(const auto temperature, body.optional_number("temperature", 0, 2));
    TRY_ASSIGN(const auto top_p, body.optional_number("top_p", 0, 1));
    TRY_ASSIGN(const auto top_k, body.optional_int("top_k", 0, 1'000'000));
    if (temperature) chat["temperature"] = *temperature;
    if (top_p) chat["top_p"] = *top_p;
    if (top_k) chat["top_k"] = *top_k;
    TRY_ASSIGN(const auto* stops, body.optional_array("stop_sequences"));
    if (stops != nullptr && !stops->empty()) {
        if (stops->size() > kMaxStops)
            return refuse("stop_sequences", fmt::format("must have at most {} entries", kMaxStops));
        for (std::size_t i = 0; i < stops->size(); ++i) {
            if (!(*stops)[i].is_string() || (*stops)[i].get_string().empty())
                return refuse(fmt::format("stop_sequences[{}]", i), "must be a string that is not empty");
        }
        chat["stop"] = *stops;
    }
    TRY_ASSIGN(const auto* metadata, body.optional_object("metadata"));
    if (metadata != nullptr) {
        TRY_ASSIGN(const auto user, json::Reader(*metadata, "metadata").optional_string("user_id"));
        if (user) chat["user"] = *user;
    }
    TRY(body.optional_string("service_tier"));
    return {};
}

}  // namespace

Result<MessageRequest> translate_message_request(const json::object& object, bool count_only) {
    const json::Reader body(object);
    MessageRequest request;
    TRY_ASSIGN(request.model, check_model(body));
    request.chat["model"] = request.model;
    TRY_ASSIGN(const auto max_tokens, body.optional_int("max_tokens", 1, kMaxTokenLimit));
    if (!max_tokens && !count_only) return refuse("max_tokens", "is required and must be an integer from 1");
    if (max_tokens) request.chat["max_completion_tokens"] = *max_tokens;
    TRY_ASSIGN(const auto stream, body.optional_bool("stream"));
    request.stream = stream.value_or(false);
    TRY(translate_messages(body, request));
    TRY_ASSIGN(const auto tools, translate_tools(body, request));
    TRY(translate_tool_choice(body, tools, request.chat));
    TRY(translate_thinking(body, request.chat));
    TRY(translate_sampling(body, request.chat));
    if (request.stream) {
        request.chat["stream"] = true;
        request.chat["stream_options"] = {{"include_usage", true}};
    }
    return request;
}

}  // namespace atrium::gateway
