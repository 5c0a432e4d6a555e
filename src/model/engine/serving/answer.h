#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/engine/serving/openai_request.h"
#include "model/engine/serving/openai_response.h"

namespace atrium::model {

enum class AnswerShape { kChat, kCompletion };

/// Collects the parts of all choices of one request and renders them in OpenAI's shape, as server-sent events while they
/// arrive or as one document at the end. Pure: no I/O, no clock. Belongs to the io thread.
class Answer {
public:
    struct Options {
        AnswerShape shape = AnswerShape::kChat;
        ResponseIdentity identity;  ///< `object` is filled in
        bool stream = false;
        bool include_usage = false;
        bool logprobs = false;
        int choices = 1;
        std::int64_t prompt_tokens = 0;
        std::vector<std::string> echo;               ///< per choice; empty: none
        std::shared_ptr<const OutputParser> parser;  ///< chat only
    };
    explicit Answer(Options options);

    void set_cached_tokens(int tokens) { usage_.cached_tokens = tokens; }
    /// Events for a stream; empty otherwise (and when a part changes nothing visible).
    std::string add(const std::vector<AnswerPart>& parts);
    /// The last events of a stream: usage when asked for, and [DONE].
    std::string end_of_stream() const;
    /// The whole response, once complete.
    json::object whole() const;

    bool complete() const { return open_ == 0; }
    /// Why it broke off.
    const std::optional<Error>& error() const { return error_; }
    const Usage& usage() const { return usage_; }

private:
    struct Choice {
        ChatDeltas deltas;
        std::string text;
        std::vector<TokenDetail> details;
        std::size_t sent_characters = 0;
        int tokens = 0;
        bool begun = false;
        std::optional<FinishReason> finish;
    };
    std::string add_chat(const AnswerPart& part, Choice& choice);
    std::string add_completion(const AnswerPart& part, Choice& choice);
    std::string chat_event(int index, json::object delta, json::value logprobs, json::value finish) const;
    std::string event(json::object choice) const;

    Options options_;
    Usage usage_;
    std::vector<Choice> choices_;
    int open_;
    std::optional<Error> error_;
};

}  // namespace atrium::model
