#include "gateway/anthropic/message_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "gateway/anthropic/message_answer.h"

namespace atrium::gateway {
namespace {

std::string read(const std::string& name) {
    std::ifstream file("tests/golden/anthropic/" + name, std::ios::binary);
    EXPECT_TRUE(file) << name;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string told(MessageStream& stream, const std::string& upstream) {
    http::SseParser parser;
    std::string all;
    for (const auto& chunk : parser.feed(upstream).value()) {
        for (const auto& event : stream.feed(chunk.data).value()) all += http::format_sse(event);
    }
    return std::regex_replace(all, std::regex("(msg|toolu)_[a-z0-9]{24}"), "$1_ID");
}

class MessageStreamGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(MessageStreamGolden, TellsTheTranscript) {
    MessageStream stream("model-a");
    EXPECT_EQ(told(stream, read(std::string(GetParam()) + ".chat.sse")), read(std::string(GetParam()) + ".sse"));
}

INSTANTIATE_TEST_SUITE_P(Transcripts, MessageStreamGolden,
                         ::testing::Values("text", "thinking", "reasoning_unsigned", "tools", "tools_interleaved",
                                           "stop_sequence"),
                         [](const auto& info) { return std::string(info.param); });

TEST(MessageStream, OpensNothingTwiceAndClosesEverything) {
    for (const char* name : {"text", "thinking", "tools", "tools_interleaved"}) {
        MessageStream stream("m");
        http::SseParser parser;
        int open = -1;
        int next = 0;
        for (const auto& chunk : parser.feed(read(std::string(name) + ".chat.sse")).value()) {
            for (const auto& event : stream.feed(chunk.data).value()) {
                const auto data = json::parse_object(event.data).value();
                EXPECT_EQ(json::string_or(data, "type"), event.event);
                if (event.event == "content_block_start") {
                    EXPECT_EQ(open, -1);
                    open = static_cast<int>(data.at("index").as_int64());
                    EXPECT_EQ(open, next++);
                } else if (event.event == "content_block_delta") {
                    EXPECT_EQ(data.at("index").as_int64(), open);
                } else if (event.event == "content_block_stop") {
                    EXPECT_EQ(data.at("index").as_int64(), open);
                    open = -1;
                }
            }
        }
        EXPECT_EQ(open, -1) << name;
    }
}

TEST(MessageStream, KnowsThePromptAtTheStartWhenToldSo) {
    MessageStream stream("m");
    stream.set_prompt_usage({{"prompt_tokens", 9}, {"prompt_tokens_details", {{"cached_tokens", 4}}}});
    const auto events = stream.feed(R"({"choices":[{"delta":{"role":"assistant"}}]})").value();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_THAT(events[0].data, ::testing::HasSubstr(R"("input_tokens":5,"output_tokens":0)"));
}

TEST(MessageStream, RefusesWhatIsNoStream) {
    MessageStream stream("m");
    EXPECT_FALSE(stream.feed("nonsense"));
    EXPECT_TRUE(stream.feed("[DONE]"));
    EXPECT_TRUE(stream.feed("[DONE]").value().empty());
}

TEST(MessageStream, BoundsToolCalls) {
    MessageStream stream("m");
    const std::string large(1u << 20, 'x');
    Result<std::vector<http::SseEvent>> last;
    for (int i = 0; i < 20 && last; ++i) {
        json::object function{{"name", "f"}, {"arguments", large}};
        json::array calls{json::object{{"index", 0}, {"function", function}}};
        json::array choices{json::object{{"delta", {{"tool_calls", calls}}}}};
        last = stream.feed(json::serialize(json::object{{"choices", choices}}));
    }
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error().code(), Code::kUnavailable);
}

TEST(MessageAnswer, HasBlocksStopReasonAndUsage) {
    const auto message = message_from_completion(R"({"model":"m","choices":[{"finish_reason":"tool_calls","message":{
        "role":"assistant","content":"I look.","reasoning_content":"hm","tool_calls":[
        {"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
        {"id":"call_2","type":"function","function":{"name":"g","arguments":"not json"}}]}}],
        "usage":{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6,"cache_write_tokens":1}}})");
    ASSERT_TRUE(message) << message.error().to_string();
    EXPECT_EQ(json::serialize(message->at("content")),
              R"([{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"I look."},)"
              R"({"type":"tool_use","id":"call_1","name":"f","input":{"a":1}},)"
              R"({"type":"tool_use","id":"call_2","name":"g","input":{"unparsed_arguments":"not json"}}])");
    EXPECT_EQ(message->at("stop_reason"), "tool_use");
    EXPECT_EQ(json::serialize(message->at("usage")),
              R"({"input_tokens":3,"output_tokens":4,"cache_creation_input_tokens":1,"cache_read_input_tokens":6})");
    EXPECT_FALSE(message_from_completion(R"({"choices":[]})"));
}

}  // namespace
}  // namespace atrium::gateway
