#include "data/documents/internal/structure.h"

#include <gtest/gtest.h>

namespace atrium::data::internal {
namespace {

TEST(Structure, FindsClauses) {
    for (const auto* line : {"第一条 为了规范……", "第十二条　本办法所称", "第 3 条 The supplier", "第二十一条"}) {
        EXPECT_TRUE(starts_clause(line)) << line;
    }
    for (const auto* line : {"第一章 总则", "依照第三条", "第三条规定的措施", "条", "", "第条"}) EXPECT_FALSE(starts_clause(line)) << line;
}

TEST(Structure, FindsChapters) {
    EXPECT_EQ(chapter_level("第一编 总则"), 1);
    EXPECT_EQ(chapter_level("第一章 总则"), 2);
    EXPECT_EQ(chapter_level("第十二节　责任"), 3);
    EXPECT_EQ(chapter_level("第2章 系统概述"), 2);
    EXPECT_EQ(chapter_level("Chapter 3: Deployment"), 2);
    EXPECT_EQ(chapter_level("PART II"), 1);
    EXPECT_EQ(chapter_level("Appendix B — Tables"), 2);
    EXPECT_EQ(chapter_level("附则"), 2);
    for (const auto* line : {"第一章规定的措施，应当执行。", "第一条 目的", "part of the plan.", "Chapter one is long", "第一章 总则……………3", ""}) {
        EXPECT_EQ(chapter_level(line), 0) << line;
    }
}

TEST(Structure, FindsListMarkers) {
    for (const auto* line : {"- item", "• item", "·项目", "1. item", "12) item", "(3) item", "（三）项目", "三、项目", "①项目", "a) item", "iv. item"}) {
        EXPECT_GT(list_marker(line), 0U) << line;
    }
    for (const auto* line : {"-item", "item", "1.5 million", "2024年", "(see below) x", "word. Next", "", "-", "三三两两", "abc) x"}) {
        EXPECT_EQ(list_marker(line), 0U) << line;
    }
    EXPECT_EQ(list_marker("1.  item"), 4U);
}

TEST(Structure, KnowsEndsOfSentences) {
    for (const auto* text : {"Done.", "完成。", "“完成。”", "Really?) ", "as follows:"}) EXPECT_TRUE(ends_sentence(text)) << text;
    for (const auto* text : {"and the", "我们的", "3,", ""}) EXPECT_FALSE(ends_sentence(text)) << text;
    EXPECT_TRUE(announces("如下："));
    EXPECT_FALSE(announces("如下。"));
}

TEST(Structure, KnowsContentsLinesAndPageNumbers) {
    for (const auto* line : {"1.2 Scope ..... 7", "第一章 总则………………3", "Index . . . . . 12", "Preface ..... iii"}) EXPECT_TRUE(is_contents_line(line)) << line;
    for (const auto* line : {"It grew by 3.5", "wait... 5 people", "2024", "..."}) EXPECT_FALSE(is_contents_line(line)) << line;
    for (const auto* line : {"3", "- 3 -", "Page 3", "Page 3 of 10", "3 / 10", "第 3 页", "第3页 共10页", "iv", "— 12 —"}) {
        EXPECT_TRUE(is_page_number(line)) << line;
    }
    for (const auto* line : {"3 apples", "第三页", "", "2024-05-01x", "123456789"}) EXPECT_FALSE(is_page_number(line)) << line;
}

}  // namespace
}  // namespace atrium::data::internal
