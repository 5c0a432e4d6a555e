#include "data/lexical/analyzer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "base/text.h"

namespace atrium::data {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

TEST(Analyzer, StemsEnglishWordsInOrder) {
    EXPECT_THAT(analyze("The Engines were running."), ElementsAre("the", "engin", "were", "run"));
    EXPECT_THAT(analyze("Newton's laws; Newton’s law"), ElementsAre("newton", "law", "newton", "law"));
    EXPECT_THAT(analyze("state-of-the-art and/or"), ElementsAre("state", "of", "the", "art", "and", "or"));
}

TEST(Analyzer, FoldsCaseWidthAndAccents) {
    EXPECT_EQ(analyze("Beyoncé CAFÉ"), analyze("beyonce cafe"));
    EXPECT_EQ(analyze("ＡＢＣ１２３"), analyze("abc123"));
    EXPECT_EQ(analyze("Straße"), analyze("STRASSE"));
    EXPECT_EQ(analyze("Viet\xCC\x81"), analyze("Viet"));
}

TEST(Analyzer, KeepsNumbersAndCodesWhole) {
    EXPECT_THAT(analyze("3.5"), ElementsAre("3.5"));
    EXPECT_THAT(analyze("version 1.2.3!"), ElementsAre("version", "1.2.3"));
    EXPECT_THAT(analyze("1,234,567 people"), ElementsAre("1234567", "peopl"));
    EXPECT_THAT(analyze("in 1999,2000"), ElementsAre("in", "1999", "2000"));
    EXPECT_THAT(analyze("A-12"), ElementsAre("a-12", "a", "12"));
    EXPECT_THAT(analyze("GB-45438"), IsSupersetOf({"gb-45438", "gb", "45438"}));
    EXPECT_THAT(analyze("GB45438"), IsSupersetOf({"gb45438", "gb", "45438"}));
    EXPECT_THAT(analyze("符合GB/T 45438—2025的要求"), IsSupersetOf({"gb", "45438", "2025", "要求"}));
    EXPECT_THAT(analyze("max_tokens"), ElementsAre("max_tokens", "max", "token"));
    EXPECT_THAT(analyze("U.S. and U.S.A."), ElementsAre("us", "and", "usa"));
    EXPECT_THAT(analyze("C++ C# f(x)"), ElementsAre("c++", "c#", "f", "x"));
    EXPECT_THAT(analyze("50% of $3.20"), ElementsAre("50", "of", "3.20"));
}

TEST(Analyzer, GivesChineseWordsUnigramsAndBigrams) {
    EXPECT_THAT(analyze("数据库"), IsSupersetOf({"数", "据", "库", "数据", "据库"}));
    EXPECT_THAT(analyze("检索"), ElementsAre("检", "检索", "索"));
    EXPECT_THAT(analyze("库"), ElementsAre("库"));
    EXPECT_THAT(analyze("第3条规定"), IsSupersetOf({"第", "3", "规定"}));
}

TEST(Analyzer, MapsTraditionalToSimplified) {
    EXPECT_EQ(analyze("資料庫檢索"), analyze("资料库检索"));
    EXPECT_EQ(analyze("臺灣"), analyze("台湾"));
}

TEST(Analyzer, HandlesOtherScripts) {
    EXPECT_THAT(analyze("データベース"), Contains("デー"));
    EXPECT_THAT(analyze("데이터베이스"), Contains("데이"));
    EXPECT_THAT(analyze("ภาษาไทย"), Contains("ไทย"));
    EXPECT_THAT(analyze("Привет, мир"), ElementsAre("привет", "мир"));
}

TEST(Analyzer, ToleratesAnything) {
    EXPECT_THAT(analyze(""), IsEmpty());
    EXPECT_THAT(analyze(" \n\t—…！？"), IsEmpty());
    EXPECT_THAT(analyze("'''---...___"), IsEmpty());
    for (const auto& term : analyze(std::string(100'000, 'a'))) EXPECT_LE(term.size(), 64U);
    std::mt19937 random(1);
    for (int i = 0; i < 2000; ++i) {
        std::string bytes(random() % 60, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        for (const auto& term : analyze(bytes)) EXPECT_TRUE(text::is_utf8(term));
    }
}

TEST(Analyzer, WorksOnSeveralThreads) {
    const auto wanted = analyze("Knowledge bases 知識庫 are searched 搜索");
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 200; ++i) EXPECT_EQ(analyze("Knowledge bases 知識庫 are searched 搜索"), wanted);
        });
    }
}

TEST(StopWords, AreTermsWithLittleMeaning) {
    for (const auto* word : {"the", "what", "的", "什么", "是", "哪些"}) EXPECT_TRUE(is_stop_word(word)) << word;
    for (const auto& term : analyze("does having these")) EXPECT_TRUE(is_stop_word(term)) << term;
    for (const auto* word : {"engin", "us", "数据", "年", "3.5", ""}) EXPECT_FALSE(is_stop_word(word)) << word;
}

TEST(Language, IsThatOfMostLetters) {
    EXPECT_EQ(detect_language("Atrium is a platform."), "en");
    EXPECT_EQ(detect_language("中庭是一个自托管的平台。"), "zh");
    EXPECT_EQ(detect_language("使用 OpenAI SDK 调用 chat/completions 接口，就可以得到流式回答。"), "zh");
    EXPECT_EQ(detect_language("A paragraph of English text with one word 中文 in it, no more."), "en");
    EXPECT_EQ(detect_language("これは日本語の文章です。"), "");
    EXPECT_EQ(detect_language("Это русский текст"), "");
    EXPECT_EQ(detect_language("12345 …"), "");
    EXPECT_EQ(detect_language("\xff\xfe"), "");
}

}  // namespace
}  // namespace atrium::data
