// Bodies of completions and embeddings: both take texts or ready token ids.
#include <limits>

#include "gateway/openai/requests.h"
#include "gateway/openai/sampling.h"

namespace atrium::gateway {
namespace {

constexpr std::size_t kMaxInputs = 2048;

bool is_token(const json::value& value) {
    return value.is_int64() && value.get_int64() >= 0 && value.get_int64() <= std::numeric_limits<std::int32_t>::max();
}

Result<> check_tokens(const json::array& tokens, const std::string& field) {
    if (tokens.empty()) return refuse(field, "must not be empty");
    for (const auto& token : tokens) {
        if (!is_token(token)) return refuse(field, "must be an array of token ids (integers from 0)");
    }
    return {};
}

/// A string, an array of strings, an array of token ids, or an array of those arrays.
Result<> check_texts(const json::Reader& body, const std::string& field, bool may_be_empty) {
    if (!body.has(field)) return refuse(field, "is required and must be a string, an array of strings, or token ids");
    const auto& input = *body.find(field);
    if (input.is_string()) {
        if (input.get_string().empty() && !may_be_empty) return refuse(field, "must not be an empty string");
        return {};
    }
    if (!input.is_array()) return refuse(field, "must be a string, an array of strings, or token ids");
    const auto& items = input.get_array();
    if (items.empty()) return refuse(field, "must not be an empty array");
    if (items[0].is_number()) return check_tokens(items, field);
    if (items.size() > kMaxInputs) return refuse(field, fmt::format("must have at most {} entries", kMaxInputs));
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto name = fmt::format("{}[{}]", field, i);
        if (items[0].is_array()) {
            if (!items[i].is_array()) return refuse(name, "must be an array of token ids like the first entry");
            TRY(check_tokens(items[i].get_array(), name));
            continue;
        }
        if (!items[i].is_string()) return refuse(name, "must be a string");
        if (items[i].get_string().empty() && !may_be_empty) return refuse(name, "must not be an empty string");
    }
    return {};
}

}  // namespace

Result<ModelRequest> validate_completion(const json::object& object) {
    const json::Reader body(object);
    ModelRequest request;
    TRY_ASSIGN(request.model, check_model(body));
    TRY(check_texts(body, "prompt", true));
    TRY_ASSIGN(request.stream, check_sampling(body));
    TRY(body.optional_int("max_tokens", 1, kMaxTokenLimit));
    TRY(body.optional_int("logprobs", 0, 5));
    TRY(body.optional_bool("echo"));
    TRY(body.optional_string("suffix"));
    TRY_ASSIGN(const auto best_of, body.optional_int("best_of", 1, 20));
    TRY_ASSIGN(const auto n, body.optional_int("n", 1, 128));
    if (best_of && n && *best_of < *n) return refuse("best_of", "must not be less than 'n'");
    if (best_of && *best_of > 1 && request.stream) return refuse("best_of", "cannot be streamed");
    return request;
}

Result<EmbeddingRequest> validate_embedding(const json::object& object) {
    const json::Reader body(object);
    EmbeddingRequest request;
    TRY_ASSIGN(request.model, check_model(body));
    TRY(check_texts(body, "input", false));
    TRY(check_word(body, "encoding_format", {"float", "base64"}));
    request.base64 = json::string_or(object, "encoding_format") == "base64";
    TRY_ASSIGN(request.dimensions, body.optional_int("dimensions", 1, 65'536));
    TRY(body.optional_string("user"));
    return request;
}

}  // namespace atrium::gateway
