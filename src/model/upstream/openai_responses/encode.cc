// OpenAI chat request → Responses request.
#include "model/upstream/internal/answer_writer.h"
#include "model/upstream/internal/foreign_thinking.h"
#include "model/upstream/openai_responses/responses_wire.h"

namespace atrium::model::responses {
namespace {

constexpr std::string_view kWho = "a Responses";

std::string data_url(const ChatMedia& media) {
    if (media.data.empty()) return std::string(media.url);
    std::string url = "data:" + media.type;
    url += ";base64,";
    url += media.data;
    return url;
}

Result<json::object> input_file(const ChatPart& part) {
    json::object out{{"type", "input_file"}};
    if (part.media.data.empty() && part.media.url.empty()) {
        out["file_id"] = part.file_id;
        return out;
    }
    if (part.media.data.empty()) {
        out["file_url"] = part.media.url;
        return out;
    }
    if (part.media.type.empty())
        return fail(cannot_say(part.path, kWho, "file_data without a media type or a telling filename"));
    out["filename"] = part.media.name.empty() ? std::string_view("document") : part.media.name;
    out["file_data"] = data_url(part.media);
    return out;
}

Result<json::object> input_part(const ChatPart& part) {
    switch (part.kind) {
        case ChatPart::Kind::kText:
        case ChatPart::Kind::kRefusal: return json::object{{"type", "input_text"}, {"text", part.text}};
        case ChatPart::Kind::kImage:
            return json::object{{"type", "input_image"},
                                {"image_url", data_url(part.media)},
                                {"detail", part.media.detail.empty() ? "auto" : part.media.detail}};
        case ChatPart::Kind::kFile: return input_file(part);
        case ChatPart::Kind::kAudio: break;
    }
    return fail(cannot_say(part.path, kWho, "audio"));
}

/// Text alone as a string, anything else as a list of parts.
Result<json::value> input_content(const ChatMessage& message) {
    if (message.parts.size() == 1 && message.parts[0].kind == ChatPart::Kind::kText)
        return json::value(message.parts[0].text);
    json::array content;
    for (const ChatPart& part : message.parts) {
        TRY_ASSIGN(auto item, input_part(part));
        content.emplace_back(std::move(item));
    }
    return json::value(std::move(content));
}

/// The reasoning that came out as a signed thinking block goes back as the item it was.
void append_reasoning(const json::array& blocks, json::array& input) {
    for (const auto& value : blocks) {
        const auto* block = value.if_object();
        if (block == nullptr || !is_foreign_thinking(*block)) continue;
        json::array summary;
        if (const auto text = string_at(*block, "thinking"); !text.empty())
            summary.emplace_back(json::object{{"type", "summary_text"}, {"text", text}});
        input.emplace_back(
            json::object{{"type", "reasoning"},
                         {"summary", std::move(summary)},
                         {"encrypted_content", string_at(*block, "signature").substr(kResponsesSignature.size())}});
    }
}

Result<> append_assistant(const ChatMessage& message, json::array& input) {
    if (message.thinking_blocks != nullptr) append_reasoning(*message.thinking_blocks, input);
    TRY_ASSIGN(const auto text, message.plain_text(kWho));
    if (!text.empty()) input.emplace_back(json::object{{"role", "assistant"}, {"content", text}});
    for (const ChatToolCall& call : message.tool_calls) {
        json::object item{
            {"type", call.custom ? "custom_tool_call" : "function_call"}, {"call_id", call.id}, {"name", call.name}};
        if (call.custom)
            item["input"] = call.input;
        else
            item["arguments"] = call.input.empty() ? std::string_view("{}") : call.input;
        input.emplace_back(std::move(item));
    }
    return {};
}

bool is_custom_call(const ChatRequest& request, std::string_view id) {
    for (const ChatMessage& message : request.messages) {
        for (const ChatToolCall& call : message.tool_calls) {
            if (call.id == id) return call.custom;
        }
    }
    return false;
}

Result<> append_message(const ChatRequest& request, const ChatMessage& message, json::array& input) {
    using Role = ChatMessage::Role;
    if (message.role == Role::kAssistant) return append_assistant(message, input);
    TRY_ASSIGN(auto content, input_content(message));
    if (message.role == Role::kTool) {
        const bool custom = is_custom_call(request, message.tool_call_id);
        if (content.is_array() && content.get_array().empty()) content = "";
        input.emplace_back(json::object{{"type", custom ? "custom_tool_call_output" : "function_call_output"},
                                        {"call_id", message.tool_call_id},
                                        {"output", std::move(content)}});
        return {};
    }
    const char* role = message.role == Role::kUser ? "user" : message.role == Role::kSystem ? "system" : "developer";
    input.emplace_back(json::object{{"role", role}, {"content", std::move(content)}});
    return {};
}

json::object encode_tool(const ChatTool& tool) {
    json::object out{{"type", tool.custom ? "custom" : "function"}, {"name", tool.name}};
    if (!tool.description.empty()) out["description"] = tool.description;
    if (!tool.custom) {
        out["parameters"] = tool.parameters != nullptr
                                ? *tool.parameters
                                : json::object{{"type", "object"}, {"properties", json::object()}};
        out["strict"] = tool.strict;  // the default is true there and false in chat completions
        return out;
    }
    if (const auto* format = object_at(*tool.definition, "format")) {
        const auto* grammar = object_at(*format, "grammar");
        json::object flat = grammar != nullptr ? *grammar : json::object();
        flat["type"] = string_at(*format, "type");
        out["format"] = std::move(flat);
    }
    return out;
}

json::value encode_tool_choice(const ChatRequest& request) {
    using Mode = ChatToolChoice::Mode;
    const auto& choice = request.tool_choice;
    switch (choice.mode) {
        case Mode::kNone: return "none";
        case Mode::kRequired: return "required";
        case Mode::kNamed: return json::object{{"type", choice.custom ? "custom" : "function"}, {"name", choice.name}};
        default: return "auto";
    }
}

void add_tools(const ChatRequest& request, json::object& body) {
    if (request.tools.empty()) return;
    json::array tools;
    for (const ChatTool& tool : request.tools) tools.emplace_back(encode_tool(tool));
    body["tools"] = std::move(tools);
    if (request.tool_choice.mode != ChatToolChoice::Mode::kUnset) body["tool_choice"] = encode_tool_choice(request);
    if (request.parallel_tool_calls) body["parallel_tool_calls"] = *request.parallel_tool_calls;
}

void add_text(const ChatRequest& request, json::object& body) {
    json::object text;
    const auto& format = request.format;
    if (format.kind == ChatFormat::Kind::kJsonObject) text["format"] = json::object{{"type", "json_object"}};
    if (format.kind == ChatFormat::Kind::kJsonSchema) {
        json::object schema{{"type", "json_schema"}, {"name", format.name}, {"schema", *format.schema}};
        if (!format.description.empty()) schema["description"] = format.description;
        if (format.strict) schema["strict"] = *format.strict;
        text["format"] = std::move(schema);
    }
    if (const auto* verbosity = request.find("verbosity")) text["verbosity"] = *verbosity;
    if (!text.empty()) body["text"] = std::move(text);
}

bool carries_reasoning(const ChatRequest& request) {
    for (const ChatMessage& message : request.messages) {
        if (message.thinking_blocks == nullptr) continue;
        for (const auto& block : *message.thinking_blocks) {
            if (const auto* object = block.if_object(); object != nullptr && is_foreign_thinking(*object)) return true;
        }
    }
    return false;
}

void add_reasoning(const ChatRequest& request, json::object& body) {
    json::object reasoning;
    if (const auto* asked = object_at(*request.body, "reasoning")) reasoning = *asked;
    if (!request.reasoning_effort.empty()) reasoning["effort"] = request.reasoning_effort;
    const bool thinks = !reasoning.empty() && request.reasoning_effort != "none";
    if (!reasoning.empty()) body["reasoning"] = std::move(reasoning);
    const auto* store = body.if_contains("store");
    // Models without reasoning refuse the word, so it is said only when reasoning is in play.
    if ((thinks || carries_reasoning(request)) && store != nullptr && *store == json::value(false))
        body["include"] = json::array{"reasoning.encrypted_content"};
}

}  // namespace

Result<json::object> encode_chat(const ChatRequest& request, const UpstreamCall& call) {
    TRY(refuse_untranslatable(request, kWho));
    if (!request.stop.empty()) return fail(cannot_say("stop", kWho, "stop sequences"));
    json::object body{{"model", call.model}};
    json::array input;
    for (const ChatMessage& message : request.messages) TRY(append_message(request, message, input));
    body["input"] = std::move(input);
    // Nothing is kept at the provider unless the caller says so; chat completions have the same default.
    body["store"] = is_true(*request.body, "store");
    if (request.max_tokens) body["max_output_tokens"] = *request.max_tokens;
    copy_members(*request.body, body,
                 {{"temperature", "temperature"},
                  {"top_p", "top_p"},
                  {"metadata", "metadata"},
                  {"user", "user"},
                  {"safety_identifier", "safety_identifier"},
                  {"service_tier", "service_tier"},
                  {"prompt_cache_key", "prompt_cache_key"},
                  {"prompt_cache_options", "prompt_cache_options"},
                  {"prompt_cache_retention", "prompt_cache_retention"}});
    add_tools(request, body);
    add_text(request, body);
    add_reasoning(request, body);
    if (call.stream) body["stream"] = true;
    return body;
}

}  // namespace atrium::model::responses
