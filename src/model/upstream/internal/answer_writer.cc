#include "model/upstream/internal/answer_writer.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"

namespace atrium::model {
namespace {

std::string made_up_id(Operation operation) {
    return new_id(operation == Operation::kCompletion ? "cmpl-" : "chatcmpl-");
}

json::object answer_head(std::string_view object, std::string_view id, std::string_view model) {
    return {{"id", id}, {"object", object}, {"created", unix_seconds(system_clock().system())}, {"model", model}};
}

}  // namespace

json::object usage_object(const TokenUsage& usage) {
    return {{"prompt_tokens", usage.prompt_tokens},
            {"completion_tokens", usage.completion_tokens},
            {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
            {"prompt_tokens_details",
             {{"cached_tokens", usage.cached_tokens}, {"cache_write_tokens", usage.cache_write_tokens}}},
            {"completion_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens}}}};
}

json::object tool_call_object(std::string_view id, std::string_view name, std::string_view arguments) {
    return {{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", arguments}}}};
}

json::object chat_answer(std::string_view id, std::string_view model, json::array choices,
                         const std::optional<TokenUsage>& usage) {
    auto answer = answer_head("chat.completion", id.empty() ? made_up_id(Operation::kChat) : std::string(id), model);
    answer["choices"] = std::move(choices);
    if (usage) answer["usage"] = usage_object(*usage);
    return answer;
}

json::object chat_answer(std::string_view id, std::string_view model, json::object message, std::string_view finish,
                         const std::optional<TokenUsage>& usage) {
    message["role"] = "assistant";
    json::array choices;
    choices.emplace_back(
        json::object{{"index", 0}, {"message", std::move(message)}, {"logprobs", nullptr}, {"finish_reason", finish}});
    return chat_answer(id, model, std::move(choices), usage);
}

json::object completion_answer(std::string_view id, std::string_view model, std::string_view text,
                               std::string_view finish, const std::optional<TokenUsage>& usage) {
    auto answer =
        answer_head("text_completion", id.empty() ? made_up_id(Operation::kCompletion) : std::string(id), model);
    json::array choices;
    choices.emplace_back(json::object{{"index", 0}, {"text", text}, {"logprobs", nullptr}, {"finish_reason", finish}});
    answer["choices"] = std::move(choices);
    if (usage) answer["usage"] = usage_object(*usage);
    return answer;
}

Error nonsense(std::string_view what) {
    return unavailable("the upstream sent an answer that cannot be understood, please retry")
        .with_reason("upstream_protocol")
        .with_cause(unknown_error(std::string(what)));
}

Error interrupted() {
    return unavailable("the upstream stopped in the middle of its answer, please retry")
        .with_reason("upstream_interrupted");
}

Error provider_error(Code code, std::string_view message, std::string_view reason, std::string_view type) {
    auto shown = text::shorten(text::to_valid_utf8(message), 2000);
    if (shown.empty()) shown = "the upstream failed without saying why";
    return Error(code, std::move(shown))
        .with_reason(std::string(reason))
        .with_cause(unknown_error(fmt::format("the upstream reported {}", type)));
}

ChunkWriter::ChunkWriter(Operation operation, std::string model) : operation_(operation), model_(std::move(model)) {}

void ChunkWriter::start(Chunks& chunks, std::string_view id, std::string_view model) {
    if (started_) return;
    started_ = true;
    id_ = id.empty() ? made_up_id(operation_) : std::string(id);
    if (!model.empty()) model_ = model;
    created_ = unix_seconds(system_clock().system());
    if (operation_ == Operation::kChat) delta(chunks, {{"content", ""}});
}

json::object ChunkWriter::base() const {
    return {{"id", id_},
            {"object", operation_ == Operation::kChat ? "chat.completion.chunk" : "text_completion"},
            {"created", created_},
            {"model", model_}};
}

void ChunkWriter::choice(Chunks& chunks, json::object delta, json::value finish, std::size_t index) {
    auto chunk = base();
    json::object choice{{"index", index}};
    if (operation_ == Operation::kChat) {
        if (spoken_.size() <= index) spoken_.resize(index + 1);
        if (!spoken_[index]) {
            spoken_[index] = true;
            delta["role"] = "assistant";
        }
        choice["delta"] = std::move(delta);
    } else {
        const auto* piece = delta.if_contains("content");
        choice["text"] = piece != nullptr ? *piece : json::value("");
    }
    choice["logprobs"] = nullptr;
    choice["finish_reason"] = std::move(finish);
    chunk["choices"] = json::array{std::move(choice)};
    chunks.push_back(json::serialize(chunk));
}

void ChunkWriter::delta(Chunks& chunks, json::object delta, std::size_t choice_index) {
    choice(chunks, std::move(delta), nullptr, choice_index);
}

void ChunkWriter::text(Chunks& chunks, std::string_view piece, std::size_t choice_index) {
    if (!piece.empty()) delta(chunks, {{"content", piece}}, choice_index);
}

void ChunkWriter::reasoning(Chunks& chunks, std::string_view piece, std::size_t choice_index) {
    if (!piece.empty()) delta(chunks, {{"reasoning_content", piece}}, choice_index);
}

void ChunkWriter::refusal(Chunks& chunks, std::string_view piece, std::size_t choice_index) {
    if (!piece.empty()) delta(chunks, {{"refusal", piece}}, choice_index);
}

void ChunkWriter::tool_call(Chunks& chunks, std::size_t index, json::object call, std::size_t choice_index) {
    json::object numbered{{"index", index}};
    for (auto& [key, value] : call) numbered[key] = std::move(value);
    delta(chunks, {{"tool_calls", json::array{std::move(numbered)}}}, choice_index);
}

void ChunkWriter::arguments(Chunks& chunks, std::size_t index, std::string_view piece) {
    if (piece.empty()) return;
    delta(chunks, {{"tool_calls", json::array{{{"index", index}, {"function", {{"arguments", piece}}}}}}});
}

void ChunkWriter::finish(Chunks& chunks, std::string_view reason, std::size_t choice_index) {
    choice(chunks, {}, json::value(reason), choice_index);
}

void ChunkWriter::usage(Chunks& chunks, const TokenUsage& usage) {
    auto chunk = base();
    chunk["choices"] = json::array();
    chunk["usage"] = usage_object(usage);
    chunks.push_back(json::serialize(chunk));
}

void ChunkWriter::done(Chunks& chunks) {
    if (done_) return;
    done_ = true;
    chunks.emplace_back("[DONE]");
}

}  // namespace atrium::model
