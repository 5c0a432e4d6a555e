// OpenAI chat request → Anthropic Messages request.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "model/upstream/anthropic/anthropic_wire.h"
#include "model/upstream/internal/foreign_thinking.h"
#include "model/upstream/internal/json_access.h"
#include "security/crypto/crypto.h"

namespace atrium::model::anthropic {
namespace {

constexpr std::string_view kWho = "an Anthropic";
// max_tokens is compulsory there and optional in OpenAI's API. Every model since Claude 3.5 can write this much.
constexpr std::int64_t kDefaultMaxTokens = 8192;
constexpr std::int64_t kMinBudget = 1024;

/// Tool use ids must match [A-Za-z0-9_-]; other providers put dots and colons into theirs.
std::string tool_id(std::string_view id) {
    std::string clean(id);
    for (char& c : clean) {
        const bool fine =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!fine) c = '_';
    }
    return clean;
}

void mark(json::object& block, const json::value* cache_control) {
    if (cache_control != nullptr) block["cache_control"] = *cache_control;
}

Result<json::object> media_source(const ChatMedia& media, const std::string& path) {
    if (media.data.empty()) {
        if (!media.url.starts_with("https://")) return fail(cannot_say(path, kWho, "URLs other than https: and data:"));
        return json::object{{"type", "url"}, {"url", media.url}};
    }
    return json::object{{"type", "base64"}, {"media_type", media.type}, {"data", media.data}};
}

Result<json::object> document(const ChatPart& part) {
    if (!part.file_id.empty() && part.media.data.empty())
        return fail(cannot_say(part.path, kWho, "files by file_id; send file_data"));
    json::object block{{"type", "document"}};
    if (part.media.type.starts_with("image/")) {
        block["type"] = "image";
        TRY_ASSIGN(block["source"], media_source(part.media, part.path));
        return block;
    }
    if (part.media.type.starts_with("text/") && !part.media.data.empty()) {
        auto text = crypto::base64_decode(part.media.data);
        if (!text || !text::is_utf8(*text))
            return fail(cannot_say(part.path, kWho, "text that is not UTF-8 in base64"));
        block["source"] = json::object{{"type", "text"}, {"media_type", "text/plain"}, {"data", *text}};
    } else if (part.media.type == "application/pdf") {
        TRY_ASSIGN(block["source"], media_source(part.media, part.path));
    } else {
        return fail(cannot_say(part.path, kWho, "documents other than PDF, text and images"));
    }
    if (!part.media.name.empty()) block["title"] = part.media.name;
    return block;
}

/// One content block, or nothing for empty text, which the API refuses.
Result<std::optional<json::object>> block_of(const ChatPart& part) {
    json::object block;
    switch (part.kind) {
        case ChatPart::Kind::kText:
        case ChatPart::Kind::kRefusal:
            if (part.text.empty()) return std::nullopt;
            block = {{"type", "text"}, {"text", part.text}};
            break;
        case ChatPart::Kind::kImage: {
            TRY_ASSIGN(auto source, media_source(part.media, part.path));
            block = {{"type", "image"}, {"source", std::move(source)}};
            break;
        }
        case ChatPart::Kind::kFile: {
            TRY_ASSIGN(block, document(part));
            break;
        }
        case ChatPart::Kind::kAudio: return fail(cannot_say(part.path, kWho, "audio"));
    }
    mark(block, part.cache_control);
    return block;
}

Result<> append_blocks(const ChatMessage& message, json::array& blocks) {
    const auto before = blocks.size();
    for (const ChatPart& part : message.parts) {
        TRY_ASSIGN(auto block, block_of(part));
        if (block) blocks.emplace_back(std::move(*block));
    }
    if (blocks.size() > before) mark(blocks.back().get_object(), message.cache_control);
    return {};
}

Result<> append_tool_result(const ChatMessage& message, json::array& blocks) {
    json::object block{{"type", "tool_result"}, {"tool_use_id", tool_id(message.tool_call_id)}};
    json::array content;
    for (const ChatPart& part : message.parts) {
        TRY_ASSIGN(auto inner, block_of(part));
        if (inner) content.emplace_back(std::move(*inner));
    }
    // An empty result is a result too: the block stays, its content does not.
    if (!content.empty()) block["content"] = std::move(content);
    if (message.is_error) block["is_error"] = true;
    mark(block, message.cache_control);
    blocks.emplace_back(std::move(block));
    return {};
}

Result<> append_assistant(const ChatMessage& message, json::array& blocks) {
    // Signed thinking has to come first and unchanged, or the API rejects the turn.
    if (message.thinking_blocks != nullptr) {
        for (const auto& item : *message.thinking_blocks) {
            const auto* block = item.if_object();
            if (block != nullptr && !is_foreign_thinking(*block)) blocks.emplace_back(*block);
        }
    }
    TRY(append_blocks(message, blocks));
    for (const ChatToolCall& call : message.tool_calls) {
        if (call.custom) return fail(cannot_say(call.path, kWho, "custom tool calls"));
        blocks.emplace_back(json::object{
            {"type", "tool_use"}, {"id", tool_id(call.id)}, {"name", call.name}, {"input", call.arguments}});
    }
    return {};
}

/// The conversation as alternating turns: neighbours of the same role become one, so that the results of parallel
/// calls stand together in the turn after them, as the API demands.
class Turns {
public:
    json::array& of(std::string_view role) {
        if (turns_.empty() || string_at(turns_.back().get_object(), "role") != role)
            turns_.emplace_back(json::object{{"role", role}, {"content", json::array()}});
        return turns_.back().get_object()["content"].get_array();
    }
    Result<json::array> take() {
        std::erase_if(turns_, [](const json::value& turn) { return turn.at("content").get_array().empty(); });
        if (turns_.empty())
            return fail(invalid_argument("messages: there is nothing to answer: no message has content")
                            .with_field("messages"));
        trim_last_text();
        json::array all;
        for (auto& turn : turns_) all.push_back(std::move(turn));
        return all;
    }

private:
    /// A last assistant turn is a prefix to continue, and must not end in white space.
    void trim_last_text() {
        auto& last = turns_.back().get_object();
        if (string_at(last, "role") != "assistant") return;
        auto& block = last["content"].get_array().back().get_object();
        if (string_at(block, "type") != "text") return;
        auto text = string_at(block, "text");
        while (!text.empty() &&
               (text.back() == ' ' || text.back() == '\n' || text.back() == '\t' || text.back() == '\r'))
            text.remove_suffix(1);
        if (!text.empty()) block["text"] = std::string(text);
    }

