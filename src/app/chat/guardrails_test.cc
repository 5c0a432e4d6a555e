#include "app/chat/guardrails.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atrium::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class GuardrailsTest : public ::testing::Test {
protected:
    std::shared_ptr<const GuardPolicy> policy(std::vector<GuardRule> rules) {
        Guardrails guardrails(registry_);
        EXPECT_TRUE(guardrails.set(std::move(rules)));
        return guardrails.policy();
    }
    static json::object parse(std::string_view text) { return json::parse_object(text).value(); }

    metrics::Registry registry_;
};

TEST_F(GuardrailsTest, MasksEverythingAModelReads) {
    const auto rules = policy({{.name = "pii", .action = GuardAction::kMask, .patterns = {{"email", "phone"}, {}, {}}}});
    auto body = parse(R"({"model":"a@b.example.com","user":"me@example.com","messages":[
        {"role":"system","content":"call 13812345678"},
        {"role":"user","content":[{"type":"text","text":"I am li@example.com"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,li@example.com"}}]},
        {"role":"assistant","tool_calls":[{"id":"x@example.com","function":{"name":"f","arguments":"{\"to\":\"q@example.com\"}"}}]}]})");
    const auto verdict = guard_request(*rules, body).value();
    const auto text = json::serialize(body);
    EXPECT_TRUE(verdict.changed);
    EXPECT_THAT(verdict.fired, ElementsAre("pii=mask"));
    EXPECT_THAT(text, HasSubstr("call <PHONE>"));
    EXPECT_THAT(text, HasSubstr("I am <EMAIL>"));
    EXPECT_THAT(text, Not(HasSubstr("q@example.com")));
    EXPECT_THAT(text, HasSubstr("\"user\":\"me@example.com\"")) << "names and ids are no prompts";
    EXPECT_THAT(text, HasSubstr("base64,li@example.com"));
}

TEST_F(GuardrailsTest, BlocksWithTheOperatorsWords) {
    const auto rules = policy({{.name = "secrets",
                                .action = GuardAction::kBlock,
                                .patterns = {{}, {"公司机密"}, {}},
                                .message = "Ask the security team."}});
    auto body = parse(R"({"messages":[{"role":"user","content":"总结这份公司机密文件"}]})");
    const auto verdict = guard_request(*rules, body);
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().reason(), "content_filter");
    EXPECT_EQ(verdict.error().message(), "Ask the security team.");
}

TEST_F(GuardrailsTest, ShadowRulesOnlyCount) {
    const auto rules = policy({{.name = "trial", .action = GuardAction::kShadow, .patterns = {{"email"}, {}, {}}}});
    auto body = parse(R"({"prompt":"a@example.com"})");
    const auto verdict = guard_request(*rules, body).value();
    EXPECT_TRUE(verdict.fired.empty());
    EXPECT_FALSE(verdict.changed);
    EXPECT_THAT(registry_.expose(), HasSubstr("atrium_guardrail_findings_total{action=\"shadow\",rule=\"trial\",side=\"input\"} 1"));
}

TEST_F(GuardrailsTest, AnAnswerThatIsBlockedEndsWithContentFilter) {
    const auto rules = policy({{.name = "words", .action = GuardAction::kBlock, .patterns = {{}, {"falcon"}, {}}, .input = false},
                               {.name = "pii", .action = GuardAction::kMask, .patterns = {{"email"}, {}, {}}}});
    auto answer = parse(R"({"choices":[{"index":0,"message":{"role":"assistant","content":"the falcon plan"},"finish_reason":"stop"},
        {"index":1,"message":{"role":"assistant","content":"mail a@example.com"},"finish_reason":"stop"}]})");
    const auto verdict = guard_answer(*rules, answer);
    EXPECT_NE(verdict.blocked, nullptr);
    EXPECT_EQ(answer.at("choices").at(0).at("finish_reason"), "content_filter");
    EXPECT_TRUE(answer.at("choices").at(0).at("message").at("content").is_null());
    EXPECT_EQ(answer.at("choices").at(1).at("message").at("content"), "mail <EMAIL>");
}

TEST_F(GuardrailsTest, ARuleThatCannotWorkIsNamed) {
    Guardrails guardrails(registry_);
    const auto set = guardrails.set({{.name = "broken", .patterns = {{}, {}, "(" }}});
    ASSERT_FALSE(set);
    EXPECT_THAT(set.error().message(), HasSubstr("'broken'"));
    EXPECT_EQ(guardrails.policy(), nullptr) << "the old policy stays";
}

}  // namespace
}  // namespace atrium::app
