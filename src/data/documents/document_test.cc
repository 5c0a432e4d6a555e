#include "data/documents/document.h"

#include <gtest/gtest.h>

namespace atrium::data {
namespace {

TEST(Document, SurvivesJson) {
    ParsedDocument document;
    document.title = "年度报告";
    document.language = "zh";
    document.pages = 3;
    document.blocks = {{BlockKind::kHeading, "第一章 总则", 2, 1},
                       {BlockKind::kParagraph, "正文\n\"引号\"", 0, 1},
                       {BlockKind::kListItem, "- 一项", 0, 2},
                       {BlockKind::kTable, "| a |\n| --- |\n| 1 |", 0, 3},
                       {BlockKind::kCode, "int x;\n", 0, 0}};
    document.warnings = {"page 2 has no text layer"};
    const auto text = json::serialize(to_json(document));
    const auto again = document_from_json(json::parse(text).value()).value();
    EXPECT_EQ(again.title, document.title);
    EXPECT_EQ(again.language, document.language);
    EXPECT_EQ(again.pages, 3);
    EXPECT_EQ(again.warnings, document.warnings);
    ASSERT_EQ(again.blocks.size(), document.blocks.size());
    for (std::size_t i = 0; i < again.blocks.size(); ++i) {
        EXPECT_EQ(again.blocks[i].kind, document.blocks[i].kind);
        EXPECT_EQ(again.blocks[i].text, document.blocks[i].text);
        EXPECT_EQ(again.blocks[i].level, document.blocks[i].level);
        EXPECT_EQ(again.blocks[i].page, document.blocks[i].page);
    }
}

TEST(Document, RefusesWhatIsNotOne) {
    for (const auto* text : {"[]", "{}", R"({"title":"","language":"","blocks":[1]})",
                             R"({"title":"","language":"","blocks":[{"kind":"spell","text":""}]})",
                             R"({"title":"","language":"","blocks":[{"kind":"heading","text":"x","level":7}]})",
                             R"({"title":"","language":"","blocks":[],"warnings":[1]})"}) {
        EXPECT_EQ(document_from_json(json::parse(text).value()).error().code(), Code::kInvalidArgument) << text;
    }
}

}  // namespace
}  // namespace atrium::data
