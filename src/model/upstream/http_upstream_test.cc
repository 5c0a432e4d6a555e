#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "model/upstream/internal/scripted_server.h"
#include "model/upstream/upstream.h"

namespace atrium::model {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScriptedServer;

TEST(UpstreamError, KeepsMessageCodeAndParam) {
    const auto error = error_from_upstream(
        "vllm", 400,
        R"({"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}})");
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_EQ(error.message(), "too long");
    EXPECT_EQ(error.reason(), "context_length_exceeded");
    EXPECT_EQ(error.field(), "messages");
}

TEST(UpstreamError, ReadsTheFlatShapeAndNumericCodes) {
    const auto error = error_from_upstream("vllm", 404, R"({"object":"error","message":"no such model","code":404})");
    EXPECT_EQ(error.code(), Code::kNotFound);
    EXPECT_EQ(error.message(), "no such model");
    EXPECT_EQ(error.reason(), "");
}

TEST(UpstreamError, HidesForeignBodies) {
    const auto error = error_from_upstream("vllm", 500, "<html>stack trace: secret</html>");
    EXPECT_EQ(error.code(), Code::kUnknown);
    EXPECT_THAT(error.message(), Not(HasSubstr("secret")));
    ASSERT_NE(error.cause(), nullptr);
    EXPECT_THAT(error.cause()->message(), HasSubstr("secret"));
}

TEST(UpstreamError, OurCredentialIsNotTheCallersFault) {
    for (const int status : {401, 403}) {
        const auto error = error_from_upstream("hosted", status, R"({"error":{"message":"bad key sk-123"}})");
        EXPECT_EQ(error.code(), Code::kUnavailable);
        EXPECT_THAT(error.message(), Not(HasSubstr("sk-123")));
    }
}

TEST(UpstreamError, RedirectsAreAMistakeOfTheConfiguration) {
    EXPECT_EQ(error_from_upstream("hosted", 302, "").code(), Code::kUnavailable);
}

TEST(UpstreamError, EventsInsideAStream) {
    const auto parse = [](std::string_view text) { return json::parse_object(text).value(); };
    EXPECT_FALSE(error_in_event("u", parse(R"({"choices":[]})")));
    EXPECT_FALSE(error_in_event("u", parse(R"({"error":null})")));
    const auto error = error_in_event("u", parse(R"({"error":{"message":"out of memory","code":"engine_failed"}})"));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Code::kUnavailable);
    EXPECT_EQ(error->reason(), "engine_failed");
    EXPECT_EQ(error_in_event("u", parse(R"({"error":{"message":"x","code":400}})"))->code(), Code::kInvalidArgument);
    EXPECT_TRUE(error_in_event("u", parse(R"({"error":{}})")));
}

std::shared_ptr<const ModelRequest> request(std::string_view body) {
    auto made = std::make_shared<ModelRequest>();
    made->object = json::parse_object(body).value();
    return made;
}

UpstreamCall plain_call(bool stream = false) {
    UpstreamCall call;
    call.model = "served";
    call.stream = stream;
    call.request = request(R"({"model":"alias","messages":[]})");
    return call;
}

Task<Result<std::string>> ask(Upstream& upstream, UpstreamCall call) {
    CO_TRY_ASSIGN(auto response, co_await upstream.call(std::move(call), {}));
    co_return co_await response->read_all(1 << 20);
}

TEST(HttpUpstream, SendsModelKeyAndTraceToItsOrigin) {
    ScriptedServer server(http::Response::json(200, R"({"ok":true})"));
    http::Client client;
    auto upstream = make_upstream(client, {.name = "hosted", .base_url = server.url(), .api_key = "secret"}).value();
    UpstreamCall call;
    call.model = "served-name";
    call.request = request(R"({"model":"alias","future_field":7})");
    call.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    call.request_id = "req_1";
    call.tenant = "salt";
    const auto answer = run_blocking(ask(*upstream, call));
    ASSERT_TRUE(answer) << answer.error().to_string();
    EXPECT_EQ(*answer, R"({"ok":true})");
    EXPECT_EQ(server.head.path, "/v1/chat/completions");
    EXPECT_EQ(server.head.headers.get("authorization"), "Bearer secret");
    EXPECT_EQ(server.head.headers.get("traceparent"), call.traceparent);
    EXPECT_EQ(server.head.headers.get("x-request-id"), "req_1");
    EXPECT_FALSE(server.head.headers.get("x-atrium-tenant"));
    const auto sent = json::parse_object(server.body).value();
    EXPECT_EQ(json::string_or(sent, "model"), "served-name");
    EXPECT_EQ(sent.at("future_field").as_int64(), 7);
}

