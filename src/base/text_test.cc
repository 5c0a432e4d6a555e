#include "base/text.h"

#include <gtest/gtest.h>

#include <ctime>

namespace atrium::text {
namespace {

TEST(Utf8, AcceptsWellFormedAndRefusesTheRest) {
    EXPECT_TRUE(is_utf8("plain, 中文, \xF0\x9F\x98\x80"));
    EXPECT_FALSE(is_utf8("\xC0\x80"));          // overlong
    EXPECT_FALSE(is_utf8("\xED\xA0\x80"));      // surrogate
    EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));  // above U+10FFFF
    EXPECT_FALSE(is_utf8("\xE4\xB8"));          // cut off
    EXPECT_EQ(to_valid_utf8("a\xFF" "b\xE4\xB8"), "a\xEF\xBF\xBD" "b\xEF\xBF\xBD");
}

TEST(Utf8, NeverCutsACharacter) {
    const std::string text = "中文";
    EXPECT_EQ(complete_utf8_prefix(text.substr(0, 5)), 3u);
    EXPECT_EQ(complete_utf8_prefix(text), 6u);
    EXPECT_EQ(complete_utf8_prefix("ab\xC3"), 2u);
    EXPECT_EQ(shorten(text, 4), "中…");
    EXPECT_EQ(shorten(text, 6), text);
    EXPECT_EQ(char_count(text), 2u);
}

TEST(Utf8, DecodesWhatItEncodes) {
    for (const char32_t c : {U'a', U'é', U'中', U'\U0001F600'}) {
        std::string bytes;
        append_utf8(bytes, c);
        std::size_t offset = 0;
        EXPECT_EQ(next_char(bytes, offset), c);
        EXPECT_EQ(offset, bytes.size());
    }
    EXPECT_TRUE(is_cjk(U'中'));
    EXPECT_TRUE(is_cjk(U'。'));
    EXPECT_FALSE(is_cjk(U'é'));
}

TEST(Text, SmallHelpers) {
    EXPECT_EQ(trim(" \t a b \n"), "a b");
    EXPECT_EQ(split("a,,b", ',').size(), 3u);
    EXPECT_EQ(to_int("42"), 42);
    EXPECT_EQ(to_int("42x"), std::nullopt);
    EXPECT_EQ(to_double("0.5"), 0.5);
    EXPECT_TRUE(equals_ignore_case("Content-Length", "content-length"));
    EXPECT_EQ(closest("lisen", {"listen", "threads"}), "listen");
    EXPECT_EQ(closest("xyz", {"listen", "threads"}), std::nullopt);
    EXPECT_EQ(closest("/v1/file", {"/v1/vector_stores/{id}", "/v1/files"}), "/v1/files");
}

TEST(Text, AStrangersLongWordIsNotCompared) {
    const std::vector<std::string_view> patterns(100, "/v1/vector_stores/{vector_store_id}/files");
    const std::clock_t begin = std::clock();
    EXPECT_EQ(closest(std::string(16 << 20, '/'), patterns), std::nullopt);
    EXPECT_LT(std::clock() - begin, 1 * CLOCKS_PER_SEC);
}

}  // namespace
}  // namespace atrium::text
