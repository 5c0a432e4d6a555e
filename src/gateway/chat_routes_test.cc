// The model routes through a real server and client, on a scripted model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/live_gateway.h"
#include "platform/http/sse.h"

namespace atrium::gateway {
namespace {

using ::testing::AllOf;
using testing::event;
using testing::golden;
using ::testing::HasSubstr;
using testing::LiveGateway;
using ::testing::Not;
using testing::Script;
using ::testing::StartsWith;

constexpr const char* kChat = R"({"model":"model-a","messages":[{"role":"user","content":"hi"}]})";
constexpr const char* kStream = R"({"model":"model-a","stream":true,"messages":[{"role":"user","content":"hi"}]})";

/// What an upstream sends to arrive as the golden transcript: its own model name, usage on every stream.
std::string from_upstream(std::string text) {
    for (std::size_t at = 0; (at = text.find("\"model-a\"", at)) != std::string::npos;)
        text.replace(at, 9, "\"served\"");
    return text;
}

/// Golden text cut into pieces of `size` bytes: boundaries never fall where they would be convenient.
std::vector<std::string> cut(const std::string& text, std::size_t size) {
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size(); at += size) pieces.push_back(text.substr(at, size));
    return pieces;
}

TEST(ChatRoute, AnswersWithTheCallersModelAndHeaders) {
    LiveGateway live;
    live.script(
        {{{R"({"id":"c1","object":"chat.completion","created":1,"model":"served","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})"}}});
    const auto reply = live.post("/v1/chat/completions", kChat);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(
        reply.body,
        R"({"id":"c1","object":"chat.completion","created":1,"model":"model-a","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})");
    EXPECT_THAT(reply.header("content-type"), StartsWith("application/json"));
    EXPECT_THAT(reply.header("x-request-id"), StartsWith("req_"));
    EXPECT_EQ(reply.header("request-id"), reply.header("x-request-id"));
    EXPECT_EQ(reply.header("openai-version"), "2020-10-01");
    EXPECT_NE(reply.header("openai-processing-ms"), "");
    EXPECT_EQ(reply.header("x-atrium-model"), "model-a");
    EXPECT_EQ(reply.header("x-atrium-upstream"), "local");
    EXPECT_NE(reply.header("x-atrium-overhead-us"), "");
    EXPECT_EQ(reply.header("x-atrium-trace-id").size(), 32u);
}

TEST(ChatRoute, StreamsAsTheGoldenTranscript) {
    LiveGateway live;
    const auto upstream = from_upstream(golden("chat_stream_usage.sse"));
    for (const std::size_t size : {7u, 64u, 100'000u}) {
        live.script({{cut(upstream, size)}});
        const auto reply = live.post("/v1/chat/completions", kStream);
        EXPECT_EQ(reply.status, 200);
        EXPECT_EQ(reply.body, golden("chat_stream.sse")) << size;
        EXPECT_THAT(reply.header("content-type"), StartsWith("text/event-stream"));
        EXPECT_EQ(reply.header("cache-control"), "no-cache");
        EXPECT_EQ(reply.header("x-accel-buffering"), "no");
        EXPECT_EQ(reply.header("x-atrium-model"), "model-a");
    }
}

TEST(ChatRoute, StreamsUsageOnRequest) {
    LiveGateway live;
    live.script({{cut(from_upstream(golden("chat_stream_usage.sse")), 50)}});
    const auto reply = live.post(
        "/v1/chat/completions",
        R"({"model":"model-a","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]})");
    EXPECT_EQ(reply.body, golden("chat_stream_usage.sse"));
}

TEST(ChatRoute, StreamsToolCalls) {
    LiveGateway live;
    live.script({{cut(from_upstream(golden("tool_stream.sse")), 33)}});
    EXPECT_EQ(live.post("/v1/chat/completions", kStream).body, golden("tool_stream.sse"));
}

TEST(ChatRoute, ABreakInMidStreamIsTold) {
    LiveGateway live;
    const auto whole = from_upstream(golden("chat_stream.sse"));
    const auto two_events = whole.substr(0, whole.find("\n\n", whole.find("你好")) + 2);
    live.script({{{two_events}, unavailable("connection reset by peer")}});
    const auto reply = live.post("/v1/chat/completions", kStream);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, golden("chat_stream_broken.sse"));
}

