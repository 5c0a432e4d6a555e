#include "security/redaction/scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atrium::redaction {
namespace {

using ::testing::HasSubstr;

std::string mask(const Patterns& patterns, std::string_view text, std::string_view replacement = {}) {
    const auto scanner = Scanner::compile({patterns});
    if (!scanner) return "error: " + scanner.error().message();
    return masked(text, (*scanner)->find(text), replacement);
}

TEST(Scanner, FindsPersonalDataInBothLanguages) {
    const Patterns pii{{"email", "phone", "cn_id_card", "bank_card"}, {}, {}};
    EXPECT_EQ(mask(pii, "Write to zhang.wei@example.com.cn or call +86 138-1234-5678."),
              "Write to <EMAIL> or call <PHONE>.");
    EXPECT_EQ(mask(pii, "我的手机号是13812345678，身份证11010519491231002X。"), "我的手机号是<PHONE>，身份证<CN_ID_CARD>。");
    EXPECT_EQ(mask(pii, "卡号6222 0212 0812 3456 789和4111-1111-1111-1111"), "卡号6222 0212 0812 3456 789和<BANK_CARD>")
        << "the first has no valid check digit";
}

TEST(Scanner, NumbersInsideWordsAndLongerNumbersAreNone) {
    const Patterns phone{{"phone"}, {}, {}};
    EXPECT_EQ(mask(phone, "order A13812345678B, serial 9913812345678123456"), "order A13812345678B, serial 9913812345678123456");
    EXPECT_EQ(mask({{"ipv4"}, {}, {}}, "10.0.0.7, 999.1.1.1"), "<IPV4>, 999.1.1.1");
}

TEST(Scanner, KeywordsIgnoreCaseAndRespectWords) {
    const Patterns words{{}, {"Project Falcon", "公司机密"}, {}};
    EXPECT_EQ(mask(words, "about PROJECT FALCON, 这是公司机密文件", "***"), "about ***, 这是***文件");
    EXPECT_EQ(mask({{}, {"cat"}, {}}, "concatenate the cat"), "concatenate the <KEYWORD>");
    EXPECT_EQ(mask({{}, {"a.b"}, {}}, "axb a.b"), "axb <KEYWORD>") << "keywords are no expressions";
}

TEST(Scanner, OverlapsGoToTheEarlierThenTheLonger) {
    EXPECT_EQ(mask({{}, {"secret plan", "plan B"}, "secret plan B now"}, "the secret plan B now"), "the <EXPRESSION>");
}

TEST(Scanner, RulesSeeTheSamePlaceEachForItself) {
    const auto scanner = Scanner::compile({{{}, {"falcon plan"}, {}}, {{}, {"plan"}, {}}}).value();
    const auto findings = scanner->find("the falcon plan");
    ASSERT_EQ(findings.size(), 2u);
    EXPECT_EQ(findings[0].rule, 0u);
    EXPECT_EQ(findings[1].rule, 1u);
    EXPECT_EQ(masked("the falcon plan!", findings), "the <KEYWORD>!");
}

TEST(Scanner, RefusesWhatCannotWork) {
    EXPECT_THAT(mask({{"emial"}, {}, {}}, ""), HasSubstr("did you mean 'email'?"));
    EXPECT_THAT(mask({{}, {}, "(unclosed"}, ""), HasSubstr("not valid"));
    EXPECT_THAT(mask({{}, {}, "a*"}, ""), HasSubstr("empty text"));
    EXPECT_THAT(mask({{}, {}, std::string(3000, 'a')}, ""), HasSubstr("longer"));
    EXPECT_THAT(mask({{}, {}, "((a{1,100}){1,100}){1,100}"}, ""), HasSubstr("not valid")) << "program size is bounded";
    EXPECT_THAT(mask({}, ""), HasSubstr("needs"));
}

TEST(Scanner, IsNotImpressedByHostileText) {
    const auto scanner = Scanner::compile({{{"email", "phone", "bank_card", "iban"}, {}, "(a+)+$"}}).value();
    EXPECT_TRUE(scanner->find(std::string(200'000, 'a') + "!").empty());
    EXPECT_TRUE(scanner->find(std::string("\xff\xfe\x00@", 4)).empty());
}

}  // namespace
}  // namespace atrium::redaction
