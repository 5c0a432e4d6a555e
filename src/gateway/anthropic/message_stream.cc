// | # | state    | input                         | next     | events                                             |
// |---|----------|-------------------------------|----------|----------------------------------------------------|
// | 1 | start    | any chunk                     | between  | message_start                                      |
// | 2 | between  | text                          | text     | content_block_start(text), text_delta              |
// | 3 | between  | reasoning                     | thinking | content_block_start(thinking), thinking_delta      |
// | 4 | between  | a new tool call               | tool     | content_block_start(tool_use, input {}), its deltas |
// | 5 | between  | redacted thinking             | between  | content_block_start, content_block_stop            |
// | 6 | text     | text                          | text     | text_delta                                         |
// | 7 | thinking | reasoning                     | thinking | thinking_delta                                     |
// | 8 | thinking | a signature                   | between  | signature_delta, content_block_stop                |
// | 9 | tool     | arguments of this call        | tool     | input_json_delta                                   |
// |10 | tool     | a call, this one is complete  | tool     | content_block_stop, then as 4                      |
// |11 | tool     | a call, this one is not       | tool     | nothing: kept until this one is complete, or 13    |
// |12 | text, thinking, tool | input of another kind | …      | content_block_stop, then as 2 to 5                 |
// |13 | any but ended | "[DONE]"                 | ended    | what is kept, content_block_stop, message_delta,
// message_stop |
//
// "Complete" is: its arguments are a JSON document. Calls told one after another, as nearly all upstreams do, are never
// kept; interleaved ones are, because a client that is told a block's end must not hear of it again.
#include "gateway/anthropic/message_stream.h"

#include <fmt/format.h>

#include "base/id.h"
#include "gateway/anthropic/message_answer.h"

namespace atrium::gateway {
namespace {

constexpr std::size_t kMaxCalls = 128;
constexpr std::size_t kMaxArgumentBytes = 16u << 20;

Error unusable(std::string_view what) {
    return unavailable(fmt::format("the model's answer cannot be told on: {}", what))
        .with_reason("upstream_interrupted");
}

}  // namespace

void MessageStream::emit(std::string_view name, const json::object& data, Events& events) {
    events.push_back({std::string(name), json::serialize(data)});
}

void MessageStream::begin(Events& events) {
    if (state_ != State::kStart) return;
    state_ = State::kBetween;
    auto usage = message_usage(usage_);
    emit("message_start",
         {{"type", "message_start"},
          {"message",
           {{"id", new_id("msg_")},
            {"type", "message"},
            {"role", "assistant"},
            {"model", model_},
            {"content", json::array{}},
            {"stop_reason", nullptr},
            {"stop_sequence", nullptr},
            {"usage", std::move(usage)}}}},
         events);
}

void MessageStream::open(State state, json::object block, Events& events) {
    close(events);
    state_ = state;
    ++block_;
    emit("content_block_start",
         {{"type", "content_block_start"}, {"index", block_}, {"content_block", std::move(block)}}, events);
}

void MessageStream::close(Events& events) {
    if (state_ != State::kText && state_ != State::kThinking && state_ != State::kTool) return;
    if (state_ == State::kTool) {
        for (auto& call : calls_) call.closed = call.opened;
    }
    state_ = State::kBetween;
    emit("content_block_stop", {{"type", "content_block_stop"}, {"index", block_}}, events);
}

void MessageStream::delta(json::object delta, Events& events) {
    emit("content_block_delta", {{"type", "content_block_delta"}, {"index", block_}, {"delta", std::move(delta)}},
         events);
}

void MessageStream::take_text(std::string_view text, Events& events) {
    if (text.empty()) return;
    if (state_ != State::kText) {
        tell_calls(events, true);
        open(State::kText, {{"type", "text"}, {"text", ""}}, events);
    }
    delta({{"type", "text_delta"}, {"text", text}}, events);
}

void MessageStream::take_reasoning(std::string_view text, Events& events) {
    if (text.empty()) return;
    if (state_ != State::kThinking) {
        tell_calls(events, true);
        open(State::kThinking, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}, events);
    }
    thought_told_ = true;
    delta({{"type", "thinking_delta"}, {"thinking", text}}, events);
}

void MessageStream::take_thinking_block(const json::object& block, Events& events) {
    const auto type = json::string_or(block, "type");
    if (type == "redacted_thinking") {
        tell_calls(events, true);
        open(State::kThinking, block, events);
        close(events);
        return;
    }
    if (type != "thinking") return;
    // Its text came as reasoning_content already, unless the whole block comes at once.
    if (state_ != State::kThinking || !thought_told_) take_reasoning(json::string_or(block, "thinking"), events);
    const auto signature = json::string_or(block, "signature");
    if (signature.empty()) return;
    if (state_ != State::kThinking)
        open(State::kThinking, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}, events);
    delta({{"type", "signature_delta"}, {"signature", signature}}, events);
    close(events);
    thought_told_ = false;
}