TEST(ChatRoute, AnErrorBeforeTheFirstChunkIsAStatus) {
    LiveGateway live;
    live.script(
        {{.pieces = {},
          .error = invalid_argument("too long").with_reason("context_length_exceeded").with_field("messages")}});
    for (const auto* body : {kChat, kStream}) {
        const auto reply = live.post("/v1/chat/completions", body);
        EXPECT_EQ(reply.status, 400);
        EXPECT_EQ(reply.error("code"), "context_length_exceeded");
        EXPECT_EQ(reply.error("param"), "messages");
        EXPECT_EQ(reply.error("type"), "invalid_request_error");
    }
    live.script({{{event(R"({"error":{"message":"no memory","code":"engine_failed"}})")}}});
    EXPECT_EQ(live.post("/v1/chat/completions", kStream).status, 503);
}

TEST(ChatRoute, SilenceIsFilledWithComments) {
    LiveGateway live({100'000, 100}, std::chrono::milliseconds(20));
    live.script({{.pieces = {from_upstream(golden("chat_stream.sse"))}, .pause = std::chrono::milliseconds(120)}});
    const auto reply = live.post("/v1/chat/completions", kStream);
    EXPECT_THAT(reply.body, StartsWith(": keep-alive\n\n: keep-alive\n\n"));
    EXPECT_THAT(reply.body, HasSubstr(golden("chat_stream.sse")));
    // The head is gone by then, so the error is an event.
    live.script({{.pieces = {"unused"},
                  .breaks_with = std::nullopt,
                  .error = std::nullopt,
                  .pause = std::chrono::milliseconds(100)}});
    const auto broken = live.post("/v1/chat/completions", kStream);
    EXPECT_EQ(broken.status, 200);
    EXPECT_THAT(broken.body,
                AllOf(HasSubstr(": keep-alive\n\n"), HasSubstr("data: {\"error\":{"), Not(HasSubstr("[DONE]"))));
}

Task<Result<std::string>> read_first_and_leave(http::Client* client, http::ClientRequest request) {
    CO_TRY_ASSIGN(auto response, co_await client->send(std::move(request)));
    co_return co_await response->read_some();
}

TEST(ChatRoute, ALeavingClientStopsTheUpstreamAndIsSettled) {
    LiveGateway live;
    live.script({{.pieces = {event(R"({"id":"c","model":"served","choices":[{"index":0,"delta":{"content":"x"}}]})")},
                  .hangs = true}});
    auto first = run_blocking(
        read_first_and_leave(&live.client, live.prepare(http::Method::kPost, "/v1/chat/completions", kStream)));
    ASSERT_TRUE(first);
    EXPECT_THAT(*first, HasSubstr("\"x\""));
    for (int i = 0; i < 400 && live.usage.queued() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(live.usage.queued(), 1u);
    EXPECT_TRUE(live.upstream->closed);
    EXPECT_THAT(live.metrics.expose(), HasSubstr("atrium_http_requests_in_flight 0"));
}

TEST(ChatRoute, ALeavingClientStopsAPlainCallToo) {
    LiveGateway live;
    live.script({{.pieces = {}, .hangs = true}});
    auto request = live.prepare(http::Method::kPost, "/v1/chat/completions", kChat);
    request.deadlines.first_byte = std::chrono::milliseconds(50);
    EXPECT_FALSE(run_blocking(live.client.send(std::move(request))));
    for (int i = 0; i < 400 && live.usage.queued() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(live.usage.queued(), 1u);
    EXPECT_TRUE(live.upstream->closed);
    // Nobody saw a 503, and no operator should look for one.
    const auto metrics = live.get("/metrics").body;
    EXPECT_THAT(metrics, HasSubstr(R"(status="499"} 1)"));
    EXPECT_THAT(metrics, Not(HasSubstr(R"(status="503")")));
}

Task<Result<std::string>> drain_after_first(LiveGateway* live, http::ClientRequest request, std::thread* drainer) {
    CO_TRY_ASSIGN(auto response, co_await live->client.send(std::move(request)));
    CO_TRY_ASSIGN(auto text, co_await response->read_some());
    *drainer = std::thread([live] { live->drain(std::chrono::milliseconds(10)); });
    CO_TRY_ASSIGN(const auto rest, co_await response->read_all(1 << 20));
    co_return text + rest;
}

TEST(ChatRoute, DrainTellsRunningStreams) {
    LiveGateway live;
    live.script({{.pieces = {event(R"({"id":"c","model":"served","choices":[{"index":0,"delta":{"content":"x"}}]})")},
                  .hangs = true}});
    std::thread drainer;
    const auto text = run_blocking(
        drain_after_first(&live, live.prepare(http::Method::kPost, "/v1/chat/completions", kStream), &drainer));
    drainer.join();
    ASSERT_TRUE(text) << text.error().to_string();
    EXPECT_THAT(*text, AllOf(HasSubstr("\"content\":\"x\""), HasSubstr("shutting_down"), Not(HasSubstr("[DONE]"))));
}

TEST(ChatRoute, RefusesBadRequestsByField) {
    LiveGateway live;
    const auto field = [&](std::string body) {
        const auto reply = live.post("/v1/chat/completions", std::move(body));
        EXPECT_EQ(reply.status, 400);
        EXPECT_EQ(reply.error("type"), "invalid_request_error");
        return reply.error("param");
    };
    EXPECT_EQ(field(R"({"model":"model-a","messages":[]})"), "messages");
    EXPECT_EQ(field(R"({"model":"model-a","messages":[{"role":"x","content":""}]})"), "messages[0].role");
    EXPECT_EQ(field(R"({"messages":[]})"), "model");
    EXPECT_EQ(field(R"({"model":"model-a","messages":[)"), "null");
    EXPECT_EQ(field(R"([1])"), "null");
    EXPECT_EQ(field("{\"model\":\"\xff\"}"), "null");
    EXPECT_EQ(
        field(
            R"({"model":"model-a","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]})"),
        "messages");
    EXPECT_EQ(field(R"({"model":"e5","messages":[{"role":"user","content":"x"}]})"), "model");
    EXPECT_TRUE(live.upstream->calls.empty());
}

TEST(ChatRoute, RefusesOtherContentTypesAndUnknownModels) {
    LiveGateway live;
    EXPECT_EQ(
        live.post("/v1/chat/completions", "a=b", LiveGateway::with("Content-Type", "application/x-www-form-urlencoded"))
            .status,
        415);
    const auto unknown =
        live.post("/v1/chat/completions", R"({"model":"model-b","messages":[{"role":"user","content":"x"}]})");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(unknown.error("code"), "model_not_found");
    EXPECT_THAT(unknown.error("message"), HasSubstr("Did you mean 'model-a'?"));
}

TEST(ChatRoute, AModelThatIsStartingIs503) {
    LiveGateway live;
    live.router.set_readiness([](std::string_view) { return std::optional<std::string>("starting"); });
    const auto reply = live.post("/v1/chat/completions", kChat);
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.error("code"), "model_not_ready");
    EXPECT_NE(reply.header("retry-after"), "");
}

TEST(ChatRoute, CompletionsStreamToo) {
    LiveGateway live;
    live.script(
        {{{event(
               R"({"id":"t","object":"text_completion","model":"served","choices":[{"index":0,"text":"a","finish_reason":"stop"}]})") +
           event("[DONE]")}}});
    const auto reply = live.post("/v1/completions", R"({"model":"model-a","prompt":"x","stream":true})");
    EXPECT_EQ(
        reply.body,
        event(
            R"({"id":"t","object":"text_completion","model":"model-a","choices":[{"index":0,"text":"a","finish_reason":"stop"}]})") +
            event("[DONE]"));
    EXPECT_EQ(live.upstream->calls[0].operation, model::Operation::kCompletion);
}

TEST(EmbeddingRoute, FloatsAndBase64) {
    LiveGateway live;
    const char* answer =
        R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,-2]}],"model":"served","usage":{"prompt_tokens":1,"total_tokens":1}})";
    live.script({{{answer}}});
    const auto floats = live.post("/v1/embeddings", R"({"model":"e5","input":"x"})");
    EXPECT_EQ(floats.status, 200);
    EXPECT_THAT(floats.body, AllOf(HasSubstr("\"embedding\":[1"), HasSubstr("\"model\":\"e5\"")));
    const auto packed =
        live.post("/v1/embeddings", R"({"model":"e5","input":["x"],"encoding_format":"base64","dimensions":2})");
    EXPECT_THAT(packed.body, HasSubstr(R"("embedding":"AACAPwAAAMA=")"));
    EXPECT_EQ(json::string_or(live.upstream->bodies[1], "encoding_format"), "float");
    EXPECT_FALSE(live.upstream->bodies[1].contains("dimensions"));
}

