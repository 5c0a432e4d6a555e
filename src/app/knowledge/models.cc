#include "app/knowledge/models.h"

#include <utility>

namespace atrium::app {

namespace {

json::object to_body(const std::string& model, const Prompt& prompt, bool stream) {
    json::array messages;
    for (const auto& message : prompt.messages) {
        messages.push_back(json::object{{"role", message.role}, {"content", message.content}});
    }
    json::object body{{"model", model},
                      {"messages", std::move(messages)},
                      {"max_tokens", prompt.max_tokens},
                      {"temperature", prompt.temperature}};
    if (!prompt.stop.empty()) body["stop"] = json::array(prompt.stop.begin(), prompt.stop.end());
    if (stream) {
        body["stream"] = true;
        body["stream_options"] = json::object{{"include_usage", true}};
    }
    return body;
}

/// choices[0].<part>.content of an answer or a chunk; empty when there is none.
std::string content_of(const json::object& document, std::string_view part) {
    const auto* choices = document.if_contains("choices");
    if (choices == nullptr || !choices->is_array() || choices->get_array().empty()) return {};
    const auto* choice = choices->get_array().front().if_object();
    if (choice == nullptr) return {};
    const auto* holder = choice->if_contains(part);
    if (holder == nullptr || !holder->is_object()) return {};
    return std::string(json::string_or(holder->get_object(), "content"));
}

class ChatModels final : public KnowledgeModels {
public:
    ChatModels(ChatService& chat, std::string embedding_model, std::string answer_model)
        : chat_(chat), embedding_model_(std::move(embedding_model)), answer_model_(std::move(answer_model)) {}

    Result<std::string> default_embedding_model() const override {
        if (!embedding_model_.empty()) return embedding_model_;
        return chat_.router().default_model(true);
    }

    Task<Result<ChatService::Embeddings>> embed(CallContext context, std::string model, std::vector<std::string> texts,
                                                bool is_query) override {
        return chat_.embed(std::move(context), std::move(model), std::move(texts), is_query);
    }

    Result<AnswerModel> answer_model(std::string_view requested) const override {
        std::string name(requested.empty() ? std::string_view(answer_model_) : requested);
        if (name.empty()) {
            TRY_ASSIGN(name, chat_.router().default_model(false));
        }
        TRY_ASSIGN(const auto route, chat_.router().resolve(name));
        if (route.info.embedding) {
            return fail(invalid_argument("'" + name + "' is an embedding model; name a chat model")
                            .with_field("model")
                            .with_reason("model_not_supported"));
        }
        return AnswerModel{std::move(name), route.info.small_builtin, route.info.context_length};
    }

    Task<Result<Completion>> complete(CallContext context, std::string model, Prompt prompt,
                                      CallOutcome* outcome) override {
        CO_TRY_ASSIGN(const auto answer,
                      co_await chat_.complete(
                          make_model_call(model::Operation::kChat, std::move(context), to_body(model, prompt, false)),
                          outcome));
        CO_TRY_ASSIGN(const auto document, json::parse_object(answer.body));
        co_return Completion{content_of(document, "message"), answer.outcome.usage};
    }

    Task<Result<Completion>> stream(CallContext context, std::string model, Prompt prompt, TextSink sink,
                                    CallOutcome* outcome) override {
        auto text = std::make_shared<std::string>();
        CO_TRY_ASSIGN(
            const auto told,
            co_await chat_.stream(
                make_model_call(model::Operation::kChat, std::move(context), to_body(model, prompt, true)),
                [text, sink](const http::SseEvent& event, model::Wire) { return relay(text, sink, event.data); },
                outcome));
        co_return Completion{std::move(*text), told.usage};
    }

private:
    static Task<Result<>> relay(std::shared_ptr<std::string> text, TextSink sink, std::string data) {
        if (data == "[DONE]") co_return Result<>{};
        CO_TRY_ASSIGN(const auto chunk, json::parse_object(data));
        const std::string piece = content_of(chunk, "delta");
        if (piece.empty()) co_return Result<>{};
        *text += piece;
        co_return co_await sink(piece);
    }

    ChatService& chat_;
    const std::string embedding_model_;
    const std::string answer_model_;
};

}  // namespace

std::unique_ptr<KnowledgeModels> make_knowledge_models(ChatService& chat, std::string embedding_model,
                                                       std::string answer_model) {
    return std::make_unique<ChatModels>(chat, std::move(embedding_model), std::move(answer_model));
}

}  // namespace atrium::app
