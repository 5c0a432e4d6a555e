#include "gateway/anthropic/anthropic_routes.h"
#include "gateway/anthropic/message_answer.h"
#include "gateway/anthropic/message_request.h"
#include "gateway/anthropic/message_stream.h"
#include "gateway/model_calls.h"

namespace atrium::gateway {
namespace {

/// Anthropic's sign of life is an event: its clients drop comments, but some proxies count only events.
constexpr std::string_view kPing = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// Local engines report the prompt with the first token; others at the end, and then message_start says 0.
json::object known_usage(const app::CallOutcome& outcome) {
    return {{"prompt_tokens", outcome.usage.prompt_tokens},
            {"prompt_tokens_details", {{"cached_tokens", outcome.usage.cached_tokens}}}};
}

/// One streamed answer on its way; lives in the frame of stream_message.
struct Relay {
    Call& call;
    MessageStream stream;
    bool begun = false;

    Task<Result<>> pass(http::SseEvent event, model::Wire wire) {
        // Told in Anthropic's own words by the upstream: nothing to translate.
        if (wire == model::Wire::kAnthropicMessages) co_return co_await call.send_sse(event.data, event.event);
        if (!begun) stream.set_prompt_usage(known_usage(call.outcome));
        begun = true;
        CO_TRY_ASSIGN(const auto told, stream.feed(event.data));
        for (const auto& one : told) CO_TRY(co_await call.send_sse(one.data, one.event));
        co_return Result<>{};
    }
};

/// The call, with the request as it came for an upstream that speaks the same format.
app::ModelCall make_call(Call& call, MessageRequest& request, std::string received) {
    model::NativeRequest native{.wire = model::Wire::kAnthropicMessages, .text = std::move(received)};
    for (const auto* name : {"anthropic-version", "anthropic-beta"}) {
        if (const auto value = call.exchange().head().headers.get(name)) native.headers.add(name, std::string(*value));
    }
    auto shared = std::make_shared<model::ModelRequest>();
    shared->object = std::move(request.chat);
    shared->native = std::move(native);
    return {.operation = model::Operation::kChat, .context = call.context(), .request = std::move(shared)};
}

Task<Result<>> stream_message(Call& call, app::ChatService& chat, std::string model, app::ModelCall model_call) {
    call.set_stream_format({.keep_alive = std::string(kPing)});
    co_await call.expect_sse();
    Relay relay{call, MessageStream(std::move(model))};
    auto* to = &relay;
    CO_TRY(co_await chat.stream(
        std::move(model_call), [to](const http::SseEvent& event, model::Wire wire) { return to->pass(event, wire); },
        &call.outcome));
    co_return Result<>{};
}

Task<Result<>> create_message(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(auto body, co_await call.json_text());
    CO_TRY_ASSIGN(auto request, translate_message_request(body.object));
    CO_TRY(check_chat_fit(chat, request.model, request.only_text));
    auto model_call = make_call(call, request, std::move(body.text));
    if (request.stream) co_return co_await stream_message(call, chat, request.model, std::move(model_call));
    CO_TRY_ASSIGN(auto answer, co_await chat.complete(std::move(model_call), &call.outcome));
    if (answer.wire == model::Wire::kAnthropicMessages)
        co_return co_await call.exchange().respond(http::Response::json(200, std::move(answer.body)));
    CO_TRY_ASSIGN(const auto message, message_from_completion(answer.body));
    co_return co_await call.respond_json(message);
}

Task<Result<>> count_tokens(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(const auto request, translate_message_request(body, true));
    CO_TRY(check_chat_fit(chat, request.model, request.only_text));
    const auto counted = co_await count_chat_tokens(call, chat, request.chat);
    co_return co_await call.respond_json(json::object{{"input_tokens", counted}});
}

json::object type(std::string_view name) {
    return {{"type", name}};
}

json::object request_schema(bool count_only) {
    json::array required{"model", "messages"};
    if (!count_only) required.emplace_back("max_tokens");
    json::object properties{{"model", type("string")},
                            {"messages", {{"type", "array"}, {"items", type("object")}, {"minItems", 1}}},
                            {"system", {{"anyOf", {type("string"), type("array")}}}},
                            {"tools", type("array")},
                            {"tool_choice", type("object")},
                            {"thinking", type("object")}};
    if (!count_only) {
        properties["max_tokens"] = {{"type", "integer"}, {"minimum", 1}};
        properties["stream"] = type("boolean");
        properties["temperature"] = type("number");
        properties["top_p"] = type("number");
        properties["top_k"] = type("integer");
        properties["stop_sequences"] = type("array");
        properties["metadata"] = type("object");
    }
    return {{"type", "object"}, {"required", std::move(required)}, {"properties", std::move(properties)}};
}

}  // namespace

void add_message_routes(RouteTable& routes, app::ChatService& chat) {
    routes.add({.method = http::Method::kPost,
                .pattern = "/v1/messages",
                .dialect = Dialect::kAnthropic,
                .tag = "messages",
                .summary = "Answer a conversation in Anthropic's format, at once or as a stream",
                .handler = [&chat](Call& call) { return create_message(call, chat); },
                .request_schema = request_schema(false),
                .response_schema = {{"type", "object"},
                                    {"required", {"id", "type", "role", "model", "content", "stop_reason", "usage"}}}});
    routes.add(
        {.method = http::Method::kPost,
         .pattern = "/v1/messages/count_tokens",
         .dialect = Dialect::kAnthropic,
         .tag = "messages",
         .summary = "How many tokens a conversation has",
         .handler = [&chat](Call& call) { return count_tokens(call, chat); },
         .request_schema = request_schema(true),
         .response_schema = {
             {"type", "object"}, {"required", {"input_tokens"}}, {"properties", {{"input_tokens", type("integer")}}}}});
}

}  // namespace atrium::gateway