TEST(EmbeddingRoute, RefusesWhatCannotBe) {
    LiveGateway live;
    EXPECT_EQ(live.post("/v1/embeddings", R"({"model":"e5","input":"x","dimensions":3})").error("param"), "dimensions");
    EXPECT_EQ(live.post("/v1/embeddings", R"({"model":"model-a","input":"x"})").error("param"), "model");
    EXPECT_EQ(live.post("/v1/embeddings", R"({"model":"e5","input":[]})").error("param"), "input");
}

TEST(ModelRoutes, ListAndOne) {
    LiveGateway live;
    const auto list = live.get("/v1/models");
    EXPECT_EQ(list.body,
              R"({"object":"list","data":[{"id":"model-a","object":"model","created":1700000000,"owned_by":"atrium"},)"
              R"({"id":"e5","object":"model","created":1700000000,"owned_by":"atrium"}]})");
    EXPECT_EQ(live.get("/v1/models/e5").json().at("id").as_string(), "e5");
    live.router.publish({app::testing::scripted_route(live.upstream, "org/name")});
    EXPECT_EQ(live.get("/v1/models/org%2Fname").json().at("id").as_string(), "org/name");
    EXPECT_EQ(live.get("/v1/models/none").error("code"), "model_not_found");
}

/// An upstream behind HTTP, for what happens between two processes.
class HttpEngine {
public:
    explicit HttpEngine(std::vector<std::string> events, bool dies) : events_(std::move(events)), dies_(dies) {
        url = "http://" + server_.listen("127.0.0.1:0").value() + "/v1";
        thread_ = std::thread([this] { runtime_.run(); });
    }
    ~HttpEngine() {
        runtime_.stop();
        thread_.join();
    }
    std::string url;
    std::vector<std::string> peers;  ///< one per request; equal: one connection

private:
    static Task<> answer(HttpEngine* self, http::Exchange& exchange) {
        self->peers.push_back(exchange.head().peer);
        (void)co_await exchange.read_body(1 << 20);
        http::ResponseHead head;
        head.headers.add("Content-Type", "text/event-stream");
        (void)co_await exchange.start(std::move(head));
        for (const auto& text : self->events_) (void)co_await exchange.write(text);
        // Without finish() the connection breaks off, as when the process is killed.
        if (!self->dies_) (void)co_await exchange.finish();
    }

