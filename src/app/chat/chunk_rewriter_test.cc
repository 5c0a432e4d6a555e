#include "app/chat/chunk_rewriter.h"

#include <gtest/gtest.h>

namespace atrium::app {
namespace {

std::string rewritten(ChunkRewriter& rewriter, std::string_view data) {
    auto result = rewriter.rewrite(data);
    if (!result) return "error: " + result.error().message();
    return result->value_or("(dropped)");
}

TEST(ChunkRewriter, PutsTheCallersNameAndKeepsTheOrderOfFields) {
    ChunkRewriter rewriter("up", "alias", false);
    EXPECT_EQ(
        rewritten(rewriter,
                  R"({"id":"c1","model":"served","usage":null,"choices":[{"index":0,"delta":{"content":"hi"}}]})"),
        R"({"id":"c1","model":"alias","choices":[{"index":0,"delta":{"content":"hi"}}]})");
    EXPECT_EQ(rewriter.response_id(), "c1");
    EXPECT_TRUE(rewriter.saw_content());
    EXPECT_FALSE(rewriter.saw_finish());
}

TEST(ChunkRewriter, DropsTheUsageChunkNobodyAskedForButReadsIt) {
    ChunkRewriter rewriter("up", "m", false);
    EXPECT_EQ(
        rewritten(
            rewriter,
            R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":4}}})"),
        "(dropped)");
    EXPECT_EQ(rewriter.usage().prompt_tokens, 7);
    EXPECT_EQ(rewriter.usage().completion_tokens, 3);
    EXPECT_EQ(rewriter.usage().cached_tokens, 4);
    EXPECT_FALSE(rewriter.usage_estimated());
}

TEST(ChunkRewriter, WithIncludeUsageEveryChunkHasTheKey) {
    ChunkRewriter rewriter("up", "m", true);
    EXPECT_EQ(rewritten(rewriter, R"({"model":"m","choices":[{"delta":{}}]})"),
              R"({"model":"m","choices":[{"delta":{}}],"usage":null})");
    EXPECT_EQ(rewritten(rewriter, R"({"model":"m","choices":[],"usage":{"prompt_tokens":1}})"),
              R"({"model":"m","choices":[],"usage":{"prompt_tokens":1}})");
}

TEST(ChunkRewriter, ReadsAndRemovesOurEnginesCounts) {
    ChunkRewriter rewriter("up", "m", false);
    EXPECT_EQ(
        rewritten(
            rewriter,
            R"({"model":"m","choices":[{"delta":{"content":"a"}}],"atrium":{"prompt_tokens":9,"completion_tokens":2}})"),
        R"({"model":"m","choices":[{"delta":{"content":"a"}}]})");
    EXPECT_EQ(rewriter.usage().prompt_tokens, 9);
    EXPECT_EQ(rewriter.usage().completion_tokens, 2);
}

TEST(ChunkRewriter, CountsPiecesWhenNobodyReports) {
    ChunkRewriter rewriter("up", "m", false);
    rewritten(rewriter, R"({"choices":[{"delta":{"role":"assistant","content":""}}]})");
    EXPECT_FALSE(rewriter.usage_estimated());
    rewritten(rewriter, R"({"choices":[{"delta":{"content":"a"}}]})");
    rewritten(rewriter, R"({"choices":[{"delta":{"tool_calls":[{"index":0}]}}]})");
    rewritten(rewriter, R"({"choices":[{"text":"b"}]})");
    EXPECT_TRUE(rewriter.usage_estimated());
    EXPECT_EQ(rewriter.usage().completion_tokens, 3);
}

TEST(ChunkRewriter, SeesTheFinish) {
    ChunkRewriter rewriter("up", "m", false);
    rewritten(rewriter, R"({"choices":[{"delta":{},"finish_reason":"stop"}]})");
    EXPECT_EQ(rewriter.finish_reason(), "stop");
}

TEST(ChunkRewriter, ErrorEventsAndDamageAreErrors) {
    ChunkRewriter rewriter("up", "m", false);
    EXPECT_EQ(rewriter.rewrite(R"({"error":{"message":"boom","code":"engine_failed"}})").error().reason(),
              "engine_failed");
    EXPECT_EQ(rewriter.rewrite("{not json").error().code(), Code::kUnavailable);
}

TEST(ChunkRewriter, NonsenseInTheRightPlacesDoesNoHarm) {
    ChunkRewriter rewriter("up", "m", false);
    for (const auto* data : {R"({"choices":7})", R"({"choices":[3,null,{"delta":5}]})", R"({"usage":"x","atrium":[]})",
                             R"({"choices":[],"usage":{"prompt_tokens":-5,"completion_tokens":"many"}})"}) {
        EXPECT_TRUE(rewriter.rewrite(data)) << data;
    }
    EXPECT_EQ(rewriter.usage().prompt_tokens, 0);
}

}  // namespace
}  // namespace atrium::app
