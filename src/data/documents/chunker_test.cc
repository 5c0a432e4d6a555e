#include "data/documents/chunker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <random>

#include "base/text.h"

namespace atrium::data {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> sentences(std::string_view text) {
    std::vector<std::string> out;
    std::string joined;
    for (const auto sentence : split_sentences(text)) {
        out.emplace_back(text::trim(sentence));
        joined += sentence;
    }
    EXPECT_EQ(joined, text);
    return out;
}

Block paragraph(std::string text, int page = 0) { return {BlockKind::kParagraph, std::move(text), 0, page}; }
Block heading(std::string text, int level) { return {BlockKind::kHeading, std::move(text), level, 0}; }
Block item(std::string text) { return {BlockKind::kListItem, std::move(text), 0, 0}; }

std::vector<Chunk> chunks_of(std::vector<Block> blocks, int max_tokens = 300, int overlap = 0) {
    ParsedDocument document;
    document.blocks = std::move(blocks);
    return chunk_document(document, {max_tokens, overlap});
}

std::string repeat(std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
}

TEST(Sentences, English) {
    EXPECT_THAT(sentences("One. Two! Three? Four"), ElementsAre("One.", "Two!", "Three?", "Four"));
    EXPECT_THAT(sentences("Dr. Smith met J. R. Tolkien at 3.5 p.m. in Oxford. They talked."),
                ElementsAre("Dr. Smith met J. R. Tolkien at 3.5 p.m. in Oxford.", "They talked."));
    EXPECT_THAT(sentences("See Fig. 3 and No. 7. No. That is all."), ElementsAre("See Fig. 3 and No. 7.", "No.", "That is all."));
    EXPECT_THAT(sentences("He said \"stop.\" Then he left."), ElementsAre("He said \"stop.\"", "Then he left."));
    EXPECT_THAT(sentences("Tools, e.g. Hammers, are sold (etc.). Next."), ElementsAre("Tools, e.g. Hammers, are sold (etc.).", "Next."));
    EXPECT_THAT(sentences("1. Scope of this text. Second."), ElementsAre("1. Scope of this text.", "Second."));
    EXPECT_THAT(sentences("It cost 12. Then 15."), ElementsAre("It cost 12.", "Then 15."));
    EXPECT_THAT(sentences("see www.example.org for more"), ElementsAre("see www.example.org for more"));
    EXPECT_THAT(sentences("line one\nline two"), ElementsAre("line one", "line two"));
    EXPECT_TRUE(sentences("").empty());
}

TEST(Sentences, Chinese) {
    EXPECT_THAT(sentences("今天下雨。明天呢？不知道！"), ElementsAre("今天下雨。", "明天呢？", "不知道！"));
    EXPECT_THAT(sentences("他说：“走吧。”然后走了。"), ElementsAre("他说：“走吧。”", "然后走了。"));
    EXPECT_THAT(sentences("真的吗？！是的……好。"), ElementsAre("真的吗？！", "是的……", "好。"));
    EXPECT_THAT(sentences("圆周率是3.14，约等于3。版本v1.2.3发布"), ElementsAre("圆周率是3.14，约等于3。", "版本v1.2.3发布"));
    EXPECT_THAT(sentences("甲方应当：（一）付款；（二）收货。"), ElementsAre("甲方应当：（一）付款；", "（二）收货。"));
}

TEST(Tokens, AreEstimatedForBothScripts) {
    EXPECT_EQ(estimate_tokens(""), 0);
    EXPECT_EQ(estimate_tokens("abcdefgh"), 2);
    EXPECT_EQ(estimate_tokens("一二三四五六七八九十"), 7);
}

TEST(Chunker, PacksSentencesAndNeverCutsThem) {
    const std::string text = repeat("This is a sentence of exactly some words. ", 100);
    const auto chunks = chunks_of({paragraph(text)}, 100);
    ASSERT_GT(chunks.size(), 8U);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        EXPECT_LE(chunks[i].tokens, 120);
        EXPECT_EQ(chunks[i].ordinal, static_cast<int>(i));
        EXPECT_TRUE(chunks[i].text.starts_with("This is"));
        EXPECT_TRUE(chunks[i].text.ends_with("words."));
        EXPECT_NE(text.find(chunks[i].text), std::string::npos) << "verbatim";
    }
}

TEST(Chunker, PacksChineseToAboutFourHundredCharacters) {
    const auto chunks = chunks_of({paragraph(repeat("这是一个用来测试切分的中文句子，长度适中。", 60))});
    ASSERT_GE(chunks.size(), 3U);
    EXPECT_NEAR(static_cast<double>(text::char_count(chunks[0].text)), 410, 40);
}

