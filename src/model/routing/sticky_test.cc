#include "model/routing/sticky.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace atrium::model {
namespace {

std::vector<WeightedArm> arms(std::vector<double> weights) {
    std::vector<WeightedArm> made;
    for (std::size_t i = 0; i < weights.size(); ++i)
        made.push_back({stable_hash("arm-" + std::to_string(i)), weights[i]});
    return made;
}

std::uint64_t unit(int n) {
    return stable_hash("user-" + std::to_string(n), 7);
}

TEST(Sticky, SharesFollowTheWeightsWithinOnePoint) {
    constexpr int kUnits = 10'000;
    for (const auto& weights :
         std::vector<std::vector<double>>{{90, 10}, {99, 1}, {1, 1}, {50, 30, 20}, {0.5, 0.25, 0.25}}) {
        double total = 0;
        for (const double weight : weights) total += weight;
        std::vector<int> hits(weights.size(), 0);
        for (int n = 0; n < kUnits; ++n) ++hits[assign(unit(n), arms(weights)).value()];
        for (std::size_t i = 0; i < weights.size(); ++i) {
            EXPECT_NEAR(100.0 * hits[i] / kUnits, 100.0 * weights[i] / total, 1.0) << i;
        }
    }
}

TEST(Sticky, NobodyMovesOnReEvaluation) {
    const auto fixed = arms({70, 20, 10});
    for (int n = 0; n < 1000; ++n) {
        const auto first = assign(unit(n), fixed);
        for (int again = 0; again < 1000; ++again) ASSERT_EQ(assign(unit(n), fixed), first);
    }
}

TEST(Sticky, MoreWeightForOneArmMovesUnitsOnlyToIt) {
    auto before = arms({80, 10, 10});
    for (const double weight : {20.0, 50.0, 80.0, 1000.0}) {
        auto after = before;
        after[2].weight = weight;
        int moved = 0;
        for (int n = 0; n < 10'000; ++n) {
            const auto was = assign(unit(n), before).value();
            const auto is = assign(unit(n), after).value();
            if (was == is) continue;
            ASSERT_EQ(is, 2u);
            ++moved;
        }
        EXPECT_GT(moved, 0);
        before = after;
    }
}

TEST(Sticky, ACanaryStepTakesFromOneAndGivesToTheOther) {
    for (int n = 0; n < 10'000; ++n) {
        if (assign(unit(n), arms({90, 10})).value() == 1) ASSERT_EQ(assign(unit(n), arms({80, 20})).value(), 1u);
    }
}

TEST(Sticky, NoWeightIsNobody) {
    for (int n = 0; n < 1000; ++n) ASSERT_EQ(assign(unit(n), arms({1, 0})).value(), 0u);
    EXPECT_FALSE(assign(1, arms({0, 0})));
    EXPECT_FALSE(assign(1, {}));
}

TEST(Sticky, TheHashIsTheSameEverywhere) {
    EXPECT_EQ(stable_hash("conversation-1"), 8475201547905913463u);
    EXPECT_NE(stable_hash("conversation-1", 1), stable_hash("conversation-1"));
}

}  // namespace
}  // namespace atrium::model