Result<> MessageStream::take_call(const json::object& object, Events& events) {
    const auto* number = object.if_contains("index");
    const auto index = number != nullptr && number->is_int64() ? number->get_int64() : 0;
    ToolCall* call = nullptr;
    for (auto& known : calls_) {
        if (known.index == index) call = &known;
    }
    if (call == nullptr) {
        if (calls_.size() == kMaxCalls) return fail(unusable(fmt::format("it has more than {} tool calls", kMaxCalls)));
        call = &calls_.emplace_back();
        call->index = index;
    }
    if (call->id.empty()) call->id = json::string_or(object, "id");
    if (const auto* function = object.if_contains("function"); function != nullptr && function->is_object()) {
        if (call->name.empty()) call->name = json::string_or(function->get_object(), "name");
        const auto piece = json::string_or(function->get_object(), "arguments");
        if (call->closed && !piece.empty()) return fail(unusable("a tool call went on after its end"));
        argument_bytes_ += piece.size();
        if (argument_bytes_ > kMaxArgumentBytes) return fail(unusable("its tool calls are larger than 16 MiB"));
        call->arguments += piece;
    }
    tell_calls(events, false);
    return {};
}

/// Tells the calls in order, each as far as it has come; stops at the first that is not complete, unless `all`.
void MessageStream::tell_calls(Events& events, bool all) {
    for (auto& call : calls_) {
        if (call.closed) continue;
        if (call.name.empty() && !all) return;
        if (!call.opened) {
            if (call.id.empty()) call.id = new_id("toolu_");
            open(State::kTool, {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", json::object{}}},
                 events);
            call.opened = true;
        }
        if (call.told < call.arguments.size()) {
            delta({{"type", "input_json_delta"}, {"partial_json", std::string_view(call.arguments).substr(call.told)}},
                  events);
            call.told = call.arguments.size();
        }
        const bool last = &call == &calls_.back();
        if (last && !all) return;
        if (!all && !(call.arguments.ends_with('}') && json::parse(call.arguments))) return;
        close(events);
    }
}

Result<> MessageStream::take_delta(const json::object& object, Events& events) {
    auto reasoning = json::string_or(object, "reasoning_content");
    if (reasoning.empty()) reasoning = json::string_or(object, "reasoning");
    take_reasoning(reasoning, events);
    if (const auto* blocks = object.if_contains("thinking_blocks"); blocks != nullptr && blocks->is_array()) {
        for (const auto& block : blocks->get_array()) {
            if (block.is_object()) take_thinking_block(block.get_object(), events);
        }
    }
    take_text(json::string_or(object, "content"), events);
    take_text(json::string_or(object, "refusal"), events);
    if (const auto* calls = object.if_contains("tool_calls"); calls != nullptr && calls->is_array()) {
        for (const auto& call : calls->get_array()) {
            if (call.is_object()) TRY(take_call(call.get_object(), events));
        }
    }
    return {};
}

Result<> MessageStream::take_choice(const json::object& choice, Events& events) {
    if (const auto* object = choice.if_contains("delta"); object != nullptr && object->is_object())
        TRY(take_delta(object->get_object(), events));
    if (const auto reason = json::string_or(choice, "finish_reason"); !reason.empty()) {
        finish_reason_ = reason;
        stop_sequence_ = matched_stop(choice);
    }
    return {};
}

void MessageStream::end(Events& events) {
    tell_calls(events, true);
    close(events);
    state_ = State::kEnded;
    const bool stopped = !stop_sequence_.empty();
    json::object stop{{"stop_reason", stopped ? "stop_sequence" : message_stop_reason(finish_reason_)},
                      {"stop_sequence", stopped ? json::value(stop_sequence_) : json::value(nullptr)}};
    emit("message_delta", {{"type", "message_delta"}, {"delta", std::move(stop)}, {"usage", message_usage(usage_)}},
         events);
    emit("message_stop", {{"type", "message_stop"}}, events);
}

Result<std::vector<http::SseEvent>> MessageStream::feed(std::string_view payload) {
    Events events;
    if (state_ == State::kEnded) return events;
    if (payload == "[DONE]") {
        begin(events);
        end(events);
        return events;
    }
    TRY_ASSIGN(const auto chunk, json::parse_object(payload));
    if (const auto* usage = chunk.if_contains("usage"); usage != nullptr && usage->is_object())
        usage_ = usage->get_object();
    begin(events);
    if (const auto* choices = chunk.if_contains("choices"); choices != nullptr && choices->is_array()) {
        for (const auto& choice : choices->get_array()) {
            if (choice.is_object()) TRY(take_choice(choice.get_object(), events));
        }
    }
    return events;
}

}  // namespace atrium::gateway
