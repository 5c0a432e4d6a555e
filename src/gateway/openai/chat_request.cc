#include <algorithm>
#include <array>
#include <set>

#include "gateway/openai/requests.h"
#include "gateway/openai/sampling.h"

namespace atrium::gateway {
namespace {

constexpr std::size_t kMaxTools = 128;
constexpr std::size_t kMaxMetadata = 16;

std::string at(std::string_view list, std::size_t index) {
    return fmt::format("{}[{}]", list, index);
}

/// Names of functions and schemas: 1–64 of a-z, A-Z, 0-9, _ and -.
Result<> check_identifier(const json::Reader& object, std::string_view key) {
    TRY_ASSIGN(const auto name, object.required_string(key));
    const bool fits =
        !name.empty() && name.size() <= 64 &&
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
    if (!fits) return refuse(object.name(key), "must be 1 to 64 letters, digits, '_' or '-'");
    return {};
}

/// One part of a message's content. Sets `only_text` to false for images and the like.
Result<> check_part(const json::value& value, const std::string& path, std::string_view role, bool& only_text) {
    if (!value.is_object()) return refuse(path, "must be an object");
    const json::Reader part(value.get_object(), path);
    TRY_ASSIGN(const auto type, part.required_string("type"));
    if (type == "text") {
        TRY(part.required_string("text"));
        return {};
    }
    if (type == "refusal" && role == "assistant") {
        TRY(part.required_string("refusal"));
        return {};
    }
    static constexpr std::array<std::string_view, 4> kOther{"image_url", "input_audio", "file", "video_url"};
    if (role == "user" && std::find(kOther.begin(), kOther.end(), type) != kOther.end()) {
        only_text = false;
        return {};
    }
    return refuse(part.name("type"),
                  fmt::format("'{}' is not known in a message of role '{}'; use 'text'", type.substr(0, 40), role));
}

Result<> check_content(const json::Reader& message, std::string_view role, bool optional, bool& only_text) {
    if (!message.has("content")) {
        if (optional) return {};
        return refuse(message.name("content"), "is required and must be a string or an array of parts");
    }
    const auto& content = *message.find("content");
    if (content.is_string()) return {};
    if (!content.is_array()) return refuse(message.name("content"), "must be a string or an array of parts");
    const auto& parts = content.get_array();
    if (parts.empty()) return refuse(message.name("content"), "must have at least one part");
    for (std::size_t i = 0; i < parts.size(); ++i)
        TRY(check_part(parts[i], at(message.name("content"), i), role, only_text));
    return {};
}

Result<> check_tool_calls(const json::array& calls, const std::string& path) {
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (!calls[i].is_object()) return refuse(at(path, i), "must be an object");
        const json::Reader call(calls[i].get_object(), at(path, i));
        TRY(call.required_string("id"));
        TRY_ASSIGN(const auto type, call.required_string("type"));
        if (type != "function") continue;
        TRY_ASSIGN(const auto* function, call.required_object("function"));
        const json::Reader named(*function, call.name("function"));
        TRY(named.required_string("name"));
        TRY(named.required_string("arguments"));
    }
    return {};
}

Result<> check_message(const json::value& value, const std::string& path, bool& only_text) {
    if (!value.is_object()) return refuse(path, "must be an object");
    const json::Reader message(value.get_object(), path);
    TRY_ASSIGN(const auto role, message.required_string("role"));
    TRY(check_word(message, "role", {"system", "developer", "user", "assistant", "tool", "function"}));
    TRY(message.optional_string("name"));
    if (role == "tool") TRY(message.required_string("tool_call_id"));
    if (role == "function") TRY(message.required_string("name"));
    TRY_ASSIGN(const auto* calls, message.optional_array("tool_calls"));
    if (calls != nullptr) {
        if (role != "assistant")
            return refuse(message.name("tool_calls"), "is only allowed in a message of role 'assistant'");
        TRY(check_tool_calls(*calls, message.name("tool_calls")));
    }
    const bool optional =
        role == "function" || (role == "assistant" && (calls != nullptr || message.has("function_call") ||
                                                       message.has("refusal") || message.has("audio")));
    return check_content(message, role, optional, only_text);
}

Result<> check_messages(const json::Reader& body, bool& only_text) {
    TRY_ASSIGN(const auto* messages, body.required_array("messages"));
    if (messages->empty()) return refuse("messages", "must have at least one message");
    for (std::size_t i = 0; i < messages->size(); ++i) TRY(check_message((*messages)[i], at("messages", i), only_text));
    return {};
}

Result<> check_response_format(const json::Reader& body) {
    TRY_ASSIGN(const auto* format, body.optional_object("response_format"));
    if (format == nullptr) return {};
    const json::Reader reader(*format, "response_format");
    TRY_ASSIGN(const auto type, reader.required_string("type"));
    TRY(check_word(reader, "type", {"text", "json_object", "json_schema"}));
    if (type != "json_schema") return {};
    TRY_ASSIGN(const auto* wrapper, reader.required_object("json_schema"));
    const json::Reader schema(*wrapper, "response_format.json_schema");
    TRY(check_identifier(schema, "name"));
    TRY(schema.required_object("schema"));
    TRY(schema.optional_string("description"));
    TRY(schema.optional_bool("strict"));
    return {};
}

/// Returns the names of the tools, for tool_choice.
Result<std::set<std::string>> check_tools(const json::Reader& body) {
    std::set<std::string> names;
    TRY_ASSIGN(const auto* tools, body.optional_array("tools"));
    if (tools == nullptr) return names;
    if (tools->empty() || tools->size() > kMaxTools)
        return refuse("tools", fmt::format("must have 1 to {} entries", kMaxTools));
    for (std::size_t i = 0; i < tools->size(); ++i) {
        const auto path = at("tools", i);
        if (!(*tools)[i].is_object()) return refuse(path, "must be an object");
        const json::Reader tool((*tools)[i].get_object(), path);
        TRY_ASSIGN(const auto type, tool.required_string("type"));
        TRY(check_word(tool, "type", {"function", "custom"}));
        TRY_ASSIGN(const auto* definition, tool.required_object(type));
        const json::Reader function(*definition, tool.name(type));
        TRY(check_identifier(function, "name"));
        TRY(function.optional_string("description"));
        TRY(function.optional_object("parameters"));
        TRY(function.optional_bool("strict"));
        if (!names.emplace(json::string_or(*definition, "name")).second)
            return refuse(function.name("name"), "is given twice");
    }
    return names;
}

Result<> check_tool_choice(const json::Reader& body, const std::set<std::string>& tools) {
    if (!body.has("tool_choice")) return {};
    const auto& choice = *body.find("tool_choice");
    if (choice.is_string()) {
        TRY(check_word(body, "tool_choice", {"none", "auto", "required"}));
        if (choice.get_string() == "required" && tools.empty()) return refuse("tool_choice", "needs 'tools'");
        return {};
    }
    if (!choice.is_object()) return refuse("tool_choice", "must be 'none', 'auto', 'required' or an object");
    const json::Reader reader(choice.get_object(), "tool_choice");
    TRY_ASSIGN(const auto type, reader.required_string("type"));
    if (type != "function" && type != "custom") return {};
    TRY_ASSIGN(const auto* named, reader.required_object(type));
    TRY_ASSIGN(const auto name, json::Reader(*named, reader.name(type)).required_string("name"));
    if (!tools.contains(name)) return refuse(reader.name(type) + ".name", "is not among 'tools'");
    return {};
}

Result<> check_metadata(const json::Reader& body) {
    TRY_ASSIGN(const auto* metadata, body.optional_object("metadata"));
    if (metadata == nullptr) return {};
    if (metadata->size() > kMaxMetadata)
        return refuse("metadata", fmt::format("must have at most {} entries", kMaxMetadata));
    for (const auto& [key, value] : *metadata) {
        if (key.size() > 64 || !value.is_string() || value.get_string().size() > 512) {
            return refuse("metadata", "must map keys of up to 64 bytes to strings of up to 512 bytes");
        }
    }
    return {};
}

Result<> check_logprobs(const json::Reader& body) {
    TRY_ASSIGN(const auto logprobs, body.optional_bool("logprobs"));
    TRY_ASSIGN(const auto top, body.optional_int("top_logprobs", 0, 20));
    if (top && !logprobs.value_or(false)) return refuse("top_logprobs", "is only allowed when 'logprobs' is true");
    return {};
}

}  // namespace

Result<ModelRequest> validate_chat(const json::object& object) {
    const json::Reader body(object);
    ModelRequest request;
    TRY_ASSIGN(request.model, check_model(body));
    TRY(check_messages(body, request.only_text));
    TRY_ASSIGN(request.stream, check_sampling(body));
    TRY(body.optional_int("max_tokens", 1, kMaxTokenLimit));
    TRY(body.optional_int("max_completion_tokens", 1, kMaxTokenLimit));
    TRY(check_logprobs(body));
    TRY(check_response_format(body));
    TRY_ASSIGN(const auto tools, check_tools(body));
    TRY(check_tool_choice(body, tools));
    TRY(body.optional_bool("parallel_tool_calls"));
    TRY(check_word(body, "reasoning_effort", {"none", "minimal", "low", "medium", "high", "xhigh", "max"}));
    TRY(check_word(body, "verbosity", {"low", "medium", "high"}));
    TRY(check_metadata(body));
    TRY(body.optional_bool("store"));
    return request;
}

}  // namespace atrium::gateway
