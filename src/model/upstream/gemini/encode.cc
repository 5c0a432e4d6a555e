// OpenAI chat and embedding requests → Gemini's.
#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "model/upstream/gemini/gemini_wire.h"
#include "model/upstream/internal/embedding_answer.h"

namespace atrium::model::gemini {
namespace {

constexpr std::string_view kWho = "a Gemini";
// Google's documented stand-in for a signature that got lost on the way. Gemini 3 refuses calls without any.
constexpr std::string_view kNoSignature = "skip_thought_signature_validator";

bool is_gemini3(std::string_view model) {
    return model.contains("gemini-3");
}

Result<json::object> media_part(const ChatPart& part) {
    const ChatMedia& media = part.media;
    if (!media.data.empty()) {
        if (media.type.empty() || media.type == "audio/")
            return fail(cannot_say(part.path, kWho, "data without a media type or a telling filename"));
        return json::object{{"inlineData", {{"mimeType", media.type}, {"data", media.data}}}};
    }
    if (media.url.empty()) return fail(cannot_say(part.path, kWho, "files by file_id; send file_data"));
    json::object file{{"fileUri", media.url}};
    if (!media.type.empty()) file["mimeType"] = media.type;
    return json::object{{"fileData", std::move(file)}};
}

Result<> append_parts(const ChatMessage& message, json::array& parts) {
    for (const ChatPart& part : message.parts) {
        if (part.kind == ChatPart::Kind::kText || part.kind == ChatPart::Kind::kRefusal) {
            if (!part.text.empty()) parts.emplace_back(json::object{{"text", part.text}});
            continue;
        }
        TRY_ASSIGN(auto media, media_part(part));
        parts.emplace_back(std::move(media));
    }
    return {};
}

Result<> append_assistant(const ChatMessage& message, const UpstreamCall& call, json::array& parts) {
    const auto before = parts.size();
    TRY(append_parts(message, parts));
    if (!message.signature.empty() && parts.size() > before)
        parts.back().get_object()["thoughtSignature"] = message.signature;
    bool first = true;
    for (const ChatToolCall& made : message.tool_calls) {
        if (made.custom) return fail(cannot_say(made.path, kWho, "custom tool calls"));
        json::object function{{"name", made.name}, {"args", made.arguments}};
        if (!made.id.empty()) function["id"] = made.id;
        json::object part{{"functionCall", std::move(function)}};
        // Of parallel calls only the first is signed.
        if (!made.signature.empty())
            part["thoughtSignature"] = made.signature;
        else if (first && is_gemini3(call.model))
            part["thoughtSignature"] = kNoSignature;
        first = false;
        parts.emplace_back(std::move(part));
    }
    return {};
}

/// A result has to be an object; plain text becomes {"output": …}, or {"error": …} of a tool that failed.
Result<> append_tool_result(const ChatRequest& request, const ChatMessage& message, json::array& parts) {
    std::string_view name;
    for (const ChatMessage& other : request.messages) {
        for (const ChatToolCall& made : other.tool_calls) {
            if (made.id == message.tool_call_id) name = made.name;
        }
    }
    if (name.empty()) {
        return fail(invalid_argument(fmt::format("{}.tool_call_id answers no call of this conversation", message.path))
                        .with_field(message.path + ".tool_call_id"));
    }
    TRY_ASSIGN(const auto text, message.plain_text(kWho));
    auto object = json::parse_object(text);
    json::object response;
    if (message.is_error)
        response["error"] = text;
    else if (object)
        response = std::move(*object);
    else
        response["output"] = text;
    parts.emplace_back(json::object{
        {"functionResponse", {{"id", message.tool_call_id}, {"name", name}, {"response", std::move(response)}}}});
    return {};
}

json::array& parts_of(json::array& contents, std::string_view role) {
    if (contents.empty() || string_at(contents.back().get_object(), "role") != role)
        contents.emplace_back(json::object{{"role", role}, {"parts", json::array()}});
    return contents.back().get_object()["parts"].get_array();
}

Result<> encode_messages(const ChatRequest& request, const UpstreamCall& call, json::object& body) {
    json::array system;
    json::array contents;
    for (const ChatMessage& message : request.messages) {
        switch (message.role) {
            case ChatMessage::Role::kSystem:
            case ChatMessage::Role::kDeveloper: TRY(append_parts(message, system)); break;
            case ChatMessage::Role::kUser: TRY(append_parts(message, parts_of(contents, "user"))); break;
            case ChatMessage::Role::kTool: TRY(append_tool_result(request, message, parts_of(contents, "user"))); break;
            case ChatMessage::Role::kAssistant:
                TRY(append_assistant(message, call, parts_of(contents, "model")));
                break;
        }
    }
    json::array spoken;
    for (auto& content : contents) {
        if (!content.get_object()["parts"].get_array().empty()) spoken.push_back(std::move(content));
    }
    if (spoken.empty()) {
        return fail(
            invalid_argument("messages: there is nothing to answer: no message has content").with_field("messages"));
    }
    if (!system.empty()) body["systemInstruction"] = json::object{{"parts", std::move(system)}};
    body["contents"] = std::move(spoken);
    return {};
}

Result<> add_tools(const ChatRequest& request, json::object& body) {
    using Mode = ChatToolChoice::Mode;
    if (request.tools.empty()) return {};
    json::array declarations;
    for (const ChatTool& tool : request.tools) {
        if (tool.custom) return fail(cannot_say(tool.path, kWho, "custom tools"));
        json::object declaration{{"name", tool.name}};
        if (!tool.description.empty()) declaration["description"] = tool.description;
        if (tool.parameters != nullptr) declaration["parametersJsonSchema"] = *tool.parameters;
        declarations.emplace_back(std::move(declaration));
    }
    json::array tools;
    tools.emplace_back(json::object{{"functionDeclarations", std::move(declarations)}});
    body["tools"] = std::move(tools);
    json::object config;
    switch (request.tool_choice.mode) {
        case Mode::kUnset: return {};
        case Mode::kNone: config["mode"] = "NONE"; break;
        case Mode::kAuto: config["mode"] = "AUTO"; break;
        case Mode::kRequired: config["mode"] = "ANY"; break;
        case Mode::kNamed:
            config["mode"] = "ANY";
            config["allowedFunctionNames"] = json::array{json::value(request.tool_choice.name)};
            break;
    }
    body["toolConfig"] = json::object{{"functionCallingConfig", std::move(config)}};
    return {};
}

/// Gemini 3 takes levels, its predecessors budgets; the numbers are those of Google's own OpenAI-compatible API.
Result<> add_thinking(const ChatRequest& request, const UpstreamCall& call, json::object& config) {
    struct Effort {
        std::string_view word;
        std::string_view level;
        int budget;
    };
    static constexpr std::array<Effort, 7> kEfforts{{{"none", "minimal", 0},
                                                     {"minimal", "minimal", 1024},
                                                     {"low", "low", 1024},
                                                     {"medium", "medium", 8192},
                                                     {"high", "high", 24576},
                                                     {"xhigh", "high", 24576},
                                                     {"max", "high", 24576}}};
    if (request.reasoning_effort.empty()) return {};
    for (const auto& effort : kEfforts) {
        if (effort.word != request.reasoning_effort) continue;
        json::object thinking{{"includeThoughts", effort.word != "none"}};
        if (is_gemini3(call.model))
            thinking["thinkingLevel"] = effort.level;
        else
            thinking["thinkingBudget"] = effort.budget;
        config["thinkingConfig"] = std::move(thinking);
        return {};
    }
    return fail(invalid_argument("reasoning_effort must be one of none, minimal, low, medium, high, xhigh, max")
                    .with_field("reasoning_effort"));
}

Result<json::object> generation_config(const ChatRequest& request, const UpstreamCall& call) {
    json::object config;
    copy_members(*request.body, config,
                 {{"temperature", "temperature"},
                  {"top_p", "topP"},
                  {"top_k", "topK"},
                  {"n", "candidateCount"},
                  {"presence_penalty", "presencePenalty"},
                  {"frequency_penalty", "frequencyPenalty"},
                  {"seed", "seed"}});
    if (request.max_tokens) config["maxOutputTokens"] = *request.max_tokens;
    if (request.stop.size() > 5) return fail(cannot_say("stop", kWho, "more than 5 stop sequences"));
    if (!request.stop.empty()) {
        json::array stop;
        for (const auto text : request.stop) stop.emplace_back(text);
        config["stopSequences"] = std::move(stop);
    }
    if (request.format.kind != ChatFormat::Kind::kText) config["responseMimeType"] = "application/json";
    if (request.format.kind == ChatFormat::Kind::kJsonSchema) config["responseJsonSchema"] = *request.format.schema;
    TRY(add_thinking(request, call, config));
    return config;
}

}  // namespace

Result<json::object> encode_chat(const ChatRequest& request, const UpstreamCall& call) {
    TRY(refuse_untranslatable(request, kWho, {"n"}));
    const auto* n = request.find("n");
    if (n != nullptr && (!n->is_int64() || n->get_int64() < 1 || n->get_int64() > 8))
        return fail(invalid_argument("n must be an integer from 1 to 8").with_field("n"));
    json::object body;
    TRY(encode_messages(request, call, body));
    TRY(add_tools(request, body));
    TRY_ASSIGN(auto config, generation_config(request, call));
    if (!config.empty()) body["generationConfig"] = std::move(config);
    return body;
}

Result<json::object> encode_embedding(const json::object& request, const UpstreamCall& call) {
    TRY_ASSIGN(const auto texts, read_embedding_input(request, kWho));
    const std::string model = call.model.starts_with("models/") ? call.model : "models/" + call.model;
    json::array requests;
    for (const auto text : texts) {
        json::array parts;
        parts.emplace_back(json::object{{"text", text}});
        json::object one{{"model", model}, {"content", {{"parts", std::move(parts)}}}};
        copy_members(request, one, {{"dimensions", "outputDimensionality"}, {"task_type", "taskType"}});
        requests.emplace_back(std::move(one));
    }
    return json::object{{"requests", std::move(requests)}};
}

}  // namespace atrium::model::gemini
