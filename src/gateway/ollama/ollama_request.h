#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"

/// Ollama's request bodies as chat completions. kInvalidArgument names the field.
namespace atrium::gateway {

struct OllamaRequest {
    std::string model;
    bool stream = true;  ///< unless the body says otherwise
    bool only_text = true;
    bool empty = false;  ///< nothing to answer: the caller wants the model loaded
    json::object body;   ///< of the operation
};

/// POST /api/chat.
Result<OllamaRequest> translate_ollama_chat(const json::object& body);
/// POST /api/generate: a chat of one turn; with `raw`, the body of a text completion.
Result<OllamaRequest> translate_ollama_generate(const json::object& body);

}  // namespace atrium::gateway
