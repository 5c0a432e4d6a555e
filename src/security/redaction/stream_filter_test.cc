#include "security/redaction/stream_filter.h"

#include <gtest/gtest.h>

namespace atrium::redaction {
namespace {

std::string through(const Patterns& patterns, std::string_view text, std::size_t piece) {
    StreamFilter filter(Scanner::compile({patterns}).value());
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += piece) {
        const auto released = filter.feed(text.substr(at, piece));
        out += masked(released.text, released.findings);
    }
    const auto rest = filter.finish();
    return out + masked(rest.text, rest.findings);
}

TEST(StreamFilter, GivesTheSameAsTheWholeTextHoweverItIsCut) {
    const Patterns pii{{"email", "phone", "cn_id_card"}, {"公司机密"}, {}};
    std::string text;
    for (int i = 0; i < 40; ++i) {
        text += "第" + std::to_string(i) + "段：联系 li.na@example.com 或 13912345678，身份证 11010519491231002X。公司机密，勿外传。";
    }
    const auto scanner = Scanner::compile({pii}).value();
    const auto whole = masked(text, scanner->find(text));
    EXPECT_EQ(whole.find("13912345678"), std::string::npos);
    for (const std::size_t piece : {1u, 2u, 3u, 7u, 64u, 255u, 256u, 257u, 5000u})
        EXPECT_EQ(through(pii, text, piece), whole) << piece;
}

TEST(StreamFilter, NeverReleasesTheBeginningOfAFinding) {
    StreamFilter filter(Scanner::compile({{{"cn_id_card"}, {}, {}}}).value());
    const std::string before(300, 'x');
    std::string released = filter.feed(before + " 110105194912").text;
    EXPECT_EQ(released.find("1101"), std::string::npos);
    const auto rest = filter.feed("31002X and more");
    released += masked(rest.text, rest.findings);
    const auto last = filter.finish();
    released += masked(last.text, last.findings);
    EXPECT_EQ(released, before + " <CN_ID_CARD> and more");
}

TEST(StreamFilter, KnowsWhatStoodBeforeTheHeldText) {
    const Patterns phone{{"phone"}, {}, {}};
    const std::string serial = std::string(400, '7') + "13812345678";
    EXPECT_EQ(through(phone, serial, 16), serial);
}

}  // namespace
}  // namespace atrium::redaction
