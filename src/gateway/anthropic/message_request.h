#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "base/result.h"

/// Anthropic's Messages request in the words of OpenAI's chat completions, the pivot between all wire formats.
namespace atrium::gateway {

struct MessageRequest {
    std::string model;
    bool stream = false;
    bool only_text = true;  ///< no image or document that a text model could not read
    json::object chat;      ///< the body for the chat operation; usage is asked for
};

/// Checks every known field and translates. kInvalidArgument names the field ("messages[0].content[1].source") and what
/// OpenAI's format has no words for (server tools, documents by URL). `count_only`: for count_tokens, which needs no
/// max_tokens.
///
/// What becomes of what: tool_result → a message of role "tool" before the rest of its turn (images in it follow as
/// user content); thinking blocks → `thinking_blocks` and `reasoning_content`; `cache_control` stays on the part,
/// message or tool it was on; `thinking.budget_tokens` and `output_config.effort` → `reasoning_effort`.
Result<MessageRequest> translate_message_request(const json::object& body, bool count_only = false);

}  // namespace atrium::gateway