    std::vector<json::value> turns_;
};

Result<> encode_messages(const ChatRequest& request, json::object& body) {
    json::array system;
    Turns turns;
    for (const ChatMessage& message : request.messages) {
        switch (message.role) {
            case ChatMessage::Role::kSystem:
            case ChatMessage::Role::kDeveloper: TRY(append_blocks(message, system)); break;
            case ChatMessage::Role::kUser: TRY(append_blocks(message, turns.of("user"))); break;
            case ChatMessage::Role::kTool: TRY(append_tool_result(message, turns.of("user"))); break;
            case ChatMessage::Role::kAssistant: TRY(append_assistant(message, turns.of("assistant"))); break;
        }
    }
    if (request.format.kind == ChatFormat::Kind::kJsonObject)
        system.emplace_back(json::object{{"type", "text"}, {"text", "Answer with one JSON object and nothing else."}});
    if (!system.empty()) body["system"] = std::move(system);
    TRY_ASSIGN(body["messages"], turns.take());
    return {};
}

json::object no_parameters() {
    return {{"type", "object"}, {"properties", json::object()}};
}

Result<json::array> encode_tools(const ChatRequest& request) {
    json::array tools;
    for (const ChatTool& tool : request.tools) {
        if (tool.custom) return fail(cannot_say(tool.path, kWho, "custom tools"));
        json::object out{{"name", tool.name}};
        if (!tool.description.empty()) out["description"] = tool.description;
        out["input_schema"] = tool.parameters != nullptr ? *tool.parameters : no_parameters();
        if (tool.strict) out["strict"] = true;
        mark(out, tool.cache_control);
        tools.emplace_back(std::move(out));
    }
    if (!tools.empty()) return tools;
    // A conversation with tool calls in it is refused when it declares no tools.
    std::set<std::string_view> seen;
    for (const ChatMessage& message : request.messages) {
        for (const ChatToolCall& call : message.tool_calls) {
            if (seen.insert(call.name).second)
                tools.emplace_back(json::object{{"name", call.name}, {"input_schema", no_parameters()}});
        }
    }
    return tools;
}

json::object encode_tool_choice(const ChatRequest& request) {
    using Mode = ChatToolChoice::Mode;
    json::object choice;
    switch (request.tool_choice.mode) {
        case Mode::kUnset:
        case Mode::kAuto: choice = {{"type", "auto"}}; break;
        case Mode::kRequired: choice = {{"type", "any"}}; break;
        case Mode::kNamed: choice = {{"type", "tool"}, {"name", request.tool_choice.name}}; break;
        case Mode::kNone: return {{"type", "none"}};
    }
    if (request.parallel_tool_calls == false) choice["disable_parallel_tool_use"] = true;
    return choice;
}

Result<> add_tools(const ChatRequest& request, json::object& body) {
    TRY_ASSIGN(auto tools, encode_tools(request));
    if (tools.empty()) return {};
    const bool declared = !request.tools.empty();
    body["tools"] = std::move(tools);
    if (!declared)
        body["tool_choice"] = json::object{{"type", "none"}};
    else if (request.tool_choice.mode != ChatToolChoice::Mode::kUnset || request.parallel_tool_calls == false)
        body["tool_choice"] = encode_tool_choice(request);
    return {};
}

/// Claude 4.6 and later choose their own budget and are given an effort; before, a budget of tokens is set. From the
/// names of the models ("claude-opus-4-6", "claude-sonnet-4-5-20250929", "claude-3-7-sonnet-latest").
bool thinks_adaptively(std::string_view model) {
    const auto at = model.find("claude-");
    if (at == std::string_view::npos) return false;
    const auto words = text::split(model.substr(at), '-');
    if (words.size() < 3) return false;
    if (words[1] == "mythos") return true;
    const auto major = text::to_int(words[2]).value_or(0);
    // A longer number is a date: claude-opus-4-20250514.
    const auto minor = words.size() > 3 && words[3].size() <= 2 ? text::to_int(words[3]).value_or(0) : 0;
    return !text::to_int(words[1]) && major < 100 && (major > 4 || (major == 4 && minor >= 6));
}

std::int64_t budget_of(std::string_view effort) {
    static constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> kBudgets{
        {{"minimal", 1024}, {"low", 2048}, {"medium", 8192}, {"high", 16384}, {"xhigh", 24576}, {"max", 32000}}};
    for (const auto& [word, tokens] : kBudgets) {
        if (word == effort) return tokens;
    }
    return 0;
}

/// Whether thinking would make the API refuse the request: with a forced tool, and (where budgets are set) after an
/// assistant's tool call whose own thinking has been lost on the way.
bool thinking_impossible(const ChatRequest& request, bool adaptive) {
    using Mode = ChatToolChoice::Mode;
    if (!request.tools.empty() &&
        (request.tool_choice.mode == Mode::kRequired || request.tool_choice.mode == Mode::kNamed))
        return true;
    if (adaptive) return false;
    const auto last = std::ranges::find(request.messages.rbegin(), request.messages.rend(),
                                        ChatMessage::Role::kAssistant, &ChatMessage::role);
    return last != request.messages.rend() && !last->tool_calls.empty() &&
           (last->thinking_blocks == nullptr || last->thinking_blocks->empty());
}

Result<> add_thinking(const ChatRequest& request, const UpstreamCall& call, json::object& body, json::object& output) {
    const auto effort = request.reasoning_effort;
    const bool adaptive = thinks_adaptively(call.model);
    std::int64_t max_tokens = request.max_tokens.value_or(kDefaultMaxTokens);
    body["max_tokens"] = max_tokens;
    if (effort.empty()) return {};
    if (effort == "none") {
        body["thinking"] = json::object{{"type", "disabled"}};
        return {};
    }
    const auto wanted = budget_of(effort);
    if (wanted == 0) {
        return fail(invalid_argument("reasoning_effort must be one of none, minimal, low, medium, high, xhigh, max")
                        .with_field("reasoning_effort"));
    }
    if (thinking_impossible(request, adaptive)) return {};
    if (!request.max_tokens) max_tokens += wanted;
    body["max_tokens"] = max_tokens;
    if (adaptive) {
        body["thinking"] = json::object{{"type", "adaptive"}};
        output["effort"] = effort == "minimal" ? "low" : effort;
        return {};
    }
    // The budget counts towards max_tokens; a quarter is left for the answer itself.
    const auto budget = std::min(wanted, max_tokens - max_tokens / 4);
    if (budget >= kMinBudget) body["thinking"] = json::object{{"type", "enabled"}, {"budget_tokens", budget}};
    return {};
}

void add_sampling(const ChatRequest& request, json::object& body) {
    const auto* thinking = object_at(body, "thinking");
    // With thinking the API accepts its own defaults only.
    if (thinking != nullptr && string_at(*thinking, "type") != "disabled") return;
    if (const auto temperature = number_of(request.find("temperature")))
        body["temperature"] = std::clamp(*temperature, 0.0, 1.0);
    copy_members(*request.body, body, {{"top_p", "top_p"}, {"top_k", "top_k"}});
}

Result<> add_stop(const ChatRequest& request, json::object& body) {
    if (request.stop.empty()) return {};
    json::array stop;
    for (const auto sequence : request.stop) {
        if (text::trim(sequence).empty()) return fail(cannot_say("stop", kWho, "stop sequences of white space only"));
        stop.emplace_back(sequence);
    }
    body["stop_sequences"] = std::move(stop);
    return {};
}

void add_user(const ChatRequest& request, json::object& body) {
    std::string_view user = string_at(*request.body, "safety_identifier");
    if (user.empty()) user = string_at(*request.body, "user");
    if (const auto* metadata = object_at(*request.body, "metadata"); metadata != nullptr && user.empty())
        user = string_at(*metadata, "user_id");
    if (!user.empty()) body["metadata"] = json::object{{"user_id", user}};
}

}  // namespace

Result<json::object> encode_chat(const ChatRequest& request, const UpstreamCall& call) {
    TRY(refuse_untranslatable(request, kWho));
    json::object body{{"model", call.model}};
    json::object output;
    TRY(encode_messages(request, body));
    TRY(add_tools(request, body));
    TRY(add_thinking(request, call, body, output));
    add_sampling(request, body);
    TRY(add_stop(request, body));
    add_user(request, body);
    if (request.format.kind == ChatFormat::Kind::kJsonSchema)
        output["format"] = json::object{{"type", "json_schema"}, {"schema", *request.format.schema}};
    if (!output.empty()) body["output_config"] = std::move(output);
    if (const auto* cache = request.find("cache_control")) body["cache_control"] = *cache;
    if (call.stream) body["stream"] = true;
    return body;
}

}  // namespace atrium::model::anthropic
