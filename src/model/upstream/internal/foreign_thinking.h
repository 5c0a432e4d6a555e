#pragma once

#include <string>
#include <string_view>

#include "model/upstream/internal/json_access.h"

/// A model's thinking travels through OpenAI's format as Anthropic's blocks (`thinking_blocks`), signature included. A
/// signature means something to its own provider only, and a conversation may move from one to another, so those that
/// are not Anthropic's carry their provider's name in front.
namespace atrium::model {

inline constexpr std::string_view kResponsesSignature = "openai-responses:";

inline bool is_foreign_thinking(const json::object& block) {
    return string_at(block, "signature").starts_with(kResponsesSignature);
}

}  // namespace atrium::model
