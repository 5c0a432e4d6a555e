#include "model/engine/generation/text_assembler.h"

#include <gtest/gtest.h>

#include <random>

namespace atrium::model {
namespace {

TEST(TextAssembler, PassesTextThrough) {
    TextAssembler text({});
    EXPECT_EQ(text.append("Hello"), "Hello");
    EXPECT_EQ(text.append(" world"), " world");
    EXPECT_EQ(text.finish(), "");
}

TEST(TextAssembler, HoldsBackWhatMayBecomeAStopString) {
    TextAssembler text({"\nUser:"});
    EXPECT_EQ(text.append("Paris.\nUs"), "Paris.");
    EXPECT_EQ(text.append("ual"), "\nUsual");
    EXPECT_FALSE(text.stopped());
    EXPECT_EQ(text.append("!\nUser"), "!");
    EXPECT_EQ(text.append(": more"), "");
    EXPECT_TRUE(text.stopped());
    EXPECT_EQ(text.append("x"), "");
    EXPECT_EQ(text.finish(), "");
}

TEST(TextAssembler, EarliestStopStringWins) {
    TextAssembler text({"later", "now"});
    EXPECT_EQ(text.append("stop now or later"), "stop ");
    EXPECT_TRUE(text.stopped());
}

TEST(TextAssembler, OverlappingBeginningsAreKept) {
    TextAssembler text({"aab"});
    EXPECT_EQ(text.append("aa"), "");
    EXPECT_EQ(text.append("a"), "a");  // the last two may still begin "aab"
    EXPECT_EQ(text.append("b!"), "");
    EXPECT_TRUE(text.stopped());
}

TEST(TextAssembler, NeverCutsACharacter) {
    TextAssembler text({});
    const std::string word = "东京";
    std::string out;
    for (const char byte : word) {
        const std::string piece = text.append(std::string_view(&byte, 1));
        EXPECT_TRUE(piece.empty() || piece.size() == 3);
        out += piece;
    }
    EXPECT_EQ(out, word);
}

TEST(TextAssembler, UnfinishedCharacterAtTheEndBecomesAReplacement) {
    TextAssembler text({});
    EXPECT_EQ(text.append("a\xE4\xBA"), "a");
    EXPECT_EQ(text.finish(), "\xEF\xBF\xBD");
}

TEST(TextAssembler, EmptyStopStringsAreIgnored) {
    TextAssembler text({""});
    EXPECT_EQ(text.append("abc"), "abc");
    EXPECT_FALSE(text.stopped());
}

TEST(TextAssembler, AnySplitOfTheBytesGivesTheSameText) {
    const std::string bytes = "Die Straße nach 北京 ist lang.\n\nUser: 你好";
    const std::vector<std::string> stops{"\n\nUser:", "长"};
    const std::string expected = "Die Straße nach 北京 ist lang.";
    std::mt19937 random(11);
    for (int round = 0; round < 200; ++round) {
        TextAssembler text(stops);
        std::string out;
        for (std::size_t at = 0; at < bytes.size() && !text.stopped();) {
            const std::size_t length = std::min<std::size_t>(1 + random() % 5, bytes.size() - at);
            out += text.append(std::string_view(bytes).substr(at, length));
            at += length;
        }
        out += text.finish();
        ASSERT_EQ(out, expected);
        EXPECT_TRUE(text.stopped());
    }
}

}  // namespace
}  // namespace atrium::model
