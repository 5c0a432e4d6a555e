#include <gtest/gtest.h>

#include "model/upstream/upstream.h"

namespace atrium::model {
namespace {

AnswerFacts read(std::initializer_list<std::string_view> chunks) {
    AnswerFacts facts;
    for (const auto chunk : chunks) read_facts(json::ObjectText::scan(chunk).value(), facts);
    return facts;
}

TEST(AnswerFacts, ReadsUsageInAllItsDetails) {
    const auto facts = read({R"({"id":"c1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,
        "prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},
        "completion_tokens_details":{"reasoning_tokens":1}}})"});
    EXPECT_EQ(facts.response_id, "c1");
    EXPECT_EQ(facts.usage.prompt_tokens, 7);
    EXPECT_EQ(facts.usage.completion_tokens, 3);
    EXPECT_EQ(facts.usage.cached_tokens, 4);
    EXPECT_EQ(facts.usage.cache_write_tokens, 2);
    EXPECT_EQ(facts.usage.reasoning_tokens, 1);
    EXPECT_FALSE(facts.usage_estimated());
}

TEST(AnswerFacts, OurEnginesCountsAreTotalsSoFar) {
    const auto facts =
        read({R"({"choices":[{"delta":{"content":"a"}}],"atrium":{"prompt_tokens":9,"completion_tokens":1}})",
              R"({"choices":[{"delta":{"content":"b"}}],"atrium":{"prompt_tokens":9,"completion_tokens":2}})"});
    EXPECT_EQ(facts.best_usage().completion_tokens, 2);
    EXPECT_EQ(facts.pieces, 2);
}

TEST(AnswerFacts, CountsPiecesWhenNobodyReports) {
    auto facts = read({R"({"choices":[{"delta":{"role":"assistant","content":""}}]})"});
    EXPECT_FALSE(facts.usage_estimated());
    facts =
        read({R"({"choices":[{"delta":{"content":"a"}}]})", R"({"choices":[{"delta":{"tool_calls":[{"index":0}]}}]})",
              R"({"choices":[{"text":"b"}]})", R"({"choices":[{"delta":{},"finish_reason":"stop"}]})"});
    EXPECT_TRUE(facts.usage_estimated());
    EXPECT_EQ(facts.best_usage().completion_tokens, 3);
    EXPECT_EQ(facts.finish_reason, "stop");
}

TEST(AnswerFacts, NonsenseInTheRightPlacesDoesNoHarm) {
    const auto facts = read({R"({"choices":7})", R"({"choices":[3,null,{"delta":5}]})", R"({"usage":"x","atrium":[]})",
                             R"({"usage":{"prompt_tokens":-5,"completion_tokens":"many"}})"});
    EXPECT_EQ(facts.usage.prompt_tokens, 0);
    EXPECT_EQ(facts.pieces, 0);
}

}  // namespace
}  // namespace atrium::model
