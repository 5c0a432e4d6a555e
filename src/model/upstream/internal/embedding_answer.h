#pragma once

#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/upstream/upstream.h"

/// Embeddings for the dialects that translate. Free functions, any thread.
namespace atrium::model {

/// What is to be embedded: one text or several. kInvalidArgument for token lists (`who` takes text only) and for more
/// than 2 048 texts. Points into the request.
Result<std::vector<std::string_view>> read_embedding_input(const json::object& request, std::string_view who);

/// OpenAI's answer; vectors as numbers, or as base64 of little-endian floats when the request says so (the official
/// Python client always does). kUnavailable when a vector is no list of numbers or one is missing.
Result<json::object> embedding_answer(const json::object& request, std::string_view model,
                                      const std::vector<const json::array*>& vectors, std::int64_t prompt_tokens);

}  // namespace atrium::model
