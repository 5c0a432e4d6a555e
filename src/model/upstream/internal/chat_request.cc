#include "model/upstream/internal/chat_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "model/upstream/internal/chat_parts.h"
#include "model/upstream/internal/json_access.h"

namespace atrium::model {
namespace {

constexpr std::size_t kMaxMessages = 100'000;
constexpr std::size_t kMaxTools = 1'024;
constexpr std::size_t kMaxCalls = 128;

Result<> read_content(const json::object& object, ChatMessage& message) {
    const auto* content = present(object, "content");
    if (content == nullptr) return {};
    if (content->is_string()) {
        ChatPart part;
        part.path = message.path + ".content";
        part.text = view(content->get_string());
        message.parts.push_back(std::move(part));
        return {};
    }
    const auto* list = content->if_array();
    if (list == nullptr) return fail(wrong(message.path + ".content", "must be a string or a list of parts"));
    for (std::size_t i = 0; i < list->size(); ++i) {
        TRY_ASSIGN(auto part, read_part((*list)[i], fmt::format("{}.content[{}]", message.path, i)));
        message.parts.push_back(std::move(part));
    }
    return {};
}

std::string_view google_signature(const json::object& object) {
    const auto* extra = object_at(object, "extra_content");
    const auto* google = extra != nullptr ? object_at(*extra, "google") : nullptr;
    return google != nullptr ? string_at(*google, "thought_signature") : std::string_view();
}

Result<ChatToolCall> read_tool_call(const json::value& value, std::string path) {
    const auto* object = value.if_object();
    if (object == nullptr) return fail(wrong(path, "must be an object"));
    ChatToolCall call;
    call.path = std::move(path);
    call.id = string_at(*object, "id");
    call.custom = string_at(*object, "type") == "custom";
    call.signature = google_signature(*object);
    const std::string kind = call.custom ? "custom" : "function";
    const auto* inner = object_at(*object, kind);
    if (inner == nullptr) return fail(wrong(fmt::format("{}.{}", call.path, kind), "must be an object"));
    call.name = string_at(*inner, "name");
    if (call.name.empty()) return fail(wrong(fmt::format("{}.{}.name", call.path, kind), "must be a string"));
    call.input = string_at(*inner, call.custom ? "input" : "arguments");
    // A call without arguments is written as "" by some clients and as "{}" by others.
    if (call.custom || text::trim(call.input).empty()) return call;
    auto parsed = json::parse_object(call.input);
    if (!parsed) return fail(wrong(call.path + ".function.arguments", "must be a JSON object in a string"));
    call.arguments = std::move(*parsed);
    return call;
}

Result<ChatMessage::Role> read_role(const json::object& object, const std::string& path) {
    using Role = ChatMessage::Role;
    static constexpr std::array<std::pair<std::string_view, Role>, 5> kRoles{{{"system", Role::kSystem},
                                                                              {"developer", Role::kDeveloper},
                                                                              {"user", Role::kUser},
                                                                              {"assistant", Role::kAssistant},
                                                                              {"tool", Role::kTool}}};
    const auto name = string_at(object, "role");
    for (const auto& [word, role] : kRoles) {
        if (word == name) return role;
    }
    return fail(wrong(path + ".role", "must be one of system, developer, user, assistant, tool"));
}

Result<> read_assistant(const json::object& object, ChatMessage& message) {
    message.reasoning = string_at(object, "reasoning_content");
    message.signature = google_signature(object);
    if (const auto* blocks = object.if_contains("thinking_blocks")) message.thinking_blocks = blocks->if_array();
    if (const auto refusal = string_at(object, "refusal"); !refusal.empty()) {
        ChatPart part;
        part.kind = ChatPart::Kind::kRefusal;
        part.path = message.path + ".refusal";
        part.text = refusal;
        message.parts.push_back(std::move(part));
    }
    if (present(object, "function_call") != nullptr)
        return fail(wrong(message.path + ".function_call", "is retired; write tool_calls"));
    const auto* calls = present(object, "tool_calls");
    if (calls == nullptr) return {};
    const std::string path = message.path + ".tool_calls";
    const auto* list = calls->if_array();
    if (list == nullptr) return fail(wrong(path, "must be a list"));
    if (list->size() > kMaxCalls) return fail(wrong(path, fmt::format("holds more than {} calls", kMaxCalls)));
    for (std::size_t i = 0; i < list->size(); ++i) {
        TRY_ASSIGN(auto call, read_tool_call((*list)[i], fmt::format("{}[{}]", path, i)));
        message.tool_calls.push_back(std::move(call));
    }
    return {};
}

Result<ChatMessage> read_message(const json::value& value, std::string path) {
    const auto* object = value.if_object();
    if (object == nullptr) return fail(wrong(path, "must be an object"));
    ChatMessage message;
    message.path = std::move(path);
    message.cache_control = present(*object, "cache_control");
    TRY_ASSIGN(message.role, read_role(*object, message.path));
    TRY(read_content(*object, message));
    if (message.role == ChatMessage::Role::kAssistant) TRY(read_assistant(*object, message));
    if (message.role == ChatMessage::Role::kTool) {
        message.tool_call_id = string_at(*object, "tool_call_id");
        message.is_error = is_true(*object, "is_error");
        if (message.tool_call_id.empty()) return fail(wrong(message.path + ".tool_call_id", "must be a string"));
    }
    return message;
}

Result<ChatTool> read_tool(const json::value& value, std::string path) {
    const auto* object = value.if_object();
    if (object == nullptr) return fail(wrong(path, "must be an object"));
    ChatTool tool;
    tool.path = std::move(path);
    tool.cache_control = present(*object, "cache_control");
    const auto type = string_at(*object, "type");
    if (type != "function" && type != "custom") return fail(wrong(tool.path + ".type", "must be function or custom"));
    tool.custom = type == "custom";
    tool.definition = object_at(*object, type);
    if (tool.definition == nullptr) return fail(wrong(fmt::format("{}.{}", tool.path, type), "must be an object"));
    tool.name = string_at(*tool.definition, "name");
    if (tool.name.empty()) return fail(wrong(fmt::format("{}.{}.name", tool.path, type), "must be a string"));
    tool.description = string_at(*tool.definition, "description");
    tool.parameters = object_at(*tool.definition, "parameters");
    tool.strict = is_true(*tool.definition, "strict");
    return tool;
}

Result<> read_allowed_tools(const json::object& object, ChatToolChoice& choice) {
    const auto* allowed = object_at(object, "allowed_tools");
    if (allowed == nullptr) return fail(wrong("tool_choice.allowed_tools", "must be an object"));
    choice.mode =
        string_at(*allowed, "mode") == "required" ? ChatToolChoice::Mode::kRequired : ChatToolChoice::Mode::kAuto;
    const auto* tools = allowed->if_contains("tools");
    if (tools == nullptr || !tools->is_array()) return fail(wrong("tool_choice.allowed_tools.tools", "must be a list"));
    for (const auto& item : tools->get_array()) {
        const auto* tool = item.if_object();
        const auto* inner = tool != nullptr ? object_at(*tool, string_at(*tool, "type")) : nullptr;
        if (inner == nullptr || string_at(*inner, "name").empty())
            return fail(wrong("tool_choice.allowed_tools.tools", "must name functions"));
        choice.allowed.push_back(string_at(*inner, "name"));
    }
    return {};
}

Result<ChatToolChoice> read_tool_choice(const json::value* value) {
    using Mode = ChatToolChoice::Mode;
    ChatToolChoice choice;
    if (value == nullptr) return choice;
    if (value->is_string()) {
        const auto word = view(value->get_string());
        if (word == "none")
            choice.mode = Mode::kNone;
        else if (word == "auto")
            choice.mode = Mode::kAuto;
        else if (word == "required")
            choice.mode = Mode::kRequired;
        else
            return fail(wrong("tool_choice", "must be none, auto, required or an object"));
        return choice;
    }
    const auto* object = value->if_object();
    if (object == nullptr) return fail(wrong("tool_choice", "must be none, auto, required or an object"));
    const auto type = string_at(*object, "type");
    if (type == "allowed_tools") {
        TRY(read_allowed_tools(*object, choice));
        return choice;
    }
    const auto* inner = type == "function" || type == "custom" ? object_at(*object, type) : nullptr;
    if (inner == nullptr || string_at(*inner, "name").empty())
        return fail(wrong("tool_choice", "must name a function"));
    choice.mode = Mode::kNamed;
    choice.custom = type == "custom";
    choice.name = string_at(*inner, "name");
    return choice;
}

Result<ChatFormat> read_format(const json::object& body) {
    ChatFormat format;
    const auto* object = object_at(body, "response_format");
    if (object == nullptr) return format;
    const auto type = string_at(*object, "type");
    if (type == "json_object") format.kind = ChatFormat::Kind::kJsonObject;
    if (type != "json_schema") return format;
    format.kind = ChatFormat::Kind::kJsonSchema;
    const auto* schema = object_at(*object, "json_schema");
    if (schema == nullptr) return fail(wrong("response_format.json_schema", "must be an object"));
    format.name = string_at(*schema, "name");
    format.description = string_at(*schema, "description");
    format.schema = object_at(*schema, "schema");
    if (const auto* strict = schema->if_contains("strict"); strict != nullptr && strict->is_bool())
        format.strict = strict->get_bool();
    if (format.schema == nullptr) return fail(wrong("response_format.json_schema.schema", "must be an object"));
    return format;
}

Result<std::vector<std::string_view>> read_stop(const json::value* value) {
    std::vector<std::string_view> stop;
    if (value == nullptr) return stop;
    if (value->is_string()) return std::vector{view(value->get_string())};
    const auto* list = value->if_array();
    if (list == nullptr) return fail(wrong("stop", "must be a string or a list of strings"));
    for (const auto& item : *list) {
        if (!item.is_string()) return fail(wrong("stop", "must be a string or a list of strings"));
        stop.push_back(view(item.get_string()));
    }
    return stop;
}

Result<> read_tools(const json::object& body, ChatRequest& request) {
    TRY_ASSIGN(request.tool_choice, read_tool_choice(present(body, "tool_choice")));
    const auto* tools = present(body, "tools");
    if (tools == nullptr) return {};
    const auto* list = tools->if_array();
    if (list == nullptr) return fail(wrong("tools", "must be a list"));
    if (list->size() > kMaxTools) return fail(wrong("tools", fmt::format("holds more than {} tools", kMaxTools)));
    for (std::size_t i = 0; i < list->size(); ++i) {
        TRY_ASSIGN(auto tool, read_tool((*list)[i], fmt::format("tools[{}]", i)));
        const auto& allowed = request.tool_choice.allowed;
        if (allowed.empty() || std::ranges::find(allowed, tool.name) != allowed.end())
            request.tools.push_back(std::move(tool));
    }
    return {};
}

Result<std::optional<std::int64_t>> read_max_tokens(const json::object& body) {
    const json::Reader reader(body);
    for (const auto* key : {"max_completion_tokens", "max_tokens"}) {
        TRY_ASSIGN(const auto limit, reader.optional_int(key, 1, 1'000'000'000));
        if (limit) return limit;
    }
    return std::optional<std::int64_t>();
}

}  // namespace

const json::value* ChatRequest::find(std::string_view key) const {
    return present(*body, key);
}

Result<std::string> ChatMessage::plain_text(std::string_view who) const {
    std::string all;
    for (const ChatPart& part : parts) {
        if (part.kind != ChatPart::Kind::kText && part.kind != ChatPart::Kind::kRefusal)
            return fail(cannot_say(part.path, who, "anything but text here"));
        all += part.text;
    }
    return all;
}

Result<ChatRequest> read_chat(const json::object& body) {
    ChatRequest request;
    request.body = &body;
    const auto* messages = present(body, "messages");
    if (messages == nullptr || !messages->is_array()) return fail(wrong("messages", "must be a list"));
    const auto& list = messages->get_array();
    if (list.size() > kMaxMessages)
        return fail(wrong("messages", fmt::format("holds more than {} messages", kMaxMessages)));
    request.messages.reserve(list.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
        TRY_ASSIGN(auto message, read_message(list[i], fmt::format("messages[{}]", i)));
        request.messages.push_back(std::move(message));
    }
    TRY(read_tools(body, request));
    TRY_ASSIGN(request.format, read_format(body));
    TRY_ASSIGN(request.stop, read_stop(present(body, "stop")));
    TRY_ASSIGN(request.max_tokens, read_max_tokens(body));
    TRY_ASSIGN(request.parallel_tool_calls, json::Reader(body).optional_bool("parallel_tool_calls"));
    request.reasoning_effort = string_at(body, "reasoning_effort");
    return request;
}

Result<> refuse_untranslatable(const ChatRequest& request, std::string_view who,
                               std::initializer_list<std::string_view> allowed) {
    const auto refused = [&](std::string_view key, bool asked) -> Result<> {
        if (!asked || std::ranges::find(allowed, key) != allowed.end()) return {};
        return fail(
            invalid_argument(fmt::format("{} cannot be sent to {} upstream", key, who)).with_field(std::string(key)));
    };
    const auto* n = request.find("n");
    TRY(refused("n", n != nullptr && !(n->is_int64() && n->get_int64() == 1)));
    TRY(refused("logprobs", is_true(*request.body, "logprobs")));
    const auto* bias = object_at(*request.body, "logit_bias");
    TRY(refused("logit_bias", bias != nullptr && !bias->empty()));
    TRY(refused("audio", request.find("audio") != nullptr));
    TRY(refused("web_search_options", request.find("web_search_options") != nullptr));
    TRY(refused("functions", request.find("functions") != nullptr));
    return {};
}

Result<CompletionRequest> read_completion(const json::object& body, std::string_view who) {
    CompletionRequest request;
    const auto* prompt = present(body, "prompt");
    if (const auto* list = prompt != nullptr ? prompt->if_array() : nullptr; list != nullptr && list->size() == 1)
        prompt = &list->front();
    if (prompt == nullptr || !prompt->is_string()) return fail(cannot_say("prompt", who, "anything but one text"));
    request.prompt = view(prompt->get_string());
    request.suffix = string_at(body, "suffix");
    for (const auto* key : {"n", "best_of"}) {
        const auto* count = present(body, key);
        if (count != nullptr && *count != json::value(1)) return fail(cannot_say(key, who, "more than one answer"));
    }
    if (is_true(body, "echo")) return fail(cannot_say("echo", who, "this"));
    if (const auto* logprobs = present(body, "logprobs"); logprobs != nullptr && *logprobs != json::value(0))
        return fail(cannot_say("logprobs", who, "this"));
    const auto* bias = object_at(body, "logit_bias");
    if (bias != nullptr && !bias->empty()) return fail(cannot_say("logit_bias", who, "this"));
    TRY_ASSIGN(request.stop, read_stop(present(body, "stop")));
    TRY_ASSIGN(request.max_tokens, read_max_tokens(body));
    return request;
}

Error cannot_say(std::string_view path, std::string_view who, std::string_view what) {
    return invalid_argument(fmt::format("{}: {} upstream does not take {}", path, who, what))
        .with_field(std::string(path));
}

std::optional<double> number_of(const json::value* value) {
    if (value == nullptr || !value->is_number()) return std::nullopt;
    return value->to_number<double>();
}

void copy_members(const json::object& from, json::object& to,
                  std::initializer_list<std::pair<std::string_view, std::string_view>> names) {
    for (const auto& [key, renamed] : names) {
        if (const auto* value = present(from, key)) to[renamed] = *value;
    }
}

}  // namespace atrium::model
