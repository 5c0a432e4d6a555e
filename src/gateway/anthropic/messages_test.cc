// Anthropic's routes through a real server and client, on a scripted model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/live_gateway.h"

namespace atrium::gateway {
namespace {

using ::testing::AllOf;
using testing::event;
using ::testing::HasSubstr;
using testing::LiveGateway;
using ::testing::Not;
using testing::Script;
using ::testing::StartsWith;

constexpr const char* kMessage = R"({"model":"model-a","max_tokens":9,"messages":[{"role":"user","content":"hi"}]})";
constexpr const char* kStream =
    R"({"model":"model-a","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]})";
constexpr const char* kFirst = R"({"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":"He"}}]})";

http::Headers anthropic(std::string_view key) {
    http::Headers headers = LiveGateway::with("x-api-key", std::string(key));
    headers.add("anthropic-version", "2023-06-01");
    headers.add("x-test-anonymous", "1");
    return headers;
}

TEST(MessagesRoute, AnswersAMessage) {
    LiveGateway live;
    live.script(
        {{{R"({"id":"c1","model":"served","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},
        "finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})"}}});
    const auto reply = live.post("/v1/messages", kMessage, anthropic(live.user_key));
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_THAT(
        reply.body,
        HasSubstr(R"("type":"message","role":"assistant","model":"model-a","content":[{"type":"text","text":"Hello"}],)"
                  R"("stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":2,)"));
    EXPECT_NE(reply.header("request-id"), "");
}

TEST(MessagesRoute, StreamsNamedEvents) {
    LiveGateway live;
    live.script({{{event(kFirst), event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"),
                   event(R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}})"),
                   event("[DONE]")}}});
    const auto reply = live.post("/v1/messages", kStream);
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(reply.body, AllOf(StartsWith("event: message_start\ndata: {\"type\":\"message_start\""),
                                  HasSubstr("event: message_stop\n"), Not(HasSubstr("[DONE]"))));
}

TEST(MessagesRoute, PingsInSilenceAndTellsABreak) {
    LiveGateway live({100'000, 100}, std::chrono::milliseconds(20));
    Script broken{{event(kFirst)}};
    broken.breaks_with = unavailable("gone");
    broken.pause = std::chrono::milliseconds(70);
    live.script({broken});
    const auto reply = live.post("/v1/messages", kStream);
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(reply.body,
                AllOf(StartsWith("event: ping\ndata: {\"type\": \"ping\"}\n\n"),
                      HasSubstr("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\""),
                      Not(HasSubstr("message_stop")), Not(HasSubstr(": keep-alive"))));
}

TEST(MessagesRoute, ErrorsHaveAnthropicsShape) {
    LiveGateway live;
    struct Case {
        testing::Reply reply;
        int status;
        const char* type;
    };
    http::Headers wrong = anthropic("nonsense");
    const Case cases[] = {
        {live.post("/v1/messages", "{}"), 400, "invalid_request_error"},
        {live.post("/v1/messages", kMessage, wrong), 401, "authentication_error"},
        {live.post("/v1/messages", R"({"model":"nope","max_tokens":9,"messages":[{"role":"user","content":"hi"}]})"),
         404, "not_found_error"},
        {live.get("/v1/messages"), 405, "invalid_request_error"},
        {live.get("/v1/models/nope", anthropic(live.user_key)), 404, "not_found_error"},
        {live.post("/v1/messages/count_tokens", R"({"model":"model-a","messages":7})"), 400, "invalid_request_error"},
    };
    for (const auto& one : cases) {
        EXPECT_EQ(one.reply.status, one.status) << one.reply.body;
        EXPECT_EQ(one.reply.error("type"), one.type);
        EXPECT_THAT(one.reply.body,
                    AllOf(StartsWith(R"({"type":"error","error":{)"), HasSubstr("\"request_id\":\"req_")));
    }
}

TEST(MessagesRoute, CountsTokensAndListsModels) {
    LiveGateway live;
    const auto counted =
        live.post("/v1/messages/count_tokens", R"({"model":"model-a","messages":[{"role":"user","content":"hello"}]})");
    ASSERT_EQ(counted.status, 200) << counted.body;
    EXPECT_GT(counted.json().at("input_tokens").as_int64(), 0);
    const auto models = live.get("/v1/models", anthropic(live.user_key));
    ASSERT_EQ(models.status, 200);
    EXPECT_THAT(
        models.body,
        HasSubstr(R"({"type":"model","id":"model-a","display_name":"model-a","created_at":"2023-11-14T22:13:20Z")"));
    EXPECT_EQ(models.json().at("last_id"), "e5");
    EXPECT_THAT(live.get("/v1/models").body, StartsWith(R"({"object":"list")"));
}

}  // namespace
}  // namespace atrium::gateway
