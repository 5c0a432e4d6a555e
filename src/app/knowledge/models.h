#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/chat/chat_service.h"
#include "platform/async/task.h"

namespace atrium::app {

/// A model that may write an answer.
struct AnswerModel {
    std::string id;
    bool small = false;  ///< too weak to be trusted with more than a short extract
    int context_length = 0;
};

struct PromptMessage {
    std::string role;
    std::string content;
};

struct Prompt {
    std::vector<PromptMessage> messages;
    int max_tokens = 512;
    double temperature = 0;
    std::vector<std::string> stop;
};

struct Completion {
    std::string text;
    model::TokenUsage usage;
};

/// Receives pieces of a generated text; an error ends the generation.
using TextSink = std::function<Task<Result<>>(std::string_view text)>;

/// All that knowledge wants from models, so that it can be tested without any. Thread-safe.
/// A model that is missing or not ready is kUnavailable or kNotFound.
class KnowledgeModels {
public:
    virtual ~KnowledgeModels() = default;
    /// What a new vector store is pinned to when nobody says otherwise.
    virtual Result<std::string> default_embedding_model() const = 0;
    /// Unit vectors, row-major; `is_query` picks the model's prefix.
    virtual Task<Result<ChatService::Embeddings>> embed(CallContext context, std::string model,
                                                        std::vector<std::string> texts, bool is_query) = 0;
    /// The model by that name, or the default one when `requested` is empty.
    virtual Result<AnswerModel> answer_model(std::string_view requested) const = 0;
    /// `outcome`, when given, is told the facts of the call as they become known; see ChatService.
    virtual Task<Result<Completion>> complete(CallContext context, std::string model, Prompt prompt,
                                              CallOutcome* outcome) = 0;
    /// The same, handing out the text as it is written. Returns the whole text.
    virtual Task<Result<Completion>> stream(CallContext context, std::string model, Prompt prompt, TextSink sink,
                                            CallOutcome* outcome) = 0;
};

/// Over the platform's chat service. `embedding_model` and `answer_model` are the configured defaults; empty: the
/// first that is ready. The service must outlive what is returned.
std::unique_ptr<KnowledgeModels> make_knowledge_models(ChatService& chat, std::string embedding_model,
                                                       std::string answer_model);

}  // namespace atrium::app
