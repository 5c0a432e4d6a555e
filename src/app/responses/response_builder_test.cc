#include "app/responses/response_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

namespace atrium::app {
namespace {

using ::testing::HasSubstr;

std::string read(const std::string& path) {
    std::ifstream file("tests/golden/" + path, std::ios::binary);
    EXPECT_TRUE(file) << path;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

ResponseBuilder builder(ResponseBuilder::Options options = {}) {
    static const ManualClock clock;
    return ResponseBuilder({{"id", "resp_1"}, {"object", "response"}, {"status", "in_progress"}, {"usage", nullptr}},
                           std::move(options), clock);
}

/// The transcript with ids that do not change, and the sequence numbers checked.
std::string told(ResponseBuilder& builder, const std::string& upstream) {
    http::SseParser parser;
    ResponseBuilder::Events all = builder.created();
    for (auto& event : builder.started()) all.push_back(std::move(event));
    for (const auto& chunk : parser.feed(upstream).value()) {
        for (auto& event : builder.feed(chunk.data).value()) all.push_back(std::move(event));
    }
    std::string text;
    std::int64_t number = 0;
    for (const auto& event : all) {
        const auto data = json::parse_object(event.data).value();
        EXPECT_EQ(json::string_or(data, "type"), event.event);
        EXPECT_EQ(data.at("sequence_number").as_int64(), number++);
        text += http::format_sse(event);
    }
    return std::regex_replace(text, std::regex("(msg|fc|rs|ctc|call)_[a-z0-9]{24}"), "$1_ID");
}

class ResponseBuilderGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(ResponseBuilderGolden, TellsTheTranscript) {
    const std::string name = GetParam();
    auto made = builder({.custom_tools = {"shell"}});
    EXPECT_EQ(told(made, read("responses/" + name + ".chat.sse")), read("responses/" + name + ".sse"));
}

INSTANTIATE_TEST_SUITE_P(Transcripts, ResponseBuilderGolden,
                         ::testing::Values("text", "reasoning", "tools", "custom_tool", "refusal", "incomplete"),
                         [](const auto& info) { return std::string(info.param); });

TEST(ResponseBuilder, AWholeCompletionMakesTheSameResponse) {
    auto made = builder();
    made.created();
    ASSERT_TRUE(made.feed_completion(
        R"({"choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":"I look.",
        "reasoning_content":"hm","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},
        {"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]}}],
        "usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":2},
        "completion_tokens_details":{"reasoning_tokens":1}}})"));
    EXPECT_TRUE(made.ended());
    std::vector<std::string> types;
    for (const auto& item : made.output()) types.emplace_back(json::string_or(item.get_object(), "type"));
    EXPECT_EQ(types, (std::vector<std::string>{"reasoning", "message", "function_call", "function_call"}));
    EXPECT_EQ(made.response().at("status"), "completed");
    EXPECT_EQ(
        json::serialize(made.response().at("usage")),
        R"({"input_tokens":5,"input_tokens_details":{"cached_tokens":2,"cache_write_tokens":0},"output_tokens":3,)"
        R"("output_tokens_details":{"reasoning_tokens":1},"total_tokens":8})");
    EXPECT_FALSE(builder().feed_completion(R"({"choices":[]})"));
}

TEST(ResponseBuilder, EncryptedReasoningOnlyOnRequest) {
    for (const bool wanted : {false, true}) {
        auto made = builder({.encrypted_reasoning = wanted});
        ASSERT_TRUE(made.feed(R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})"));
        ASSERT_TRUE(made.feed("[DONE]"));
        EXPECT_EQ(made.output()[0].as_object().contains("encrypted_content"), wanted);
    }
}

TEST(ResponseBuilder, AFailureClosesWhatIsOpen) {
    auto made = builder();
    ASSERT_TRUE(made.feed(R"({"choices":[{"delta":{"content":"He"}}]})"));
    const auto events = made.fail(internal_error("secret"));
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back().event, "response.failed");
    EXPECT_THAT(events.back().data, HasSubstr(R"("error":{"code":"server_error","message":"The server failed)"));
    EXPECT_THAT(events.back().data, ::testing::Not(HasSubstr("secret")));
    EXPECT_EQ(made.output()[0].at("status"), "incomplete");
    EXPECT_TRUE(made.feed("[DONE]").value().empty());
}

TEST(ResponseBuilder, CancellingIsSilent) {
    auto made = builder();
    ASSERT_TRUE(made.feed(R"({"choices":[{"delta":{"content":"He"}}]})"));
    made.cancel();
    EXPECT_EQ(made.response().at("status"), "cancelled");
}

TEST(ResponseBuilder, BoundsItsSize) {
    auto made = builder({.max_bytes = 10});
    EXPECT_TRUE(made.feed(R"({"choices":[{"delta":{"content":"12345"}}]})"));
    const auto more = made.feed(R"({"choices":[{"delta":{"content":"1234567"}}]})");
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code(), Code::kResourceExhausted);
    EXPECT_FALSE(made.feed("nonsense"));
}

}  // namespace
}  // namespace atrium::app
