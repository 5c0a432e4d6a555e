#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/live_gateway.h"

namespace atrium::gateway {
namespace {

using ::testing::HasSubstr;
using testing::LiveGateway;

TEST(TextTools, RerankPassesThroughAndHasAnId) {
    LiveGateway live;
    live.script({{{R"({"results":[{"index":1,"relevance_score":0.9}]})"}}});
    for (const auto* path : {"/v1/rerank", "/v2/rerank"}) {
        const auto reply =
            live.post(path, R"({"model":"model-a","query":"q","documents":["a",{"text":"b"}],"top_n":1})");
        ASSERT_EQ(reply.status, 200) << reply.body;
        EXPECT_THAT(reply.body, HasSubstr(R"("relevance_score":9E-1)"));
        EXPECT_THAT(reply.body, HasSubstr(R"("id":"rerank-)"));
    }
}

TEST(TextTools, TokenizePassesThrough) {
    LiveGateway live;
    live.script({{{R"({"count":2,"max_model_len":10,"tokens":[1,2]})"}}});
    for (const auto* path : {"/tokenize", "/v1/tokenize"}) {
        const auto reply = live.post(path, R"({"model":"model-a","prompt":"hi there"})");
        EXPECT_EQ(reply.status, 200) << reply.body;
        EXPECT_EQ(reply.json().at("count"), 2);
    }
    live.script({{{R"({"prompt":"hi"})"}}});
    EXPECT_EQ(live.post("/detokenize", R"({"model":"model-a","tokens":[1]})").json().at("prompt"), "hi");
}

TEST(TextTools, ModerationSaysWhatToConfigure) {
    LiveGateway live;
    const auto none = live.post("/v1/moderations", R"({"input":"x"})");
    EXPECT_EQ(none.status, 400);
    EXPECT_THAT(none.error("message"), HasSubstr("upstream"));
    const auto local = live.post("/v1/moderations", R"({"model":"model-a","input":"x"})");
    EXPECT_EQ(local.status, 404);
    EXPECT_EQ(local.error("param"), "model");
}

TEST(TextTools, ErrorsNameTheField) {
    LiveGateway live;
    struct Case {
        const char* path;
        const char* body;
        const char* field;
    };
    const Case cases[] = {
        {"/v1/rerank", R"({"query":"q","documents":["a"]})", "model"},
        {"/v1/rerank", R"({"model":"m","documents":["a"]})", "query"},
        {"/v1/rerank", R"({"model":"m","query":"q","documents":"a"})", "documents"},
        {"/v1/rerank", R"({"model":"m","query":"q","documents":[]})", "documents"},
        {"/v1/rerank", R"({"model":"m","query":"q","documents":[7]})", "documents[0]"},
        {"/v1/rerank", R"({"model":"m","query":"q","documents":["a"],"top_n":0})", "top_n"},
        {"/v1/moderations", R"({"model":"m","input":7})", "input"},
        {"/tokenize", R"({"model":"m"})", "prompt"},
        {"/tokenize", R"({"model":"m","prompt":7})", "prompt"},
        {"/detokenize", R"({"model":"m","tokens":["a"]})", "tokens[0]"},
        {"/detokenize", R"({"model":"m"})", "tokens"},
    };
    for (const auto& one : cases) {
        const auto reply = live.post(one.path, one.body);
        EXPECT_EQ(reply.status, 400) << one.path << one.body;
        EXPECT_EQ(reply.error("param"), one.field) << reply.body;
    }
}

}  // namespace
}  // namespace atrium::gateway
