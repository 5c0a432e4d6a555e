#include "app/chat/guarded_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atrium::app {
namespace {

class GuardedStreamTest : public ::testing::Test {
protected:
    void rules(std::vector<GuardRule> rules) {
        Guardrails guardrails(registry_);
        ASSERT_TRUE(guardrails.set(std::move(rules)));
        stream_.emplace(guardrails.policy());
    }
    /// Sends `text` in pieces as one answer; what a client would put together from the chunks.
    std::string through(std::string_view text, std::size_t piece) {
        std::string out;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            json::object delta{{"content", text.substr(at, piece)}};
            take(json::object{{"index", 0}, {"delta", std::move(delta)}, {"finish_reason", nullptr}}, out);
        }
        take(json::object{{"index", 0}, {"delta", json::object{}}, {"finish_reason", "stop"}}, out);
        return out;
    }
    void take(json::object choice, std::string& out) {
        const auto chunk = json::serialize(json::object{{"id", "c"}, {"choices", json::array{std::move(choice)}}});
        const auto taken = stream_->take(chunk);
        ASSERT_TRUE(taken);
        for (const auto& text : *taken) {
            const auto parsed = json::parse_object(text).value();
            const auto& told = parsed.at("choices").at(0).as_object();
            out += json::string_or(told.at("delta").as_object(), "content");
            if (const auto reason = json::string_or(told, "finish_reason"); !reason.empty()) finish_ = reason;
        }
    }

    metrics::Registry registry_;
    std::optional<GuardedStream> stream_;
    std::string finish_;
};

TEST_F(GuardedStreamTest, MasksWhatIsCutOverChunks) {
    const std::string text = "Please write to zhang.wei@example.com or call 13812345678 before noon. " + std::string(600, '.');
    for (const std::size_t piece : {1u, 5u, 50u, 1000u}) {
        rules({{.name = "pii", .action = GuardAction::kMask, .patterns = {{"email", "phone"}, {}, {}}}});
        EXPECT_EQ(through(text, piece), "Please write to <EMAIL> or call <PHONE> before noon. " + std::string(600, '.')) << piece;
        EXPECT_EQ(finish_, "stop");
        EXPECT_THAT(stream_->verdict().fired, ::testing::ElementsAre("pii=mask"));
    }
}

TEST_F(GuardedStreamTest, ABlockedAnswerEndsBeforeTheFinding) {
    rules({{.name = "words", .action = GuardAction::kBlock, .patterns = {{}, {"falcon"}, {}}}});
    EXPECT_EQ(through("The plan is called falcon and " + std::string(400, 'x'), 3), "The plan is called ");
    EXPECT_EQ(finish_, "content_filter");
    EXPECT_THAT(stream_->verdict().fired, ::testing::ElementsAre("words=block"));
}

TEST_F(GuardedStreamTest, ToolArgumentsAreReadToo) {
    rules({{.name = "pii", .action = GuardAction::kMask, .patterns = {{"email"}, {}, {}}}});
    std::string ignored;
    const auto call = [](std::string_view piece) {
        return json::object{{"index", 0},
                            {"delta", json::object{{"tool_calls", json::array{json::object{
                                          {"index", 0}, {"function", json::object{{"arguments", piece}}}}}}}}};
    };
    take(call("{\"to\":\"li@exa"), ignored);
    take(call("mple.com\"}"), ignored);
    const auto last = stream_->take(R"({"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]})").value();
    ASSERT_EQ(last.size(), 1u);
    EXPECT_THAT(last[0], ::testing::HasSubstr("<EMAIL>"));
}

TEST_F(GuardedStreamTest, ChunksWithoutChoicesAndTheEndPass) {
    rules({{.name = "pii", .patterns = {{"email"}, {}, {}}}});
    EXPECT_THAT(stream_->take("[DONE]").value(), ::testing::ElementsAre("[DONE]"));
    EXPECT_EQ(stream_->take(R"({"choices":[],"usage":{}})").value().size(), 1u);
}

}  // namespace
}  // namespace atrium::app
