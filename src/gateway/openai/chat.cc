#include "gateway/model_calls.h"
#include "gateway/openai/openai_routes.h"
#include "gateway/openai/requests.h"
#include "gateway/openai/schemas.h"

namespace atrium::gateway {
namespace {

/// The common end of chat and completions: answer at once or as a stream.
Task<Result<>> relay(Call& call, app::ChatService& chat, model::Operation operation, Call::JsonText body, bool stream) {
    auto model_call = app::make_model_call(operation, call.context(), std::move(body.object), std::move(body.text));
    if (!stream) {
        CO_TRY_ASSIGN(auto answer, co_await chat.complete(std::move(model_call), &call.outcome));
        co_return co_await call.exchange().respond(http::Response::json(200, std::move(answer.body)));
    }
    co_await call.expect_sse();
    auto* to = &call;
    CO_TRY(co_await chat.stream(
        std::move(model_call),
        [to](const http::SseEvent& event, model::Wire) { return to->send_sse(event.data, event.event); },
        &call.outcome));
    co_return Result<>{};
}

Task<Result<>> create_chat_completion(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(auto body, co_await call.json_text());
    CO_TRY_ASSIGN(const auto request, validate_chat(body.object));
    CO_TRY(check_chat_fit(chat, request.model, request.only_text));
    co_return co_await relay(call, chat, model::Operation::kChat, std::move(body), request.stream);
}

Task<Result<>> create_completion(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(auto body, co_await call.json_text());
    CO_TRY_ASSIGN(const auto request, validate_completion(body.object));
    CO_TRY(check_chat_fit(chat, request.model, request.only_text));
    co_return co_await relay(call, chat, model::Operation::kCompletion, std::move(body), request.stream);
}

}  // namespace

void add_chat_routes(RouteTable& routes, app::ChatService& chat) {
    routes.add({.method = http::Method::kPost,
                .pattern = "/v1/chat/completions",
                .tag = "chat",
                .summary = "Answer a conversation, at once or as a stream",
                .handler = [&chat](Call& call) { return create_chat_completion(call, chat); },
                .request_schema = chat_request_schema(),
                .response_schema = completion_response_schema("chat.completion")});
    routes.add({.method = http::Method::kPost,
                .pattern = "/v1/completions",
                .tag = "chat",
                .summary = "Continue a text, at once or as a stream",
                .handler = [&chat](Call& call) { return create_completion(call, chat); },
                .request_schema = completion_request_schema(),
                .response_schema = completion_response_schema("text_completion")});
}

}  // namespace atrium::gateway
