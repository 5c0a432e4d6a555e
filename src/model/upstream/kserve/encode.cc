// OpenAI requests → generate and infer requests.
#include <algorithm>

#include "model/upstream/internal/chat_request.h"
#include "model/upstream/internal/embedding_answer.h"
#include "model/upstream/kserve/kserve_wire.h"

namespace atrium::model::kserve {
namespace {

constexpr std::string_view kWho = "a KServe";

Result<json::object> parameters(const json::object& request, std::optional<std::int64_t> max_tokens,
                                const std::vector<std::string_view>& stop, bool stream) {
    json::object out{{"stream", stream},
                     {"exclude_input_in_output", true},
                     {"return_finish_reason", true},
                     {"return_num_input_tokens", true},
                     {"return_num_output_tokens", true}};
    copy_members(request, out,
                 {{"temperature", "temperature"},
                  {"top_p", "top_p"},
                  {"top_k", "top_k"},
                  {"seed", "seed"},
                  {"presence_penalty", "presence_penalty"},
                  {"frequency_penalty", "frequency_penalty"},
                  {"repetition_penalty", "repetition_penalty"}});
    if (max_tokens) out["max_tokens"] = *max_tokens;
    // A parameter is a string, a number or a boolean, never a list.
    if (stop.size() > 1) return fail(cannot_say("stop", kWho, "more than one stop sequence"));
    if (!stop.empty()) out["stop"] = stop[0];
    return out;
}

/// The conversation as one text.
Result<std::string> flatten(const ChatRequest& request) {
    using Role = ChatMessage::Role;
    std::string system;
    std::string turns;
    std::size_t count = 0;
    std::string last;
    for (const ChatMessage& message : request.messages) {
        if (message.role == Role::kTool || !message.tool_calls.empty())
            return fail(cannot_say(message.path, kWho, "tool calls"));
        TRY_ASSIGN(auto text, message.plain_text(kWho));
        if (message.role == Role::kSystem || message.role == Role::kDeveloper) {
            system += (system.empty() ? "" : "\n\n") + text;
            continue;
        }
        ++count;
        turns += message.role == Role::kUser ? "User: " : "Assistant: ";
        turns += text + "\n";
        last = std::move(text);
    }
    if (count == 0) return fail(cannot_say("messages", kWho, "a conversation without a user's message"));
    if (!system.empty()) system += "\n\n";
    return system + (count == 1 ? last : turns + "Assistant:");
}

Result<json::object> generate(std::string prompt, Result<json::object> parameters) {
    if (!parameters) return fail(parameters.error());
    return json::object{{"text_input", prompt}, {"parameters", std::move(*parameters)}};
}

}  // namespace

ModelName read_name(std::string_view name) {
    const auto hash = name.find('#');
    if (hash == std::string_view::npos) return {name, "text_input"};
    return {name.substr(0, hash), name.substr(hash + 1)};
}

Result<json::object> encode_generate(const UpstreamCall& call) {
    const json::object& body = call.request->object;
    if (call.operation == Operation::kCompletion) {
        TRY_ASSIGN(const auto completion, read_completion(body, kWho));
        if (!completion.suffix.empty()) return fail(cannot_say("suffix", kWho, "this"));
        return generate(std::string(completion.prompt),
                        parameters(body, completion.max_tokens, completion.stop, call.stream));
    }
    TRY_ASSIGN(const auto request, read_chat(body));
    TRY(refuse_untranslatable(request, kWho));
    if (!request.tools.empty() && request.tool_choice.mode != ChatToolChoice::Mode::kNone)
        return fail(cannot_say("tools", kWho, "tools"));
    if (request.format.kind != ChatFormat::Kind::kText)
        return fail(cannot_say("response_format", kWho, "formats other than text"));
    TRY_ASSIGN(auto prompt, flatten(request));
    return generate(std::move(prompt), parameters(body, request.max_tokens, request.stop, call.stream));
}

Result<json::object> encode_infer(const UpstreamCall& call, std::string_view tensor) {
    TRY_ASSIGN(const auto texts, read_embedding_input(call.request->object, kWho));
    json::array data;
    for (const auto text : texts) data.emplace_back(text);
    json::array shape;
    shape.emplace_back(data.size());
    json::array inputs;
    inputs.emplace_back(
        json::object{{"name", tensor}, {"shape", std::move(shape)}, {"datatype", "BYTES"}, {"data", std::move(data)}});
    return json::object{{"inputs", std::move(inputs)}};
}

}  // namespace atrium::model::kserve
