#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/upstream/internal/json_access.h"
#include "model/upstream/upstream.h"

/// Answers in OpenAI's words, for the dialects that translate. One answer, one thread.
namespace atrium::model {

/// What one answer may make a decoder hold or count: more is a broken or hostile upstream.
inline constexpr std::size_t kMaxToolCalls = 128;
inline constexpr std::size_t kMaxBufferedBytes = 16 * 1024 * 1024;

/// {"prompt_tokens", …} with the details.
json::object usage_object(const TokenUsage& usage);

/// {"id","type":"function","function":{"name","arguments"}}.
json::object tool_call_object(std::string_view id, std::string_view name, std::string_view arguments);

/// A chat completion with one choice. `message` lacks only its role.
json::object chat_answer(std::string_view id, std::string_view model, json::object message, std::string_view finish,
                         const std::optional<TokenUsage>& usage);
/// The same with choices made by the caller.
json::object chat_answer(std::string_view id, std::string_view model, json::array choices,
                         const std::optional<TokenUsage>& usage);
/// A text completion with one choice.
json::object completion_answer(std::string_view id, std::string_view model, std::string_view text,
                               std::string_view finish, const std::optional<TokenUsage>& usage);

/// kUnavailable: "an answer of the upstream makes no sense: …".
Error nonsense(std::string_view what);
/// kUnavailable, reason upstream_interrupted.
Error interrupted();
/// An error as a provider words it; `message` is shown to the caller.
Error provider_error(Code code, std::string_view message, std::string_view reason, std::string_view type);

/// Writes the chunks of one stream: the same id, created and model in each, the role in the first of each choice,
/// usage and [DONE] last. For Operation::kCompletion the chunks are text completions.
class ChunkWriter {
public:
    using Chunks = std::vector<std::string>;
    explicit ChunkWriter(Operation operation, std::string model);

    /// Before anything else; later calls change nothing. An empty id is made up, an empty model stays the call's.
    void start(Chunks& chunks, std::string_view id, std::string_view model = {});
    bool started() const { return started_; }

    void text(Chunks& chunks, std::string_view piece, std::size_t choice = 0);
    void reasoning(Chunks& chunks, std::string_view piece, std::size_t choice = 0);
    void refusal(Chunks& chunks, std::string_view piece, std::size_t choice = 0);
    void tool_call(Chunks& chunks, std::size_t index, json::object call, std::size_t choice = 0);
    void arguments(Chunks& chunks, std::size_t index, std::string_view piece);
    /// Any other delta.
    void delta(Chunks& chunks, json::object delta, std::size_t choice = 0);
    void finish(Chunks& chunks, std::string_view reason, std::size_t choice = 0);
    void usage(Chunks& chunks, const TokenUsage& usage);
    void done(Chunks& chunks);
    bool is_done() const { return done_; }

private:
    json::object base() const;
    void choice(Chunks& chunks, json::object delta, json::value finish, std::size_t index);

    Operation operation_;
    std::string model_;
    std::string id_;
    std::int64_t created_ = 0;
    bool started_ = false;
    bool done_ = false;
    std::vector<bool> spoken_;  ///< choices that have their role
};

}  // namespace atrium::model
