// Translating dialects over a real connection: what only the whole of it shows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/upstream/internal/scripted_server.h"
#include "model/upstream/upstream.h"

namespace atrium::model {
namespace {

using testing::ScriptedServer;

UpstreamCall make_call(std::string_view body, bool stream = false) {
    auto request = std::make_shared<ModelRequest>();
    request->object = json::parse_object(body).value();
    UpstreamCall call;
    call.model = "served";
    call.stream = stream;
    call.request = std::move(request);
    return call;
}

constexpr auto* kHi = R"({"messages":[{"role":"user","content":"hi"}]})";

std::unique_ptr<Upstream> upstream(http::Client& client, const ScriptedServer& server, std::string dialect) {
    auto options =
        UpstreamOptions{.name = "u", .dialect = std::move(dialect), .base_url = server.url(), .api_key = "k"};
    return make_upstream(client, std::move(options)).value();
}

struct Heard {
    std::vector<http::SseEvent> events;
    std::optional<Error> error;
    AnswerFacts facts;
    Wire wire = Wire::kOpenAiChat;
};

Task<Heard> listen(Upstream& upstream, UpstreamCall call) {
    Heard heard;
    auto answer = co_await upstream.call(std::move(call), {});
    if (!answer) {
        heard.error = answer.error();
        co_return heard;
    }
    while (true) {
        auto events = co_await (*answer)->next();
        if (!events) heard.error = events.error();
        if (!events || events->empty()) break;
        for (auto& event : *events) heard.events.push_back(std::move(event));
    }
    heard.facts = (*answer)->facts();
    heard.wire = (*answer)->wire();
    co_return heard;
}

Task<Result<std::string>> ask(Upstream& upstream, UpstreamCall call) {
    CO_TRY_ASSIGN(auto answer, co_await upstream.call(std::move(call), {}));
    co_return co_await answer->read_all(1 << 20);
}

http::Response stream_of(std::string type, std::string body) {
    http::Response response;
    response.headers.add("Content-Type", std::move(type));
    response.body = std::move(body);
    return response;
}

constexpr auto* kMessage =
    "event: message_start\n"
    R"(data: {"type":"message_start","message":{"id":"msg_1","model":"claude","usage":{"input_tokens":3,"output_tokens":1}}})"
    "\n\nevent: content_block_delta\n"
    R"(data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}})"
    "\n\nevent: message_delta\n"
    R"(data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}})"
    "\n\nevent: message_stop\n"
    R"(data: {"type":"message_stop"})"
    "\n\n";

TEST(Translated, AnAnthropicStreamWithItsFacts) {
    const ScriptedServer server(stream_of("text/event-stream", kMessage));
    http::Client client;
    const auto heard = run_blocking(listen(*upstream(client, server, "anthropic"), make_call(kHi, true)));
    ASSERT_FALSE(heard.error);
    EXPECT_EQ(server.head.path, "/v1/messages");
    EXPECT_EQ(server.head.headers.get("x-api-key"), "k");
    EXPECT_FALSE(server.head.headers.get("authorization"));
    EXPECT_EQ(heard.events.back().data, "[DONE]");
    EXPECT_EQ(heard.facts.usage.prompt_tokens, 3);
    EXPECT_EQ(heard.facts.usage.completion_tokens, 2);
    EXPECT_EQ(heard.facts.finish_reason, "stop");
    EXPECT_EQ(heard.facts.response_id, "msg_1");
}

TEST(Translated, ANativeCallerGetsTheBytesAndWeTheFacts) {
    const ScriptedServer server(stream_of("text/event-stream", kMessage));
    http::Client client;
    auto call = make_call(kHi, true);
    auto request = std::make_shared<ModelRequest>(*call.request);
    request->native =
        NativeRequest{Wire::kAnthropicMessages, R"({"model":"alias","max_tokens":9,"stream":true,"x":1})", {}};
    call.request = std::move(request);
    const auto heard = run_blocking(listen(*upstream(client, server, "anthropic"), std::move(call)));
    ASSERT_FALSE(heard.error);
    EXPECT_EQ(heard.wire, Wire::kAnthropicMessages);
    ASSERT_EQ(heard.events.size(), 4u);
    EXPECT_EQ(heard.events[0].event, "message_start");
    EXPECT_EQ(heard.facts.usage.prompt_tokens, 3);
    const auto sent = json::parse_object(server.body).value();
    EXPECT_EQ(json::string_or(sent, "model"), "served");
    EXPECT_EQ(sent.at("x"), 1);
}

TEST(Translated, LinesOfOllama) {
    const ScriptedServer server(stream_of("application/x-ndjson",
                                          "{\"message\":{\"content\":\"a\"},\"done\":false}\n"
                                          "{\"done\":true,\"eval_count\":7}"));
    http::Client client;
    const auto heard = run_blocking(listen(*upstream(client, server, "ollama"), make_call(kHi, true)));
    ASSERT_FALSE(heard.error);
    EXPECT_EQ(heard.events.back().data, "[DONE]");
    EXPECT_EQ(heard.facts.usage.completion_tokens, 7);
}

TEST(Translated, AGeminiStreamEndsWithItsBodyAndBreaksWithout) {
    const std::string piece = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\n";
    http::Client client;
    {
        const ScriptedServer server(
            stream_of("text/event-stream", piece + "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n"));
        const auto heard = run_blocking(listen(*upstream(client, server, "gemini"), make_call(kHi, true)));
        ASSERT_FALSE(heard.error);
        EXPECT_EQ(server.head.path, "/v1/models/served:streamGenerateContent");
        EXPECT_EQ(heard.events.back().data, "[DONE]");
    }
    const ScriptedServer server(stream_of("text/event-stream", piece));
    const auto heard = run_blocking(listen(*upstream(client, server, "gemini"), make_call(kHi, true)));
    ASSERT_TRUE(heard.error);
    EXPECT_EQ(heard.error->reason(), "upstream_interrupted");
    EXPECT_NE(heard.events.back().data, "[DONE]");
}

TEST(Translated, TeiAnswersWithAList) {
    const ScriptedServer server(http::Response::json(200, R"([{"index":0,"score":0.5},{"index":1,"score":0.75}])"));
    http::Client client;
    auto call = make_call(R"({"query":"q","documents":["a","b"]})");
    call.operation = Operation::kRerank;
    const auto answer = run_blocking(ask(*upstream(client, server, "tei"), std::move(call)));
    ASSERT_TRUE(answer) << answer.error().to_string();
    EXPECT_EQ(json::parse_object(*answer)->at("results").at(0).at("index"), 1);
}

TEST(Translated, ErrorsInTheProvidersWords) {
    http::Client client;
    const auto code = [&](std::string dialect, int status, std::string body) {
        const ScriptedServer server(http::Response::json(status, std::move(body)));
        return run_blocking(listen(*upstream(client, server, std::move(dialect)), make_call(kHi, true))).error->code();
    };
    EXPECT_EQ(code("anthropic", 529, R"({"type":"error","error":{"type":"overloaded_error","message":"m"}})"),
              Code::kUnavailable);
    EXPECT_EQ(code("gemini", 429, R"({"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m"}})"),
              Code::kResourceExhausted);
    EXPECT_EQ(code("ollama", 404, R"({"error":"model 'x' not found"})"), Code::kNotFound);
    EXPECT_EQ(code("kserve", 400, R"({"error":"unknown model"})"), Code::kInvalidArgument);
    EXPECT_EQ(code("openai-responses", 401, R"({"error":{"message":"bad key"}})"), Code::kUnavailable);
}

}  // namespace
}  // namespace atrium::model