TEST(Chunker, CutsOneEndlessSentenceAtCommas) {
    const auto chunks = chunks_of({paragraph(repeat("没有句号的长句，", 200))}, 50);
    ASSERT_GT(chunks.size(), 10U);
    for (const auto& chunk : chunks) {
        EXPECT_LE(chunk.tokens, 60);
        EXPECT_TRUE(chunk.text.ends_with("，"));
    }
    EXPECT_GT(chunks_of({paragraph(std::string(10'000, 'x'))}, 50).size(), 40U);
    EXPECT_GT(chunks_of({paragraph(repeat("字", 1000))}, 1).size(), 900U);
}

TEST(Chunker, KeepsTheHeadingPathAndNeverJoinsSections) {
    const auto chunks = chunks_of({heading("Guide", 1), paragraph("Intro."), heading("Install", 2), paragraph("Run make."),
                                   heading("Linux", 3), paragraph("Use apt."), heading("Use", 2), paragraph("Open it.")});
    ASSERT_EQ(chunks.size(), 4U);
    EXPECT_THAT(chunks[0].headings, ElementsAre("Guide"));
    EXPECT_THAT(chunks[1].headings, ElementsAre("Guide", "Install"));
    EXPECT_THAT(chunks[2].headings, ElementsAre("Guide", "Install", "Linux"));
    EXPECT_THAT(chunks[3].headings, ElementsAre("Guide", "Use"));
    EXPECT_EQ(chunks[3].text, "Open it.");
}

TEST(Chunker, LosesNoHeadingWithoutContent) {
    const auto chunks = chunks_of({heading("Products", 1), heading("Alpha", 2), heading("Beta", 2), heading("Gamma", 2), paragraph("Text.")});
    ASSERT_EQ(chunks.size(), 2U);
    EXPECT_EQ(chunks[0].text, "Alpha\n\nBeta");
    EXPECT_THAT(chunks[0].headings, ElementsAre("Products"));
    const auto alone = chunks_of({heading("Only a title", 1)});
    ASSERT_EQ(alone.size(), 1U);
    EXPECT_EQ(alone[0].text, "Only a title");
    EXPECT_TRUE(chunks_of({}).empty());
    EXPECT_TRUE(chunks_of({paragraph(" \n ")}).empty());
}

TEST(Chunker, KeepsClausesWhole) {
    std::vector<Block> blocks{heading("第一章 总则", 2)};
    for (int i = 0; i < 6; ++i) {
        blocks.push_back(paragraph("第" + std::to_string(i + 1) + "条 " + repeat("规定内容若干字。", 10)));
        blocks.push_back(paragraph("（一）" + repeat("细则内容。", 6)));
    }
    for (const auto& chunk : chunks_of(std::move(blocks), 200)) {
        EXPECT_TRUE(chunk.text.starts_with("第")) << chunk.text;
        EXPECT_TRUE(chunk.text.ends_with("细则内容。"));
    }
}

TEST(Chunker, KeepsAListWithTheLineThatAnnouncesIt) {
    const auto chunks = chunks_of({paragraph(repeat("Some words come before it here. ", 10)), paragraph("You need:"),
                                   item("- a key of at least some length to be a real key"), item("- a model which is loaded already")}, 90);
    ASSERT_EQ(chunks.size(), 2U);
    EXPECT_EQ(chunks[1].text, "You need:\n\n- a key of at least some length to be a real key\n- a model which is loaded already");
}

TEST(Chunker, RepeatsTheHeaderOfALongTable) {
    std::string table = "| Name | Value |\n| --- | --- |\n";
    for (int i = 0; i < 60; ++i) table += "| row number " + std::to_string(i) + " | some value |\n";
    const auto chunks = chunks_of({{BlockKind::kTable, table, 0, 4}}, 100);
    ASSERT_GT(chunks.size(), 3U);
    int rows = 0;
    for (const auto& chunk : chunks) {
        EXPECT_TRUE(chunk.text.starts_with("| Name | Value |\n| --- | --- |\n| row number")) << chunk.text;
        EXPECT_EQ(chunk.page, 4);
        rows += static_cast<int>(std::count(chunk.text.begin(), chunk.text.end(), '\n')) - 1;
    }
    EXPECT_EQ(rows, 60);
    EXPECT_EQ(chunks_of({{BlockKind::kTable, table, 0, 4}}, 5000).size(), 1U);
}

TEST(Chunker, JoinsASmallTailToTheChunkBefore) {
    const auto chunks = chunks_of({paragraph(repeat("This sentence has about ten tokens in it. ", 9)), paragraph("The end.")}, 100);
    ASSERT_EQ(chunks.size(), 1U);
    EXPECT_TRUE(chunks[0].text.ends_with("The end."));
}

TEST(Chunker, OverlapsByWholeSentences) {
    const auto chunks = chunks_of({paragraph(repeat("Alpha beta gamma delta. ", 40))}, 60, 20);
    ASSERT_GT(chunks.size(), 3U);
    std::size_t characters = 0;
    for (const auto& chunk : chunks) {
        EXPECT_TRUE(chunk.text.starts_with("Alpha"));
        EXPECT_LE(chunk.tokens, 60);
        characters += chunk.text.size();
    }
    EXPECT_GT(characters, 1100U);
}

TEST(Chunker, TellsThePages) {
    const auto chunks = chunks_of({paragraph("One.", 1), paragraph("Two.", 2), heading("H", 1), paragraph("Three.", 5)});
    ASSERT_EQ(chunks.size(), 2U);
    EXPECT_EQ(chunks[0].page, 1);
    EXPECT_EQ(chunks[0].last_page, 2);
    EXPECT_EQ(chunks[1].page, 5);
}

TEST(Chunker, EveryWordOfARandomDocumentArrivesOnceAndInOrder) {
    std::mt19937 random(1);
    for (int round = 0; round < 200; ++round) {
        std::vector<Block> blocks;
        int word = 0;
        const int count = 1 + static_cast<int>(random() % 12);
        for (int b = 0; b < count; ++b) {
            std::string text;
            for (std::size_t w = random() % 80 + 1; w > 0; --w) {
                text += "w" + std::to_string(word++);
                text += random() % 7 == 0 ? ". " : random() % 23 == 0 ? "\n" : " ";
            }
            Block block{static_cast<BlockKind>(random() % 5), text, 0, 0};
            if (block.kind == BlockKind::kTable) block.kind = BlockKind::kCode;
            if (block.kind == BlockKind::kHeading) block.level = 1 + static_cast<int>(random() % 6);
            blocks.push_back(std::move(block));
        }
        const int max_tokens = 10 + static_cast<int>(random() % 100);
        std::vector<Block> copy = blocks;
        std::string all;
        std::vector<std::string> path;
        for (const auto& chunk : chunks_of(std::move(copy), max_tokens)) {
            for (const auto& title : chunk.headings) {
                if (std::find(path.begin(), path.end(), title) == path.end()) path.push_back(title);
            }
            all += chunk.text + " ";
        }
        for (const auto& title : path) all += title + " ";
        std::vector<int> seen(static_cast<std::size_t>(word));
        for (const auto piece : text::split(all, ' ')) {
            for (const auto part : text::split(piece, '\n')) {
                if (part.size() > 1) ++seen[static_cast<std::size_t>(std::stoi(std::string(part.substr(1))))];
            }
        }
        EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), word) << "round " << round;
    }
}

/// CPU seconds; what is quadratic takes minutes for these sizes.
double seconds_for(std::vector<Block> blocks) {
    const std::clock_t begin = std::clock();
    EXPECT_FALSE(chunks_of(std::move(blocks)).empty());
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

TEST(Chunker, TimeGrowsWithTheLengthOnly) {
    EXPECT_LT(seconds_for({paragraph(std::string(16 << 20, 'x'))}), 5) << "no place to cut";
    EXPECT_LT(seconds_for({paragraph(repeat("word ", 3 << 20))}), 5) << "no sentence ends";
    const std::string rows = "| a | b |\n|---|---|\n" + repeat("| cell of a row | another cell |\n", 300'000);
    EXPECT_LT(seconds_for({{BlockKind::kTable, rows, 0, 0}}), 5) << "a long table";
}

TEST(Chunker, AHeadingOfMegabytesIsNotRepeatedWithEveryPassage) {
    std::vector<Block> blocks{heading(std::string(1 << 20, 'h'), 1)};
    for (int i = 0; i < 100; ++i) blocks.push_back(paragraph(repeat("word ", 200)));
    for (const auto& chunk : chunks_of(std::move(blocks))) {
        ASSERT_EQ(chunk.headings.size(), 1U);
        EXPECT_LE(chunk.headings[0].size(), 510U);
    }
}

TEST(Chunker, StopsWhenAsked) {
    ParsedDocument document;
    document.blocks.assign(1000, paragraph(repeat("A sentence. ", 100)));
    StopSource stop;
    stop.request_stop();
    EXPECT_TRUE(chunk_document(document, {}, stop.get_token()).empty());
}

}  // namespace
}  // namespace atrium::data
