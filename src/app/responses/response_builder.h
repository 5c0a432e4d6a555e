#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "platform/http/sse.h"

namespace atrium::app {

/// Chat chunks in, a response and the events that tell it out. An explicit state machine, its table in the .cc. The
/// events' sequence numbers rise by one from 0. One response, one thread; holds the response it builds, whose size is
/// bounded (kResourceExhausted beyond).
class ResponseBuilder {
public:
    using Events = std::vector<http::SseEvent>;
    struct Options {
        std::set<std::string> custom_tools;  ///< functions whose calls are told as custom tool calls
        bool encrypted_reasoning = false;
        std::size_t max_bytes = 16u << 20;  ///< of the output
    };
    /// `response`: the response object so far, with id, created_at and the echo of the request.
    ResponseBuilder(json::object response, Options options, const Clock& clock);

    /// response.created (and response.queued for a background response, `queued`).
    Events created(bool queued = false);
    /// response.in_progress.
    Events started();
    /// One payload of the chat stream, "[DONE]" included; or a whole chat completion. kUnavailable when it makes no
    /// sense.
    Result<Events> feed(std::string_view payload);
    Result<Events> feed_completion(std::string_view completion);
    /// The end by force: closes what is open and says why.
    Events fail(const Error& error);
    Events cancel();

    bool ended() const { return state_ == State::kEnded; }
    const json::object& response() const { return response_; }
    const json::array& output() const { return output_; }

private:
    enum class State { kOpen, kEnded };
    enum class Kind { kReasoning, kMessage, kCall };
    struct Item {
        Kind kind;
        std::string id;
        std::string text;  ///< of reasoning or message; arguments of a call
        bool refusal = false;
        bool custom = false;
        std::int64_t call = -1;  ///< index in the upstream's numbering
        std::string call_id;
        std::string name;
        json::array thinking_blocks;
        json::array logprobs;
        bool told = false;  ///< output_item.added is out
        bool done = false;
    };

    void take_delta(const json::object& delta, const json::object& choice, Events& events);
    void take_reasoning(std::string_view text, Events& events);
    void take_text(std::string_view text, bool refusal, const json::object& choice, Events& events);
    void take_call(const json::object& call, Events& events);
    Item& open(Kind kind, Events& events);
    Item* current(Kind kind);
    void tell_start(std::size_t index, Events& events);
    void close(std::size_t index, std::string_view status, Events& events);
    void close_all(std::string_view status, Events& events);
    json::object rendered(const Item& item, std::string_view status) const;
    json::object part(const Item& item) const;
    void end(std::string_view status, Events& events);
    void set_usage(const json::object& usage);
    void emit(std::string_view type, json::object data, Events& events);
    void emit_response(std::string_view type, Events& events);

    json::object response_;
    const Options options_;
    const Clock& clock_;
    State state_ = State::kOpen;
    std::int64_t sequence_ = 0;
    std::vector<Item> items_;
    json::array output_;
    std::string finish_reason_;
};

}  // namespace atrium::app
