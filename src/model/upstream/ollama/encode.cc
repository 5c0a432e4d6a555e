// OpenAI requests → Ollama's.
#include <fmt/format.h>

#include "model/upstream/internal/embedding_answer.h"
#include "model/upstream/ollama/ollama_wire.h"

namespace atrium::model::ollama {
namespace {

constexpr std::string_view kWho = "an Ollama";

json::object sampling(const json::object& request, std::optional<std::int64_t> max_tokens,
                      const std::vector<std::string_view>& stop) {
    json::object options;
    copy_members(request, options,
                 {{"temperature", "temperature"},
                  {"top_p", "top_p"},
                  {"top_k", "top_k"},
                  {"min_p", "min_p"},
                  {"seed", "seed"},
                  {"presence_penalty", "presence_penalty"},
                  {"frequency_penalty", "frequency_penalty"},
                  {"repetition_penalty", "repeat_penalty"}});
    if (max_tokens) options["num_predict"] = *max_tokens;
    if (!stop.empty()) {
        json::array list;
        for (const auto text : stop) list.emplace_back(text);
        options["stop"] = std::move(list);
    }
    return options;
}

/// The name of the function that the call with this id was made of: Ollama matches results by name.
std::string_view function_of(const ChatRequest& request, std::string_view id) {
    for (const ChatMessage& message : request.messages) {
        for (const ChatToolCall& call : message.tool_calls) {
            if (call.id == id) return call.name;
        }
    }
    return {};
}

Result<> add_parts(const ChatMessage& message, json::object& out) {
    std::string text;
    json::array images;
    for (const ChatPart& part : message.parts) {
        const bool image = part.kind == ChatPart::Kind::kImage ||
                           (part.kind == ChatPart::Kind::kFile && part.media.type.starts_with("image/"));
        if (part.kind == ChatPart::Kind::kText || part.kind == ChatPart::Kind::kRefusal) {
            text += part.text;
        } else if (image && !part.media.data.empty()) {
            images.emplace_back(part.media.data);
        } else {
            return fail(cannot_say(part.path, kWho,
                                   image ? "images by URL; send them as data: URLs" : "anything but text and images"));
        }
    }
    out["content"] = text;
    if (!images.empty()) out["images"] = std::move(images);
    return {};
}

Result<json::object> encode_message(const ChatRequest& request, const ChatMessage& message) {
    using Role = ChatMessage::Role;
    json::object out;
    switch (message.role) {
        case Role::kSystem:
        case Role::kDeveloper: out["role"] = "system"; break;
        case Role::kUser: out["role"] = "user"; break;
        case Role::kAssistant: out["role"] = "assistant"; break;
        case Role::kTool: out["role"] = "tool"; break;
    }
    TRY(add_parts(message, out));
    if (message.role == Role::kTool) {
        out["tool_call_id"] = message.tool_call_id;
        if (const auto name = function_of(request, message.tool_call_id); !name.empty()) out["tool_name"] = name;
    }
    if (!message.reasoning.empty()) out["thinking"] = message.reasoning;
    json::array calls;
    for (const ChatToolCall& call : message.tool_calls) {
        if (call.custom) return fail(cannot_say(call.path, kWho, "custom tool calls"));
        calls.emplace_back(
            json::object{{"id", call.id}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    }
    if (!calls.empty()) out["tool_calls"] = std::move(calls);
    return out;
}

Result<> add_tools(const ChatRequest& request, json::object& body) {
    using Mode = ChatToolChoice::Mode;
    if (request.tools.empty() || request.tool_choice.mode == Mode::kNone) return {};
    if (request.tool_choice.mode == Mode::kRequired || request.tool_choice.mode == Mode::kNamed)
        return fail(cannot_say("tool_choice", kWho, "a compulsory tool call; use auto or none"));
    json::array tools;
    for (const ChatTool& tool : request.tools) {
        if (tool.custom) return fail(cannot_say(tool.path, kWho, "custom tools"));
        json::object function{{"name", tool.name}, {"description", tool.description}};
        function["parameters"] = tool.parameters != nullptr
                                     ? *tool.parameters
                                     : json::object{{"type", "object"}, {"properties", json::object()}};
        tools.emplace_back(json::object{{"type", "function"}, {"function", std::move(function)}});
    }
    body["tools"] = std::move(tools);
    return {};
}

void add_thinking(std::string_view effort, json::object& body) {
    if (effort.empty()) return;
    if (effort == "none")
        body["think"] = false;
    else if (effort == "minimal" || effort == "low")
        body["think"] = "low";
    else
        body["think"] = effort == "medium" ? "medium" : "high";
}

void add_format(const ChatFormat& format, json::object& body) {
    if (format.kind == ChatFormat::Kind::kJsonObject) body["format"] = "json";
    if (format.kind == ChatFormat::Kind::kJsonSchema) body["format"] = *format.schema;
}

}  // namespace

Result<json::object> encode_chat(const ChatRequest& request, const UpstreamCall& call) {
    TRY(refuse_untranslatable(request, kWho));
    json::object body{{"model", call.model}};
    json::array messages;
    for (const ChatMessage& message : request.messages) {
        TRY_ASSIGN(auto encoded, encode_message(request, message));
        messages.emplace_back(std::move(encoded));
    }
    body["messages"] = std::move(messages);
    body["stream"] = call.stream;  // true is the default there
    TRY(add_tools(request, body));
    add_thinking(request.reasoning_effort, body);
    add_format(request.format, body);
    if (auto options = sampling(*request.body, request.max_tokens, request.stop); !options.empty())
        body["options"] = std::move(options);
    copy_members(*request.body, body, {{"keep_alive", "keep_alive"}});
    return body;
}

Result<json::object> encode_completion(const json::object& request, const UpstreamCall& call) {
    TRY_ASSIGN(const auto completion, read_completion(request, kWho));
    json::object body{{"model", call.model}, {"prompt", completion.prompt}, {"stream", call.stream}};
    // Without a suffix the prompt goes in as it is; with one the model's own fill-in-the-middle template is needed.
    if (completion.suffix.empty())
        body["raw"] = true;
    else
        body["suffix"] = completion.suffix;
    if (auto options = sampling(request, completion.max_tokens, completion.stop); !options.empty())
        body["options"] = std::move(options);
    copy_members(request, body, {{"keep_alive", "keep_alive"}});
    return body;
}

Result<json::object> encode_embedding(const json::object& request, const UpstreamCall& call) {
    TRY(read_embedding_input(request, kWho));
    json::object body{{"model", call.model}, {"input", request.at("input")}};
    copy_members(request, body, {{"dimensions", "dimensions"}, {"keep_alive", "keep_alive"}});
    return body;
}

}  // namespace atrium::model::ollama
