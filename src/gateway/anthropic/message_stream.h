#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "platform/http/sse.h"

namespace atrium::gateway {

/// Chat chunks in, Anthropic's named events out. An explicit state machine, its table in the .cc. One call, one thread;
/// constant memory but for the arguments of tool calls that are not complete yet (at most 16 MiB).
///
/// A block is open at a time and has one type; tool calls that come interleaved are told one after another.
class MessageStream {
public:
    /// `usage`: what is known when the answer begins, in OpenAI's words; for message_start.
    explicit MessageStream(std::string model) : model_(std::move(model)) {}

    void set_prompt_usage(json::object usage) { usage_ = std::move(usage); }

    /// One payload of the chat stream, "[DONE]" included. kUnavailable when it makes no sense.
    Result<std::vector<http::SseEvent>> feed(std::string_view payload);

private:
    enum class State { kStart, kBetween, kText, kThinking, kTool, kEnded };
    struct ToolCall {
        std::int64_t index = 0;  ///< in the upstream's numbering
        std::string id;
        std::string name;
        std::string arguments;
        std::size_t told = 0;
        bool opened = false;
        bool closed = false;
    };
    using Events = std::vector<http::SseEvent>;

    Result<> take_choice(const json::object& choice, Events& events);
    Result<> take_delta(const json::object& delta, Events& events);
    void take_text(std::string_view text, Events& events);
    void take_reasoning(std::string_view text, Events& events);
    void take_thinking_block(const json::object& block, Events& events);
    Result<> take_call(const json::object& call, Events& events);
    void tell_calls(Events& events, bool all);
    void begin(Events& events);
    void end(Events& events);
    void open(State state, json::object block, Events& events);
    void close(Events& events);
    void delta(json::object delta, Events& events);
    static void emit(std::string_view name, const json::object& data, Events& events);

    const std::string model_;
    State state_ = State::kStart;
    int block_ = -1;             ///< index of the open, or else of the last block
    bool thought_told_ = false;  ///< the open thinking block has text
    json::object usage_;
    std::string finish_reason_;
    std::string stop_sequence_;
    std::vector<ToolCall> calls_;
    std::size_t argument_bytes_ = 0;
};

}  // namespace atrium::gateway