TEST(HttpUpstream, SendsTheCallersBytesWithWhatHasToChange) {
    ScriptedServer server(http::Response::json(200, R"({"ok":true})"));
    http::Client client;
    auto upstream = make_upstream(client, {.name = "hosted", .base_url = server.url()}).value();
    auto call = plain_call();
    auto made = std::make_shared<ModelRequest>();
    made->text =
        R"({ "messages": [ {"role":"user", "content":"caf\u00e9"} ],  "model":"alias", "n": 1.0, "stream":false})";
    made->object = json::parse_object(made->text).value();
    call.request = made;
    ASSERT_TRUE(run_blocking(ask(*upstream, call)));
    EXPECT_EQ(server.body, R"({ "messages": [ {"role":"user", "content":"caf\u00e9"} ],  "model":"served", "n": 1.0})");
}

TEST(HttpUpstream, AnErrorAnswerIsAnError) {
    auto limited = http::Response::json(
        429, R"({"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}})");
    limited.headers.add("Retry-After", "2");
    limited.headers.add("retry-after-ms", "1500");
    ScriptedServer server(std::move(limited));
    http::Client client;
    auto upstream = make_upstream(client, {.name = "hosted", .base_url = server.url()}).value();
    const auto answer = run_blocking(ask(*upstream, plain_call()));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), Code::kResourceExhausted);
    EXPECT_EQ(answer.error().message(), "slow down");
    EXPECT_EQ(answer.error().retry_after().count(), 1500);
}

TEST(HttpUpstream, NobodyListeningIsUnavailable) {
    http::Client client;
    auto upstream = make_upstream(client, {.name = "gone", .base_url = "unix:/nonexistent/engine.sock:/v1"}).value();
    const auto answer = run_blocking(ask(*upstream, plain_call()));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), Code::kUnavailable);
    EXPECT_THAT(answer.error().message(), HasSubstr("'gone'"));
}

Task<Result<>> read_stream(Upstream& upstream, std::vector<std::string>* into) {
    CO_TRY_ASSIGN(auto answer, co_await upstream.call(plain_call(true), {}));
    while (true) {
        CO_TRY_ASSIGN(const auto events, co_await answer->next());
        if (events.empty()) co_return Result<>{};
        for (const auto& event : events) into->push_back(event.data);
    }
}

http::Response events(std::string body) {
    http::Response response{200, {}, std::move(body)};
    response.headers.add("Content-Type", "text/event-stream");
    return response;
}

TEST(HttpUpstream, WhatCameBeforeAnErrorEventIsStillDelivered) {
    ScriptedServer server(
        events("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
               "data: {\"error\":{\"message\":\"out of memory\"}}\n\n"));
    http::Client client;
    auto upstream = make_upstream(client, {.name = "u", .base_url = server.url()}).value();
    std::vector<std::string> got;
    const auto result = run_blocking(read_stream(*upstream, &got));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message(), "out of memory");
    EXPECT_EQ(got.size(), 1u);
}

TEST(HttpUpstream, ADocumentInsteadOfAStreamIsItsError) {
    ScriptedServer server(http::Response::json(200, R"({"error":{"message":"busy","code":429}})"));
    http::Client client;
    auto upstream = make_upstream(client, {.name = "u", .base_url = server.url()}).value();
    std::vector<std::string> got;
    const auto result = run_blocking(read_stream(*upstream, &got));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), Code::kResourceExhausted);
}

TEST(HttpUpstream, ABaseUrlKeepsItsQuery) {
    ScriptedServer server(http::Response::json(200, R"({"ok":true})"));
    http::Client client;
    auto upstream = make_upstream(client, {.name = "u", .base_url = server.url() + "/?api-version=1"}).value();
    ASSERT_TRUE(run_blocking(ask(*upstream, plain_call())));
    EXPECT_EQ(server.head.target, "/v1/chat/completions?api-version=1");
}

TEST(HttpUpstream, AnUnknownDialectIsRefusedWithASuggestion) {
    http::Client client;
    const auto made = make_upstream(client, {.name = "x", .dialect = "opena", .base_url = "http://host/v1"});
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().message(), HasSubstr("'openai'"));
}

TEST(HttpUpstream, RefusesABadUrl) {
    http::Client client;
    EXPECT_FALSE(make_upstream(client, {.name = "x", .base_url = "ftp://host/"}));
    EXPECT_FALSE(make_upstream(client, {.name = "x", .base_url = "http://user:pass@host/"}));
}

}  // namespace
}  // namespace atrium::model
