// Ollama's routes through a real server and client, on a scripted model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "gateway/live_gateway.h"
#include "gateway/ollama/ollama_request.h"

namespace atrium::gateway {
namespace {

using testing::event;
using ::testing::HasSubstr;
using testing::LiveGateway;
using testing::Script;

constexpr const char* kChat = R"({"model":"model-a","messages":[{"role":"user","content":"hi"}]})";

std::string without_times(std::string text) {
    text = std::regex_replace(text, std::regex("\"created_at\":\"[^\"]*\""), "\"created_at\":\"T\"");
    return std::regex_replace(text, std::regex("_duration\":[0-9]+"), "_duration\":0");
}

TEST(OllamaRoute, StreamsLinesByDefault) {
    LiveGateway live;
    live.script(
        {{{event(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":"He"}}]})"),
           event(
               R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\"a\":"}}]}}]})"),
           event(R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]})"),
           event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]})"),
           event(R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})"),
           event("[DONE]")}}});
    const auto reply = live.post("/api/chat", kChat);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.header("content-type"), "application/x-ndjson");
    EXPECT_EQ(
        without_times(reply.body),
        R"({"model":"model-a","created_at":"T","message":{"role":"assistant","content":"He"},"done":false})"
        "\n"
        R"({"model":"model-a","created_at":"T","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},"done":false})"
        "\n"
        R"({"model":"model-a","created_at":"T","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":0,"load_duration":0,)"
        R"("prompt_eval_count":3,"prompt_eval_duration":0,"eval_count":2,"eval_duration":0})"
        "\n");
}

TEST(OllamaRoute, AnswersAtOnceWhenAsked) {
    LiveGateway live;
    live.script(
        {{{R"({"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"length"}],
        "usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})"}}});
    const auto reply = live.post(
        "/api/generate", R"({"model":"model-a:latest","prompt":"hi","stream":false,"options":{"num_predict":2}})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_THAT(reply.body, HasSubstr(R"("response":"Hello")"));
    EXPECT_THAT(reply.body, HasSubstr(R"("done":true,"done_reason":"length")"));
    EXPECT_EQ(json::serialize(live.upstream->bodies.back().at("messages")), R"([{"role":"user","content":"hi"}])");
}

TEST(OllamaRoute, ABreakIsALastLine) {
    LiveGateway live;
    Script broken{{event(R"({"choices":[{"index":0,"delta":{"content":"He"}}]})")}};
    broken.breaks_with = unavailable("gone");
    live.script({broken});
    const auto reply = live.post("/api/chat", kChat);
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(reply.body, HasSubstr("}\n{\"error\":\""));
    EXPECT_THAT(reply.body, ::testing::Not(HasSubstr("\"done\":true")));
}

TEST(OllamaRoute, ListsShowsAndRefuses) {
    LiveGateway live;
    EXPECT_THAT(live.get("/api/tags").body, HasSubstr(R"({"name":"model-a","model":"model-a")"));
    EXPECT_THAT(live.get("/api/ps").body, HasSubstr("model-a"));
    EXPECT_EQ(live.get("/api/version").body, R"({"version":"1.2.3"})");
    EXPECT_THAT(live.post("/api/show", R"({"model":"e5"})").body, HasSubstr(R"("capabilities":["embedding"])"));
    const auto missing = live.post("/api/show", R"({"model":"none"})");
    EXPECT_EQ(missing.status, 404);
    EXPECT_THAT(missing.body, ::testing::StartsWith(R"({"error":")"));
    EXPECT_EQ(live.post("/api/pull", R"({"model":"x"})").status, 501);
    EXPECT_EQ(live.get("/api/nothing").status, 404);
    EXPECT_THAT(live.get("/api/nothing").body, ::testing::StartsWith(R"({"error":")"));
}

TEST(OllamaRoute, Embeds) {
    LiveGateway live;
    live.script(
        {{{R"({"object":"list","data":[{"index":0,"embedding":[1,0]},{"index":1,"embedding":[0,1]}],"usage":{"prompt_tokens":2,"total_tokens":2}})"}}});
    EXPECT_THAT(live.post("/api/embed", R"({"model":"e5","input":["a","b"]})").body,
                HasSubstr(R"("embeddings":[[1,0],[0,1]])"));
    EXPECT_THAT(live.post("/api/embeddings", R"({"model":"e5","prompt":"a"})").body,
                HasSubstr(R"({"embedding":[1,0]})"));
    EXPECT_EQ(live.post("/api/embed", R"({"model":"model-a","input":"a"})").status, 400);
}

TEST(OllamaRequest, ErrorsNameTheField) {
    const std::pair<const char*, const char*> cases[] = {
        {R"({"messages":[]})", "model"},
        {R"({"model":"m","messages":7})", "messages"},
        {R"({"model":"m","messages":[{"role":"robot","content":"x"}]})", "messages[0].role"},
        {R"({"model":"m","messages":[{"role":"user","content":7}]})", "messages[0].content"},
        {R"({"model":"m","messages":[{"role":"user","content":"x","images":[7]}]})", "messages[0].images[0]"},
        {R"({"model":"m","messages":[{"role":"user","content":"x"}],"stream":"yes"})", "stream"},
        {R"({"model":"m","messages":[{"role":"user","content":"x"}],"options":{"temperature":"hot"}})",
         "options.temperature"},
        {R"({"model":"m","messages":[{"role":"user","content":"x"}],"options":{"stop":7}})", "options.stop"},
        {R"({"model":"m","messages":[{"role":"user","content":"x"}],"format":7})", "format"},
        {R"({"model":"m","messages":[{"role":"user","content":"x"}],"think":7})", "think"},
        {R"({"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function"}]})",
         "tools[0].function"},
    };
    for (const auto& [text, field] : cases) {
        const auto request = translate_ollama_chat(json::parse_object(text).value());
        ASSERT_FALSE(request) << text;
        EXPECT_EQ(request.error().field(), field) << request.error().to_string();
    }
}

}  // namespace
}  // namespace atrium::gateway
