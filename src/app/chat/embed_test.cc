#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/chat/chat_service.h"
#include "app/chat/scripted_upstream.h"

namespace atrium::app {
namespace {

using testing::Script;
using testing::scripted_route;
using testing::ScriptedUpstream;

/// An answer with `count` vectors (3, 4), numbered backwards to prove that the index counts.
Script vectors(std::size_t count) {
    json::array data;
    for (std::size_t i = count; i-- > 0;) {
        data.push_back(
            json::object{{"index", static_cast<std::int64_t>(i)}, {"embedding", {3.0, i == 0 ? -4.0 : 4.0}}});
    }
    return {{json::serialize(json::object{{"model", "served"}, {"data", data}, {"usage", {{"prompt_tokens", 3}}}})}};
}

class EmbedTest : public ::testing::Test {
protected:
    void script(std::vector<Script> scripts) {
        upstream_ = std::make_shared<ScriptedUpstream>(std::move(scripts));
        router_.publish({scripted_route(upstream_, "e5", true)});
    }
    Result<ChatService::Embeddings> embed(std::size_t count, bool query = false, std::string model = "e5") {
        return run_blocking(chat_.embed({}, std::move(model), std::vector<std::string>(count, "text"), query));
    }

    ManualClock clock_;
    model::Router router_;
    trace::SpanStore spans_;
    metrics::Registry metrics_;
    model::Dispatcher dispatcher_{router_, clock_, metrics_};
    ChatService chat_{router_, dispatcher_, spans_, clock_};
    std::shared_ptr<ScriptedUpstream> upstream_;
};

TEST_F(EmbedTest, BatchesPrefixesAndNormalises) {
    script({vectors(64), vectors(6)});
    const auto result = embed(70);
    ASSERT_TRUE(result) << result.error().to_string();
    EXPECT_EQ(result->dimensions, 2u);
    ASSERT_EQ(result->values.size(), 140u);
    EXPECT_FLOAT_EQ(result->values[0], 0.6f);
    EXPECT_FLOAT_EQ(result->values[1], -0.8f);
    EXPECT_FLOAT_EQ(result->values[3], 0.8f);
    ASSERT_EQ(upstream_->calls.size(), 2u);
    EXPECT_EQ(upstream_->bodies[0].at("input").as_array().size(), 64u);
    EXPECT_EQ(upstream_->bodies[0].at("input").as_array()[0].as_string(), "passage: text");
}

TEST_F(EmbedTest, QueriesHaveTheirOwnPrefix) {
    script({vectors(1)});
    ASSERT_TRUE(embed(1, true, ""));
    EXPECT_EQ(upstream_->bodies[0].at("input").as_array()[0].as_string(), "query: text");
}

TEST_F(EmbedTest, NothingInNothingOut) {
    script({vectors(1)});
    const auto result = embed(0);
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->values.empty());
    EXPECT_TRUE(upstream_->calls.empty());
}

TEST_F(EmbedTest, BadAnswersAreRefused) {
    const auto refused = [&](std::string body) {
        script({{{std::move(body)}}});
        return embed(1).error().code();
    };
    EXPECT_EQ(refused(R"({"data":[]})"), Code::kUnavailable);
    EXPECT_EQ(refused(R"({"data":[{"index":1,"embedding":[1,2]}]})"), Code::kUnavailable);
    EXPECT_EQ(refused(R"({"data":[{"index":0,"embedding":[0,0]}]})"), Code::kUnavailable);
    EXPECT_EQ(refused(R"({"data":[{"index":0,"embedding":[1]}]})"), Code::kUnavailable);
    EXPECT_EQ(refused(R"({"data":[{"index":0,"embedding":[1,"x"]}]})"), Code::kUnavailable);
    EXPECT_EQ(refused(R"({"data":[{"index":0,"embedding":"AAAA"}]})"), Code::kUnavailable);
}

}  // namespace
}  // namespace atrium::app
