// | # | state | input                            | events |
// |---|-------|----------------------------------|----------------------------------------------------------------------|
// | 1 | open  | created(), started()             | response.created, response.queued, response.in_progress | | 2 | open
// | reasoning, none open             | output_item.added, content_part.added, reasoning_text.delta           | | 3 |
// open  | reasoning, one open              | reasoning_text.delta                                                 | | 4
// | open  | text or refusal, none open       | what is open ends (7), output_item.added, content_part.added, …delta  |
// | 5 | open  | text or refusal, one open        | output_text.delta / refusal.delta | | 6 | open  | a tool call |
// reasoning and text end (7), output_item.added, …arguments.delta      | | 7 | open  | an item is over | …text.done,
// content_part.done / …arguments.done, output_item.done    | | 8 | open  | another call, this one complete  | this one
// ends (7)                                                    | | 9 | open  | "[DONE]"                         | all
// items end (7); response.completed or response.incomplete          | |10 | open  | fail()                           |
// all items end as incomplete; response.failed                         | |11 | open  | cancel() | all items end as
// incomplete; response.cancelled is no event: none     | |12 | ended | anything                         | nothing |
//
// Several calls may be open at once: every event carries its output_index. Calls of custom tools are told when they are
// complete, because their text is inside the JSON of the function call they travel as.
#include "app/responses/response_builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/responses/items.h"
#include "base/id.h"