    std::vector<std::string> events_;
    const bool dies_;
    Runtime runtime_{1};
    http::Server server_{runtime_, {}, [this](http::Exchange& exchange) { return answer(this, exchange); }};
    std::thread thread_;
};

TEST(ChatRoute, ADyingEngineIsToldWithinASecond) {
    HttpEngine engine({event(R"({"id":"c","model":"served","choices":[{"index":0,"delta":{"content":"half an"}}]})")},
                      true);
    http::Client client;
    LiveGateway live;
    live.serve(model::make_upstream(client, {.name = "engine", .base_url = engine.url}).value());
    const auto began = std::chrono::steady_clock::now();
    const auto reply = live.post("/v1/chat/completions", kStream);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
    EXPECT_THAT(reply.body, AllOf(HasSubstr("half an"), HasSubstr("upstream_interrupted"), Not(HasSubstr("[DONE]"))));
}

TEST(ChatRoute, StreamsShareOneConnectionToTheUpstream) {
    HttpEngine engine({from_upstream(golden("chat_stream.sse"))}, false);
    http::Client client;
    LiveGateway live;
    live.serve(model::make_upstream(client, {.name = "engine", .base_url = engine.url}).value());
    for (int i = 0; i < 3; ++i) EXPECT_EQ(live.post("/v1/chat/completions", kStream).body, golden("chat_stream.sse"));
    ASSERT_EQ(engine.peers.size(), 3u);
    EXPECT_EQ(engine.peers[0], engine.peers[1]);
    EXPECT_EQ(engine.peers[1], engine.peers[2]);
}

}  // namespace
}  // namespace atrium::gateway
