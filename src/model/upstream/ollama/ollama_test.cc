#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/upstream/internal/dialect_testing.h"
#include "model/upstream/ollama/ollama_dialect.h"

namespace atrium::model {
namespace {

using testing::chat_call;
using testing::decode_events;
using testing::encoded;
using testing::parse;

const OllamaDialect kDialect;

TEST(OllamaEncode, StreamIsAlwaysSaid) {
    EXPECT_EQ(encoded(kDialect, R"({"messages":[{"role":"user","content":"x"}]})").at("stream"), false);
    EXPECT_EQ(encoded(kDialect, chat_call(R"({"messages":[{"role":"user","content":"x"}]})", true)).at("stream"), true);
}

TEST(OllamaEncode, Refusals) {
    const auto field = [](std::string_view members) {
        const auto body =
            encoded(kDialect, R"({"messages":[{"role":"user","content":"x"}],)" + std::string(members) + "}");
        return std::string(json::string_or(body, "field"));
    };
    constexpr std::string_view kTool = R"(,"tools":[{"type":"function","function":{"name":"f"}}])";
    EXPECT_EQ(field(R"("tool_choice":"required")" + std::string(kTool)), "tool_choice");
    EXPECT_EQ(field(R"("tool_choice":"none")" + std::string(kTool)), "");
    EXPECT_EQ(field(R"("n":2)"), "n");
    EXPECT_EQ(json::string_or(encoded(kDialect, R"({"messages":[{"role":"user","content":[
        {"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]})"),
                              "refused"),
              "messages[0].content[0]: an Ollama upstream does not take images by URL; send them as data: URLs");
}

TEST(OllamaEncode, Thinking) {
    const auto think = [](std::string_view effort) {
        return json::serialize(encoded(kDialect, R"({"messages":[{"role":"user","content":"x"}],"reasoning_effort":")" +
                                                     std::string(effort) + "\"}")
                                   .at("think"));
    };
    EXPECT_EQ(think("none"), "false");
    EXPECT_EQ(think("minimal"), "\"low\"");
    EXPECT_EQ(think("medium"), "\"medium\"");
    EXPECT_EQ(think("xhigh"), "\"high\"");
    EXPECT_FALSE(encoded(kDialect, R"({"messages":[{"role":"user","content":"x"}]})").contains("think"));
}

TEST(OllamaCompletion, RawUnlessThereIsASuffix) {
    auto call = chat_call(R"({"prompt":"def f(","max_tokens":5,"stop":"\n"})");
    call.operation = Operation::kCompletion;
    EXPECT_EQ(
        json::serialize(encoded(kDialect, call)),
        R"({"model":"served-model","prompt":"def f(","stream":false,"raw":true,"options":{"num_predict":5,"stop":["\n"]}})");
    call = chat_call(R"({"prompt":["a"],"suffix":"b"})");
    call.operation = Operation::kCompletion;
    EXPECT_FALSE(encoded(kDialect, call).contains("raw"));
    call = chat_call(R"({"prompt":["a","b"]})");
    call.operation = Operation::kCompletion;
    EXPECT_EQ(json::string_or(encoded(kDialect, call), "field"), "prompt");
}

TEST(OllamaCompletion, ChunksAreTextCompletions) {
    auto call = chat_call(R"({"prompt":"a"})");
    call.operation = Operation::kCompletion;
    const auto seen =
        decode_events(kDialect, call,
                      {R"({"response":"b","done":false})",
                       R"({"response":"","done":true,"done_reason":"length","prompt_eval_count":3,"eval_count":4})"});
    ASSERT_FALSE(seen.error);
    EXPECT_EQ(json::string_or(seen.chunks[0], "object"), "text_completion");
    EXPECT_EQ(seen.chunks[0].at("choices").at(0).at("text"), "b");
    EXPECT_EQ(seen.finish_reason(), "length");
    EXPECT_TRUE(seen.done());
}

TEST(OllamaStream, CallsWithoutIdsGetDifferentOnes) {
    const auto seen = decode_events(
        kDialect, chat_call("{}"),
        {R"({"message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"f","arguments":{}}}]},"done":false})",
         R"({"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","eval_count":4})"});
    ASSERT_FALSE(seen.error);
    std::vector<std::string> ids;
    for (const auto& chunk : seen.chunks) {
        if (!chunk.contains("choices") || chunk.at("choices").as_array().empty()) continue;
        const auto& delta = chunk.at("choices").at(0).at("delta").as_object();
        if (delta.contains("tool_calls"))
            ids.emplace_back(json::string_or(delta.at("tool_calls").at(0).as_object(), "id"));
    }
    ASSERT_EQ(ids.size(), 2u);
    EXPECT_NE(ids[0], ids[1]);
    EXPECT_THAT(ids[0], ::testing::StartsWith("call_"));
    EXPECT_EQ(seen.finish_reason(), "tool_calls");
}

TEST(OllamaStream, ErrorsAndBreaks) {
    const auto error = decode_events(kDialect, chat_call("{}"), {R"({"error":"out of memory"})"});
    EXPECT_EQ(error.error->code(), Code::kUnavailable);
    EXPECT_EQ(error.error->message(), "out of memory");
    EXPECT_EQ(decode_events(kDialect, chat_call("{}"), {R"({"message":{"content":"a"},"done":false})"}).error->reason(),
              "upstream_interrupted");
    EXPECT_FALSE(kDialect.decode(chat_call("{}"), parse(R"({"error":"no"})")));
    std::string calls = R"({"function":{"name":"f"}})";
    for (int i = 0; i < 128; ++i) calls += R"(,{"function":{"name":"f"}})";
    EXPECT_EQ(
        decode_events(kDialect, chat_call("{}"), {R"({"message":{"tool_calls":[)" + calls + "]}}"}).error->reason(),
        "upstream_protocol");
}

}  // namespace
}  // namespace atrium::model