namespace atrium::app {
namespace {

constexpr std::size_t kMaxItems = 256;

std::int64_t count(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_int64() ? std::max<std::int64_t>(0, value->get_int64()) : 0;
}

std::int64_t detail(const json::object& usage, std::string_view details, std::string_view key) {
    const auto* object = usage.if_contains(details);
    return object != nullptr && object->is_object() ? count(object->get_object(), key) : 0;
}

json::array logprobs_of(const json::object& choice) {
    const auto* logprobs = choice.if_contains("logprobs");
    if (logprobs == nullptr || !logprobs->is_object()) return {};
    const auto* content = logprobs->get_object().if_contains("content");
    return content != nullptr && content->is_array() ? content->get_array() : json::array{};
}

/// The words OpenAI allows for a response's error code.
std::string_view error_code(const Error& error) {
    if (error.code() == Code::kResourceExhausted) return "rate_limit_exceeded";
    return error.code() == Code::kInvalidArgument ? "invalid_prompt" : "server_error";
}

std::string public_message(const Error& error) {
    if (error.code() == Code::kInternal || error.code() == Code::kDataLoss)
        return "The server failed while making this response.";
    return error.message();
}

}  // namespace

ResponseBuilder::ResponseBuilder(json::object response, Options options, const Clock& clock)
    : response_(std::move(response)), options_(std::move(options)), clock_(clock) {
    response_["output"] = json::array{};
}

void ResponseBuilder::emit(std::string_view type, json::object data, Events& events) {
    json::object event{{"type", type}, {"sequence_number", sequence_++}};
    for (auto& [key, value] : data) event[key] = std::move(value);
    events.push_back({std::string(type), json::serialize(event)});
}

void ResponseBuilder::emit_response(std::string_view type, Events& events) {
    emit(type, {{"response", response_}}, events);
}

ResponseBuilder::Events ResponseBuilder::created(bool queued) {
    Events events;
    response_["status"] = queued ? "queued" : "in_progress";
    emit_response("response.created", events);
    if (queued) emit_response("response.queued", events);
    return events;
}

ResponseBuilder::Events ResponseBuilder::started() {
    Events events;
    response_["status"] = "in_progress";
    emit_response("response.in_progress", events);
    return events;
}

ResponseBuilder::Item* ResponseBuilder::current(Kind kind) {
    return !items_.empty() && items_.back().kind == kind && !items_.back().done ? &items_.back() : nullptr;
}

ResponseBuilder::Item& ResponseBuilder::open(Kind kind, Events& events) {
    for (std::size_t i = 0; i < items_.size(); ++i) {
        auto& item = items_[i];
        if (item.done) continue;
        // Reasoning and text end when something else begins; a call only when it is complete.
        if (item.kind != Kind::kCall || kind != Kind::kCall || json::parse(item.text)) close(i, "completed", events);
    }
    static constexpr std::string_view kPrefixes[] = {"rs_", "msg_", "fc_"};
    auto& item = items_.emplace_back();
    item.kind = kind;
    item.id = new_id(kPrefixes[static_cast<int>(kind)]);
    output_.emplace_back(nullptr);
    return item;
}

json::object ResponseBuilder::part(const Item& item) const {
    if (item.kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", item.text}};
    if (item.refusal) return {{"type", "refusal"}, {"refusal", item.text}};
    return {{"type", "output_text"}, {"text", item.text}, {"annotations", json::array{}}, {"logprobs", item.logprobs}};
}

json::object ResponseBuilder::rendered(const Item& item, std::string_view status) const {
    json::array content;
    if (status != "in_progress" && !(item.kind == Kind::kReasoning && item.text.empty()))
        content.emplace_back(part(item));
    switch (item.kind) {
        case Kind::kReasoning: {
            json::object made{
                {"id", item.id}, {"type", "reasoning"}, {"summary", json::array{}}, {"content", std::move(content)}};
            if (options_.encrypted_reasoning && status != "in_progress")
                made["encrypted_content"] = pack_reasoning(item.text, item.thinking_blocks);
            made["status"] = status;
            return made;
        }
        case Kind::kMessage:
            return {{"id", item.id},
                    {"type", "message"},
                    {"status", status},
                    {"role", "assistant"},
                    {"content", std::move(content)}};
        case Kind::kCall: break;
    }
    if (item.custom) {
        return {
            {"id", item.id},     {"type", "custom_tool_call"},
            {"status", status},  {"call_id", item.call_id},
            {"name", item.name}, {"input", status == "in_progress" ? std::string() : unwrap_custom_input(item.text)}};
    }
    return {{"id", item.id},     {"type", "function_call"},
            {"status", status},  {"call_id", item.call_id},
            {"name", item.name}, {"arguments", status == "in_progress" ? std::string() : item.text}};
}

void ResponseBuilder::tell_start(std::size_t index, Events& events) {
    auto& item = items_[index];
    item.told = true;
    emit("response.output_item.added", {{"output_index", index}, {"item", rendered(item, "in_progress")}}, events);
    if (item.kind == Kind::kCall) return;
    Item empty{.kind = item.kind, .refusal = item.refusal};
    emit("response.content_part.added",
         {{"item_id", item.id}, {"output_index", index}, {"content_index", 0}, {"part", part(empty)}}, events);
}

void ResponseBuilder::close(std::size_t index, std::string_view status, Events& events) {
    auto& item = items_[index];
    if (item.done) return;
    item.done = true;
    if (item.kind == Kind::kCall && item.name.empty()) return;
    if (!item.told) tell_start(index, events);
    if (item.kind == Kind::kCall && item.custom) {
        const auto input = unwrap_custom_input(item.text);
        emit("response.custom_tool_call_input.delta", {{"item_id", item.id}, {"output_index", index}, {"delta", input}},
             events);
        emit("response.custom_tool_call_input.done", {{"item_id", item.id}, {"output_index", index}, {"input", input}},
             events);
    } else if (item.kind == Kind::kCall) {
        emit("response.function_call_arguments.done",
             {{"item_id", item.id}, {"output_index", index}, {"name", item.name}, {"arguments", item.text}}, events);
    } else {
        json::object done{{"item_id", item.id}, {"output_index", index}, {"content_index", 0}};
        json::object text = done;
        text[item.refusal ? "refusal" : "text"] = item.text;
        if (item.kind == Kind::kMessage && !item.refusal) text["logprobs"] = item.logprobs;
        emit(item.kind == Kind::kReasoning ? "response.reasoning_text.done"
             : item.refusal                ? "response.refusal.done"
                                           : "response.output_text.done",
             std::move(text), events);
        done["part"] = part(item);
        emit("response.content_part.done", std::move(done), events);
    }
    output_[index] = rendered(item, status);
    emit("response.output_item.done", {{"output_index", index}, {"item", output_[index]}}, events);
}

void ResponseBuilder::close_all(std::string_view status, Events& events) {
    for (std::size_t i = 0; i < items_.size(); ++i) close(i, status, events);
}

void ResponseBuilder::take_reasoning(std::string_view text, Events& events) {
    if (text.empty()) return;
    auto* item = current(Kind::kReasoning);
    if (item == nullptr) {
        item = &open(Kind::kReasoning, events);
        tell_start(items_.size() - 1, events);
    }
    item->text += text;
    emit("response.reasoning_text.delta",
         {{"item_id", item->id}, {"output_index", items_.size() - 1}, {"content_index", 0}, {"delta", text}}, events);
}

void ResponseBuilder::take_text(std::string_view text, bool refusal, const json::object& choice, Events& events) {
    if (text.empty()) return;
    auto* item = current(Kind::kMessage);
    if (item == nullptr || item->refusal != refusal) {
        item = &open(Kind::kMessage, events);
        item->refusal = refusal;
        tell_start(items_.size() - 1, events);
    }
    item->text += text;
    json::object data{
        {"item_id", item->id}, {"output_index", items_.size() - 1}, {"content_index", 0}, {"delta", text}};
    if (!refusal) {
        auto logprobs = logprobs_of(choice);
        for (const auto& one : logprobs) item->logprobs.push_back(one);
        data["logprobs"] = std::move(logprobs);
    }
    emit(refusal ? "response.refusal.delta" : "response.output_text.delta", std::move(data), events);
}

void ResponseBuilder::take_call(const json::object& call, Events& events) {
    const auto number = call.contains("index") ? count(call, "index") : 0;
    auto found =
        std::ranges::find_if(items_, [&](const Item& item) { return item.kind == Kind::kCall && item.call == number; });
    if (found == items_.end()) {
        open(Kind::kCall, events).call = number;
        found = std::prev(items_.end());
    }
    if (found->done) return;
    const auto index = static_cast<std::size_t>(found - items_.begin());
    if (found->call_id.empty()) found->call_id = json::string_or(call, "id");
    const auto* value = call.if_contains("function");
    if (value == nullptr || !value->is_object()) return;
    if (found->name.empty()) found->name = json::string_or(value->get_object(), "name");
    const std::string piece(json::string_or(value->get_object(), "arguments"));
    found->text += piece;
    if (found->name.empty()) return;
    if (!found->told) {
        if (found->call_id.empty()) found->call_id = new_id("call_");
        found->custom = options_.custom_tools.contains(found->name);
        if (found->custom) found->id = new_id("ctc_");
        tell_start(index, events);
    }
    if (!piece.empty() && !found->custom) {
        emit("response.function_call_arguments.delta",
             {{"item_id", found->id}, {"output_index", index}, {"delta", piece}}, events);
    }
}

void ResponseBuilder::take_delta(const json::object& delta, const json::object& choice, Events& events) {
    auto reasoning = json::string_or(delta, "reasoning_content");
    if (reasoning.empty()) reasoning = json::string_or(delta, "reasoning");
    take_reasoning(reasoning, events);
    if (const auto* blocks = delta.if_contains("thinking_blocks"); blocks != nullptr && blocks->is_array()) {
        for (const auto& block : blocks->get_array()) {
            if (!block.is_object()) continue;
            if (current(Kind::kReasoning) == nullptr) {
                open(Kind::kReasoning, events);
                tell_start(items_.size() - 1, events);
            }
            items_.back().thinking_blocks.push_back(block);
        }
    }
    take_text(json::string_or(delta, "content"), false, choice, events);
    take_text(json::string_or(delta, "refusal"), true, choice, events);
    if (const auto* calls = delta.if_contains("tool_calls"); calls != nullptr && calls->is_array()) {
        for (const auto& call : calls->get_array()) {
            if (call.is_object()) take_call(call.get_object(), events);
        }
    }
}

void ResponseBuilder::set_usage(const json::object& usage) {
    const auto input = count(usage, "prompt_tokens");
    const auto output = count(usage, "completion_tokens");
    response_["usage"] = {{"input_tokens", input},
                          {"input_tokens_details",
                           {{"cached_tokens", detail(usage, "prompt_tokens_details", "cached_tokens")},
                            {"cache_write_tokens", detail(usage, "prompt_tokens_details", "cache_write_tokens")}}},
                          {"output_tokens", output},
                          {"output_tokens_details",
                           {{"reasoning_tokens", detail(usage, "completion_tokens_details", "reasoning_tokens")}}},
                          {"total_tokens", input + output}};
}

void ResponseBuilder::end(std::string_view status, Events& events) {
    state_ = State::kEnded;
    // What never came to a name stays out: a client could not answer it.
    json::array output;
    for (auto& item : output_) {
        if (item.is_object()) output.push_back(item);
    }
    output_ = std::move(output);
    response_["output"] = output_;
    response_["status"] = status;
    if (status == "completed") response_["completed_at"] = unix_seconds(clock_.system());
    if (status != "cancelled") emit_response(fmt::format("response.{}", status), events);
}

Result<ResponseBuilder::Events> ResponseBuilder::feed(std::string_view payload) {
    Events events;
    if (state_ == State::kEnded) return events;
    if (payload == "[DONE]") {
        const bool cut = finish_reason_ == "length" || finish_reason_ == "content_filter";
        close_all(cut ? "incomplete" : "completed", events);
        if (cut) {
            response_["incomplete_details"] = {
                {"reason", finish_reason_ == "length" ? "max_output_tokens" : "content_filter"}};
        }
        end(cut ? "incomplete" : "completed", events);
        return events;
    }
    TRY_ASSIGN(const auto chunk, json::parse_object(payload));
    if (const auto* usage = chunk.if_contains("usage"); usage != nullptr && usage->is_object())
        set_usage(usage->get_object());
    const auto* choices = chunk.if_contains("choices");
    if (choices == nullptr || !choices->is_array()) return events;
    for (const auto& value : choices->get_array()) {
        const auto* choice = value.if_object();
        if (choice == nullptr) continue;
        if (const auto* delta = choice->if_contains("delta"); delta != nullptr && delta->is_object())
            take_delta(delta->get_object(), *choice, events);
        if (const auto reason = json::string_or(*choice, "finish_reason"); !reason.empty()) finish_reason_ = reason;
    }
    std::size_t held = 0;
    for (const auto& item : items_) held += item.text.size();
    if (held > options_.max_bytes || items_.size() > kMaxItems) {
        return atrium::fail(resource_exhausted(
            fmt::format("the response has grown beyond {} bytes or {} items", options_.max_bytes, kMaxItems)));
    }
    return events;
}

Result<ResponseBuilder::Events> ResponseBuilder::feed_completion(std::string_view completion) {
    TRY_ASSIGN(auto body, json::parse_object(completion));
    auto* choices = body.if_contains("choices");
    if (choices == nullptr || !choices->is_array() || choices->get_array().empty()) {
        return atrium::fail(unavailable("the model gave an answer that cannot be read, please retry")
                                .with_reason("upstream_interrupted"));
    }
    // A message is one large delta, but that its calls are not numbered.
    for (auto& value : choices->get_array()) {
        auto* choice = value.if_object();
        auto* message = choice != nullptr ? choice->if_contains("message") : nullptr;
        if (message == nullptr || !message->is_object()) continue;
        if (auto* calls = message->get_object().if_contains("tool_calls"); calls != nullptr && calls->is_array()) {
            std::int64_t index = 0;
            for (auto& call : calls->get_array()) {
                if (call.is_object()) call.get_object()["index"] = index++;
            }
        }
        json::value delta = *message;
        (*choice)["delta"] = std::move(delta);
    }
    TRY_ASSIGN(auto events, feed(json::serialize(body)));
    TRY_ASSIGN(auto last, feed("[DONE]"));
    for (auto& event : last) events.push_back(std::move(event));
    return events;
}

ResponseBuilder::Events ResponseBuilder::fail(const Error& error) {
    Events events;
    if (state_ == State::kEnded) return events;
    close_all("incomplete", events);
    response_["error"] = {{"code", error_code(error)}, {"message", public_message(error)}};
    end("failed", events);
    return events;
}

ResponseBuilder::Events ResponseBuilder::cancel() {
    Events events;
    if (state_ == State::kEnded) return events;
    close_all("incomplete", events);
    end("cancelled", events);
    return events;
}

}  // namespace atrium::app
