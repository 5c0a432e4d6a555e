// Gemini's answers → OpenAI's; errors and usage.
#include <fmt/format.h>

#include <array>

#include "base/id.h"
#include "model/upstream/gemini/gemini_dialect.h"
#include "model/upstream/gemini/gemini_wire.h"
#include "model/upstream/internal/embedding_answer.h"

namespace atrium::model {
namespace gemini {

TokenUsage read_usage(const json::object& metadata) {
    const auto thoughts = count_at(metadata, "thoughtsTokenCount");
    return {.prompt_tokens = count_at(metadata, "promptTokenCount") + count_at(metadata, "toolUsePromptTokenCount"),
            .completion_tokens = count_at(metadata, "candidatesTokenCount") + thoughts,
            .cached_tokens = count_at(metadata, "cachedContentTokenCount"),
            .reasoning_tokens = thoughts};
}

Result<std::string_view> finish_reason(std::string_view reason, bool tools, bool said_something) {
    static constexpr std::array<std::string_view, 10> kFiltered{"SAFETY",
                                                                "RECITATION",
                                                                "LANGUAGE",
                                                                "BLOCKLIST",
                                                                "PROHIBITED_CONTENT",
                                                                "SPII",
                                                                "IMAGE_SAFETY",
                                                                "IMAGE_PROHIBITED_CONTENT",
                                                                "IMAGE_RECITATION",
                                                                "MODEL_ARMOR"};
    if (reason == "MAX_TOKENS") return "length";
    if (std::ranges::find(kFiltered, reason) != kFiltered.end()) return "content_filter";
    const bool failed = reason == "MALFORMED_FUNCTION_CALL" || reason == "UNEXPECTED_TOOL_CALL" ||
                        reason == "TOO_MANY_TOOL_CALLS" || reason == "OTHER" || reason == "NO_IMAGE" ||
                        reason == "IMAGE_OTHER";
    if (failed && !said_something) {
        return fail(provider_error(Code::kUnavailable,
                                   fmt::format("the model gave up without an answer ({}), please retry", reason),
                                   "upstream_no_answer", reason));
    }
    return tools ? "tool_calls" : "stop";
}

json::object signature_extension(std::string_view signature) {
    return {{"google", {{"thought_signature", signature}}}};
}

json::object read_call(const json::object& part) {
    const auto* function = object_at(part, "functionCall");
    const auto* args = object_at(*function, "args");
    const auto id = string_at(*function, "id");
    auto call = tool_call_object(id.empty() ? new_id("call_") : std::string(id), string_at(*function, "name"),
                                 args != nullptr ? json::serialize(*args) : "{}");
    if (const auto signature = string_at(part, "thoughtSignature"); !signature.empty())
        call["extra_content"] = signature_extension(signature);
    return call;
}

std::optional<std::string> blocked_prompt(const json::object& answer) {
    const auto* feedback = object_at(answer, "promptFeedback");
    const auto reason = feedback != nullptr ? string_at(*feedback, "blockReason") : std::string_view();
    if (reason.empty()) return std::nullopt;
    return fmt::format("the provider blocked the prompt ({})", reason);
}

Error read_error(const json::object& error, int status) {
    static constexpr std::array<std::pair<std::string_view, Code>, 9> kStatuses{
        {{"INVALID_ARGUMENT", Code::kInvalidArgument},
         {"FAILED_PRECONDITION", Code::kInvalidArgument},
         {"OUT_OF_RANGE", Code::kInvalidArgument},
         {"NOT_FOUND", Code::kNotFound},
         {"RESOURCE_EXHAUSTED", Code::kResourceExhausted},
         {"DEADLINE_EXCEEDED", Code::kDeadlineExceeded},
         {"UNAVAILABLE", Code::kUnavailable},
         {"INTERNAL", Code::kUnavailable},
         {"UNIMPLEMENTED", Code::kUnimplemented}}};
    const auto word = string_at(error, "status");
    const auto message = string_at(error, "message");
    // A wrong key is reported as a wrong argument.
    const bool key = message.contains("API key") || message.contains("API Key");
    if (key || word == "UNAUTHENTICATED" || word == "PERMISSION_DENIED") {
        return provider_error(Code::kUnavailable,
                              "the upstream refuses this installation's credential; its operator has to correct it",
                              "upstream_credential", word);
    }
    if (message.contains("exceeds the maximum number of tokens"))
        return provider_error(Code::kInvalidArgument, message, "context_length_exceeded", word);
    for (const auto& [name, code] : kStatuses) {
        if (name == word) return provider_error(code, message, {}, word);
    }
    const auto code = count_at(error, "code");
    return provider_error(code_from_http(code >= 400 && code < 600 ? static_cast<int>(code) : status), message, {},
                          word);
}

namespace {

struct Candidate {
    std::string text;
    std::string reasoning;
    std::string signature;
    json::array tool_calls;
};

Result<> read_part(const json::object& part, Candidate& candidate) {
    if (object_at(part, "functionCall") != nullptr) {
        if (candidate.tool_calls.size() >= kMaxToolCalls) return fail(nonsense("more than 128 tool calls"));
        candidate.tool_calls.emplace_back(read_call(part));
        return {};
    }
    (is_true(part, "thought") ? candidate.reasoning : candidate.text) += string_at(part, "text");
    if (const auto signature = string_at(part, "thoughtSignature"); !signature.empty()) candidate.signature = signature;
    return {};
}

Result<json::object> read_candidate(const json::object& object, std::size_t index) {
    Candidate candidate;
    const auto* content = object_at(object, "content");
    if (const auto* parts = content != nullptr ? array_at(*content, "parts") : nullptr) {
        for (const auto& part : *parts) {
            if (const auto* part_object = part.if_object()) TRY(read_part(*part_object, candidate));
        }
    }
    const bool tools = !candidate.tool_calls.empty();
    TRY_ASSIGN(const auto finish,
               finish_reason(string_at(object, "finishReason"), tools, tools || !candidate.text.empty()));
    json::object message{{"role", "assistant"}};
    message["content"] = candidate.text.empty() && tools ? json::value(nullptr) : json::value(candidate.text);
    message["refusal"] = nullptr;
    if (!candidate.reasoning.empty()) message["reasoning_content"] = candidate.reasoning;
    if (tools) message["tool_calls"] = std::move(candidate.tool_calls);
    if (!candidate.signature.empty()) message["extra_content"] = signature_extension(candidate.signature);
    return json::object{
        {"index", index}, {"message", std::move(message)}, {"logprobs", nullptr}, {"finish_reason", finish}};
}

Result<json::object> decode_chat(const UpstreamCall& call, const json::object& answer) {
    std::optional<TokenUsage> usage;
    if (const auto* metadata = object_at(answer, "usageMetadata")) usage = read_usage(*metadata);
    const auto id = string_at(answer, "responseId");
    const auto version = string_at(answer, "modelVersion");
    const std::string_view model = version.empty() ? std::string_view(call.model) : version;
    const auto* candidates = array_at(answer, "candidates");
    if (candidates == nullptr || candidates->empty()) {
        const auto blocked = blocked_prompt(answer);
        if (!blocked) return fail(nonsense("an answer without candidates"));
        return chat_answer(id, model, {{"content", nullptr}, {"refusal", *blocked}}, "content_filter", usage);
    }
    json::array choices;
    for (const auto& candidate : *candidates) {
        const auto* object = candidate.if_object();
        if (object == nullptr || choices.size() >= 8) return fail(nonsense("candidates that are none"));
        TRY_ASSIGN(auto choice, read_candidate(*object, choices.size()));
        choices.emplace_back(std::move(choice));
    }
    return chat_answer(id, model, std::move(choices), usage);
}

Result<json::object> decode_embedding(const UpstreamCall& call, const json::object& answer) {
    const auto* list = array_at(answer, "embeddings");
    if (list == nullptr) return fail(nonsense("an answer without embeddings"));
    std::vector<const json::array*> vectors;
    for (const auto& item : *list) {
        const auto* object = item.if_object();
        vectors.push_back(object != nullptr ? array_at(*object, "values") : nullptr);
    }
    const auto* metadata = object_at(answer, "usageMetadata");
    return embedding_answer(call.request->object, call.model, vectors,
                            metadata != nullptr ? count_at(*metadata, "promptTokenCount") : 0);
}

}  // namespace
}  // namespace gemini

Result<json::object> GeminiDialect::decode(const UpstreamCall& call, json::object answer) const {
    if (call.operation == Operation::kEmbedding) return gemini::decode_embedding(call, answer);
    return gemini::decode_chat(call, answer);
}

Error GeminiDialect::decode_error(std::string_view upstream, int status, const http::Headers& /*headers*/,
                                  std::string_view body) const {
    auto parsed = json::parse(body);
    // A stream that fails at once is a list with the error in it.
    if (parsed && parsed->is_array() && parsed->get_array().size() == 1) {
        json::value first = parsed->get_array()[0];
        *parsed = std::move(first);
    }
    const auto* object = parsed ? parsed->if_object() : nullptr;
    const auto* error = object != nullptr ? object_at(*object, "error") : nullptr;
    if (status == 401 || status == 403 || error == nullptr) return error_from_upstream(upstream, status, body);
    return gemini::read_error(*error, status);
}

}  // namespace atrium::model
