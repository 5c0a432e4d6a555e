#include "app/chat/chunk_rewriter.h"

#include <gtest/gtest.h>

namespace atrium::app {
namespace {

std::string rewritten(const ChunkRewriter& rewriter, std::string_view data) {
    auto result = rewriter.rewrite(data);
    if (!result) return "error: " + result.error().message();
    return result->value_or("(dropped)");
}

TEST(ChunkRewriter, PutsTheCallersNameAndKeepsTheOrderOfFields) {
    const ChunkRewriter rewriter("alias", false);
    EXPECT_EQ(
        rewritten(rewriter,
                  R"({"id":"c1","model":"served","usage":null,"choices":[{"index":0,"delta":{"content":"hi"}}]})"),
        R"({"id":"c1","model":"alias","choices":[{"index":0,"delta":{"content":"hi"}}]})");
}

TEST(ChunkRewriter, DropsTheUsageChunkNobodyAskedFor) {
    const ChunkRewriter rewriter("m", false);
    EXPECT_EQ(
        rewritten(
            rewriter,
            R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":4}}})"),
        "(dropped)");
}

TEST(ChunkRewriter, WithIncludeUsageEveryChunkHasTheKey) {
    const ChunkRewriter rewriter("m", true);
    EXPECT_EQ(rewritten(rewriter, R"({"model":"m","choices":[{"delta":{}}]})"),
              R"({"model":"m","choices":[{"delta":{}}],"usage":null})");
    EXPECT_EQ(rewritten(rewriter, R"({"model":"m","choices":[],"usage":{"prompt_tokens":1}})"),
              R"({"model":"m","choices":[],"usage":{"prompt_tokens":1}})");
}

TEST(ChunkRewriter, RemovesOurEnginesCounts) {
    const ChunkRewriter rewriter("m", false);
    EXPECT_EQ(
        rewritten(
            rewriter,
            R"({"model":"m","choices":[{"delta":{"content":"a"}}],"atrium":{"prompt_tokens":9,"completion_tokens":2}})"),
        R"({"model":"m","choices":[{"delta":{"content":"a"}}]})");
}

TEST(ChunkRewriter, DamageIsAnError) {
    EXPECT_FALSE(ChunkRewriter("m", false).rewrite("{not json"));
}

TEST(ChunkRewriter, NonsenseInTheRightPlacesDoesNoHarm) {
    const ChunkRewriter rewriter("m", false);
    for (const auto* data :
         {R"({"choices":7})", R"({"choices":[3,null,{"delta":5}]})", R"({"usage":"x","atrium":[]})"}) {
        EXPECT_TRUE(rewriter.rewrite(data)) << data;
    }
}

}  // namespace
}  // namespace atrium::app
