#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"

/// Validation of request bodies in OpenAI's shapes. Every field that is known is checked for type and range, and errors
/// name it ("messages[0].role"); unknown fields pass, the upstream may know them. kInvalidArgument throughout.
namespace atrium::gateway {

struct ModelRequest {
    std::string model;
    bool stream = false;
    bool only_text = true;  ///< no image, audio or file among the messages' parts
};

Result<ModelRequest> validate_chat(const json::object& body);
Result<ModelRequest> validate_completion(const json::object& body);

struct EmbeddingRequest {
    std::string model;
    bool base64 = false;
    std::optional<std::int64_t> dimensions;
};
Result<EmbeddingRequest> validate_embedding(const json::object& body);

}  // namespace atrium::gateway
