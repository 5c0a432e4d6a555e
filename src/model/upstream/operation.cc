#include "model/upstream/upstream.h"

namespace atrium::model {

std::string_view operation_path(Operation operation) {
    switch (operation) {
        case Operation::kChat: return "/chat/completions";
        case Operation::kCompletion: return "/completions";
        case Operation::kEmbedding: return "/embeddings";
        case Operation::kRerank: return "/rerank";
        case Operation::kModeration: return "/moderations";
        case Operation::kTokenize: return "/tokenize";
        case Operation::kDetokenize: return "/detokenize";
    }
    return {};
}

std::string_view operation_name(Operation operation) {
    switch (operation) {
        case Operation::kChat: return "chat";
        case Operation::kCompletion: return "text_completion";
        case Operation::kEmbedding: return "embeddings";
        case Operation::kRerank: return "rerank";
        case Operation::kModeration: return "moderation";
        case Operation::kTokenize: return "tokenize";
        case Operation::kDetokenize: return "detokenize";
    }
    return {};
}

}  // namespace atrium::model
