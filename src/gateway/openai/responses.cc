#include "gateway/openai/responses.h"

#include <fmt/format.h>

#include "gateway/model_calls.h"

namespace atrium::gateway {
namespace {

Task<Result<>> send_event(Call* call, http::SseEvent event) {
    co_return co_await call->send_sse(event.data, event.event);
}

Task<Result<>> create_response(Call& call, app::ResponseService& responses) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(auto request, app::ResponseRequest::parse(body));
    if (!request.stream) {
        CO_TRY_ASSIGN(const auto response,
                      co_await responses.create(call.context(), std::move(request), &call.outcome));
        co_return co_await call.respond_json(response);
    }
    co_await call.expect_sse();
    auto* to = &call;
    co_return co_await responses.stream(
        call.context(), std::move(request), [to](const http::SseEvent& event) { return send_event(to, event); },
        &call.outcome);
}

Task<Result<>> get_response(Call& call, app::ResponseService& responses) {
    const auto& project = call.principal().project;
    const auto& id = call.path("response_id");
    const auto stream = call.query("stream").value_or("false");
    if (stream != "true" && stream != "false")
        co_return fail(invalid_argument("'stream' must be true or false").with_field("stream"));
    CO_TRY_ASSIGN(const auto after, call.query_int("starting_after", -1, 0, INT32_MAX));
    if (stream == "false") {
        CO_TRY_ASSIGN(const auto response, co_await responses.get(project, id));
        co_return co_await call.respond_json(response);
    }
    co_await call.expect_sse();
    auto* to = &call;
    co_return co_await responses.follow(
        project, id, after, [to](const http::SseEvent& event) { return send_event(to, event); }, call.context().stop);
}

Task<Result<>> delete_response(Call& call, app::ResponseService& responses) {
    const auto& id = call.path("response_id");
    CO_TRY(co_await responses.remove(call.principal().project, id));
    co_return co_await call.respond_json(json::object{{"id", id}, {"object", "response.deleted"}, {"deleted", true}});
}

Task<Result<>> cancel_response(Call& call, app::ResponseService& responses) {
    CO_TRY_ASSIGN(const auto response, co_await responses.cancel(call.principal().project, call.path("response_id")));
    co_return co_await call.respond_json(response);
}

Task<Result<>> list_input_items(Call& call, app::ResponseService& responses) {
    CO_TRY_ASSIGN(auto paging, item_paging(call));
    CO_TRY_ASSIGN(const auto list, co_await responses.input_items(call.principal().project, call.path("response_id"),
                                                                  std::move(paging)));
    co_return co_await call.respond_json(list);
}

Task<Result<>> count_input_tokens(Call& call, app::ResponseService& responses, app::ChatService& chat) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(auto request, app::ResponseRequest::parse(body));
    CO_TRY_ASSIGN(const auto chat_body, co_await responses.chat_body(call.context(), std::move(request)));
    const auto counted = co_await count_chat_tokens(call, chat, chat_body);
    co_return co_await call.respond_json(json::object{{"object", "response.input_tokens"}, {"input_tokens", counted}});
}

json::object request_schema() {
    const auto type = [](std::string_view name) { return json::object{{"type", name}}; };
    return {{"type", "object"},
            {"required", {"model"}},
            {"properties",
             {{"model", type("string")},
              {"input", {{"anyOf", {type("string"), {{"type", "array"}, {"items", type("object")}}}}}},
              {"instructions", type("string")},
              {"previous_response_id", type("string")},
              {"conversation", {{"anyOf", {type("string"), type("object")}}}},
              {"stream", type("boolean")},
              {"store", type("boolean")},
              {"background", type("boolean")},
              {"tools", type("array")},
              {"tool_choice", {{"anyOf", {type("string"), type("object")}}}},
              {"parallel_tool_calls", type("boolean")},
              {"text", type("object")},
              {"reasoning", type("object")},
              {"include", type("array")},
              {"max_output_tokens", type("integer")},
              {"temperature", type("number")},
              {"top_p", type("number")},
              {"truncation", {{"enum", {"auto", "disabled"}}}},
              {"metadata", type("object")}}}};
}

}  // namespace

Result<app::ItemPaging> item_paging(Call& call) {
    app::ItemPaging paging;
    TRY_ASSIGN(const auto limit, call.query_int("limit", 20, 1, 100));
    paging.limit = static_cast<int>(limit);
    const auto order = call.query("order").value_or("desc");
    if (order != "asc" && order != "desc")
        return fail(invalid_argument("'order' must be asc or desc").with_field("order"));
    paging.ascending = order == "asc";
    paging.after = call.query("after").value_or("");
    return paging;
}

void add_response_routes(RouteTable& routes, app::ResponseService& responses, app::ChatService& chat) {
    auto* service = &responses;
    auto* models = &chat;
    const json::object response_schema{{"type", "object"}, {"required", {"id", "object", "status", "output", "model"}}};
    routes.add({.method = http::Method::kPost,
                .pattern = "/v1/responses",
                .tag = "responses",
                .summary = "Make a response, at once, as a stream or in the background",
                .handler = [service](Call& call) { return create_response(call, *service); },
                .request_schema = request_schema(),
                .response_schema = response_schema});
    routes.add({.method = http::Method::kPost,
                .pattern = "/v1/responses/input_tokens",
                .tag = "responses",
                .summary = "How many tokens a request would send",
                .handler = [service, models](Call& call) { return count_input_tokens(call, *service, *models); },
                .request_schema = request_schema()});
    routes.add({.method = http::Method::kGet,
                .pattern = "/v1/responses/{response_id}",
                .tag = "responses",
                .summary = "A stored response; with ?stream=true the events of a background one",
                .handler = [service](Call& call) { return get_response(call, *service); },
                .response_schema = response_schema});
    routes.add({.method = http::Method::kDelete,
                .pattern = "/v1/responses/{response_id}",
                .tag = "responses",
                .summary = "Delete a stored response",
                .handler = [service](Call& call) { return delete_response(call, *service); }});
    routes.add({.method = http::Method::kPost,
                .pattern = "/v1/responses/{response_id}/cancel",
                .tag = "responses",
                .summary = "Cancel a background response",
                .handler = [service](Call& call) { return cancel_response(call, *service); },
                .response_schema = response_schema});
    routes.add({.method = http::Method::kGet,
                .pattern = "/v1/responses/{response_id}/input_items",
                .tag = "responses",
                .summary = "What a response was asked",
                .handler = [service](Call& call) { return list_input_items(call, *service); }});
}

}  // namespace atrium::gateway
