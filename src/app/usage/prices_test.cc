#include "app/usage/prices.h"

#include <gtest/gtest.h>

#include "app/usage/schema.h"

namespace atrium::app {
namespace {

Price price(std::int64_t id, std::string model, std::int64_t input, std::int64_t valid_from = 0) {
    Price made;
    made.id = id;
    made.model = std::move(model);
    made.input = input;
    made.valid_from = valid_from;
    return made;
}

TEST(TokenBuckets, NothingIsInTwoOfThem) {
    const auto openai = TokenBuckets::from_openai(100, 50, 60, 10, 20);
    EXPECT_EQ(openai, (TokenBuckets{30, 60, 10, 30, 20}));
    EXPECT_EQ(openai.input(), 100);
    EXPECT_EQ(openai.completion(), 50);
}

TEST(TokenBuckets, ImpossibleCountsAreCutDown) {
    EXPECT_EQ(TokenBuckets::from_openai(10, 5, 60, 10, 20), (TokenBuckets{0, 10, 0, 0, 5}));
    EXPECT_EQ(TokenBuckets::from_openai(-1, -5, -2, -3, -4), TokenBuckets{});
}

TEST(Price, CachedTokensAreChargedOnce) {
    Price made = price(1, "m", 3'000'000);  // 3 USD per million
    made.cached_input = 300'000;
    made.cache_write = 3'750'000;
    made.output = 15'000'000;
    // 30 × 3 + 60 × 0.3 + 10 × 3.75 + 50 × 15 = 895.5 millionths
    EXPECT_EQ(made.cost(TokenBuckets::from_openai(100, 50, 60, 10, 20)), 896);
    made.request = 1000;
    EXPECT_EQ(made.cost({}), 1000);
}

TEST(PriceTable, TheClosestNameWins) {
    const PriceTable table({price(1, "*", 1), price(2, "gpt-*", 2), price(3, "gpt-4o*", 3), price(4, "gpt-4o", 4),
                            price(5, "azure/gpt-4o", 5), price(6, "azure/*", 6)});
    EXPECT_EQ(table.find("openai", "gpt-4o", 100)->id, 4);
    EXPECT_EQ(table.find("azure", "gpt-4o", 100)->id, 5);
    EXPECT_EQ(table.find("azure", "o3", 100)->id, 6);
    EXPECT_EQ(table.find("openai", "gpt-4o-mini", 100)->id, 3);
    EXPECT_EQ(table.find("openai", "gpt-3", 100)->id, 2);
    EXPECT_EQ(table.find("openai", "other", 100)->id, 1);
}

TEST(PriceTable, AVersionAppliesFromItsMoment) {
    const PriceTable table({price(1, "m", 1, 100), price(2, "m", 2, 200)});
    EXPECT_EQ(table.find("u", "m", 99), nullptr);
    EXPECT_EQ(table.find("u", "m", 100)->id, 1);
    EXPECT_EQ(table.find("u", "m", 199)->id, 1);
    EXPECT_EQ(table.find("u", "m", 200)->id, 2);
    EXPECT_EQ(PriceTable().find("u", "m", 200), nullptr);
}

TEST(Patterns, AStarIsAnyRunOfCharacters) {
    EXPECT_TRUE(matches_pattern("gpt-*-mini", "gpt-4o-mini"));
    EXPECT_TRUE(matches_pattern("*", ""));
    EXPECT_TRUE(matches_pattern("a*b*c", "aXbbYc"));
    EXPECT_FALSE(matches_pattern("a*b", "abc"));
    EXPECT_FALSE(matches_pattern("", "a"));
}

class PriceBookTest : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(database_->migrate(usage_migrations())); }
    config::ModelPriceSettings configured(std::int64_t input) {
        config::ModelPriceSettings row;
        row.model = "m";
        row.input = input;
        return row;
    }

    ManualClock clock_;
    std::unique_ptr<sql::Database> database_ = sql::Database::open("sqlite://:memory:").value();
    PriceBook book_{*database_, clock_};
};

TEST_F(PriceBookTest, AChangedConfigurationMakesANewVersion) {
    const auto version = [&] { return book_.table()->find("u", "m", unix_seconds(clock_.system()))->id; };
    ASSERT_TRUE(book_.synchronise({configured(5)}));
    const auto first = version();
    ASSERT_TRUE(book_.synchronise({configured(5)}));
    EXPECT_EQ(version(), first);
    ASSERT_TRUE(book_.synchronise({configured(6)}));
    EXPECT_GT(version(), first);
    EXPECT_EQ(book_.table()->prices().size(), 1u);
    ASSERT_TRUE(book_.synchronise({}));
    EXPECT_TRUE(book_.table()->prices().empty());
}

TEST_F(PriceBookTest, PricesOfTheApiStayAndCanBeRetired) {
    const auto added = run_blocking(book_.add(price(0, "m", 7)));
    ASSERT_TRUE(added) << added.error().to_string();
    EXPECT_GT(added->id, 0);
    EXPECT_EQ(added->valid_from, unix_seconds(clock_.system()));
    ASSERT_TRUE(book_.synchronise({}));
    EXPECT_EQ(book_.table()->find("u", "m", added->valid_from)->input, 7);
    ASSERT_TRUE(run_blocking(book_.retire(added->id)));
    EXPECT_EQ(book_.table()->find("u", "m", added->valid_from), nullptr);
    EXPECT_EQ(run_blocking(book_.retire(added->id)).error().code(), Code::kNotFound);
    EXPECT_EQ(run_blocking(book_.add(price(0, "", 7))).error().field(), "model");
    EXPECT_EQ(run_blocking(book_.add(price(0, "m", -7))).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace atrium::app
