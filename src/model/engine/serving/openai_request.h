#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "model/engine/backend.h"

/// The request bodies of the OpenAI API, as far as an engine answers them. Unknown fields are ignored, known fields with
/// a wrong value are kInvalidArgument and name the field.
namespace atrium::model {

/// What a model wants when the request is silent.
struct RequestDefaults {
    double temperature = 1;
    std::vector<std::string> stop;  ///< added to every chat request
};

/// What chat and text completions have in common.
struct AnswerOptions {
    std::optional<int> max_tokens;
    std::vector<std::string> stop;
    int choices = 1;
    bool stream = false;
    bool include_usage = false;
    int logprobs = -1;             ///< alternatives per token; < 0: none wanted
    SamplerSettings sampling;      ///< seed already drawn
    std::string json_schema;       ///< empty: any text
    std::string tenant;            ///< cache_salt
};

struct ChatBody {
    ChatInput input;
    AnswerOptions options;
};

using TextOrTokens = std::variant<std::string, std::vector<Token>>;

struct CompletionBody {
    std::vector<TextOrTokens> prompts;
    bool echo = false;
    AnswerOptions options;
};

struct EmbeddingBody {
    std::vector<TextOrTokens> inputs;
    bool base64 = false;
    std::optional<int> dimensions;
};

struct TokenizeBody {
    std::optional<std::string> text;
    ChatInput chat;  ///< when there is no text
    bool add_special = true;
};

Result<ChatBody> parse_chat(const json::object& body, const RequestDefaults& defaults);
Result<CompletionBody> parse_completion(const json::object& body, const RequestDefaults& defaults);
Result<EmbeddingBody> parse_embedding(const json::object& body);
Result<TokenizeBody> parse_tokenize(const json::object& body);
Result<std::vector<Token>> parse_tokens(const json::Reader& reader, std::string_view key);

/// OpenAI messages with every content as one string; refuses what a text model cannot take (images …).
Result<json::array> flatten_messages(const json::array& messages);

}  // namespace atrium::model
