#include "model/routing/balance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "model/routing/sticky.h"

namespace atrium::model {
namespace {

std::vector<Candidate> pool(std::vector<double> weights) {
    std::vector<Candidate> made;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        Candidate candidate;
        candidate.hash = stable_hash("deployment-" + std::to_string(i));
        candidate.weight = weights[i];
        made.push_back(candidate);
    }
    return made;
}

TEST(Balance, NamesAreTheSettings) {
    for (const char* name : {"weighted", "least_outstanding", "latency", "cost", "ordered", "prefix"}) {
        EXPECT_EQ(strategy_name(parse_strategy(name).value()), name);
    }
    EXPECT_FALSE(parse_strategy("fastest"));
}

TEST(Balance, WeightsAreKept) {
    const auto candidates = pool({60, 30, 10});
    const auto rng = seeded_rng(1);
    std::vector<int> hits(3, 0);
    constexpr int kDraws = 200'000;
    for (int i = 0; i < kDraws; ++i) ++hits[choose(Strategy::kWeighted, candidates, {}, rng)];
    EXPECT_NEAR(100.0 * hits[0] / kDraws, 60, 0.5);
    EXPECT_NEAR(100.0 * hits[1] / kDraws, 30, 0.5);
    EXPECT_NEAR(100.0 * hits[2] / kDraws, 10, 0.5);
}

TEST(Balance, LeastOutstandingCountsTokensPerWeight) {
    auto candidates = pool({1, 1, 4});
    candidates[0].outstanding_tokens = 1'000;
    candidates[1].outstanding_tokens = 2'000;
    candidates[2].outstanding_tokens = 3'000;
    const auto rng = seeded_rng(2);
    EXPECT_EQ(choose(Strategy::kLeastOutstanding, candidates, {}, rng), 2u);
    candidates[2].outstanding_tokens = 5'000;
    EXPECT_EQ(choose(Strategy::kLeastOutstanding, candidates, {}, rng), 0u);
}

TEST(Balance, IdleDeploymentsShareByWeight) {
    const auto candidates = pool({3, 1});
    const auto rng = seeded_rng(3);
    int first = 0;
    for (int i = 0; i < 10'000; ++i) first += choose(Strategy::kLeastOutstanding, candidates, {}, rng) == 0;
    EXPECT_NEAR(first / 100.0, 75, 1.5);
}

TEST(Balance, LatencyPrefersTheFasterAndMindsItsQueue) {
    auto candidates = pool({1, 1});
    candidates[0].latency_ms = 400;
    candidates[1].latency_ms = 100;
    const auto rng = seeded_rng(4);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(choose(Strategy::kLatency, candidates, {}, rng), 1u);
    candidates[1].outstanding = 5;
    for (int i = 0; i < 100; ++i) ASSERT_EQ(choose(Strategy::kLatency, candidates, {}, rng), 0u);
    candidates[0].latency_ms = 0;
    candidates[1].outstanding = 0;
    for (int i = 0; i < 100; ++i)
        ASSERT_EQ(choose(Strategy::kLatency, candidates, {}, rng), 0u) << "unmeasured is tried";
}

TEST(Balance, CostTakesTheCheapestAndUnknownLast) {
    auto candidates = pool({1, 1, 1});
    candidates[0].cost = std::numeric_limits<double>::infinity();
    candidates[1].cost = 0.02;
    candidates[2].cost = 0.01;
    const auto rng = seeded_rng(5);
    EXPECT_EQ(choose(Strategy::kCost, candidates, {}, rng), 2u);
    EXPECT_EQ(choose(Strategy::kCost, std::span(candidates).first(1), {}, rng), 0u);
    EXPECT_EQ(choose(Strategy::kOrdered, candidates, {}, rng), 0u);
}

TEST(Balance, APrefixStaysWhereItIsAndMovesLittleWhenOneLeaves) {
    const auto all = pool({1, 1, 1, 1, 1});
    const std::vector<Candidate> fewer(all.begin(), all.end() - 1);
    const auto rng = seeded_rng(6);
    for (std::uint64_t n = 1; n <= 5'000; ++n) {
        const Demand demand{mix(n), 0};
        const auto at = choose(Strategy::kPrefix, all, demand, rng);
        ASSERT_EQ(choose(Strategy::kPrefix, all, demand, rng), at);
        if (at < fewer.size()) ASSERT_EQ(choose(Strategy::kPrefix, fewer, demand, rng), at);
    }
}

TEST(Balance, APopularPrefixIsBoundedByItsShare) {
    auto candidates = pool({1, 1, 1, 1});
    const auto rng = seeded_rng(7);
    int calls = 0;
    for (; calls < 1'000; ++calls) {
        const Demand demand{42, 0};
        ++candidates[choose(Strategy::kPrefix, candidates, demand, rng)].outstanding;
        for (const auto& candidate : candidates) {
            ASSERT_LE(candidate.outstanding, std::ceil(kLoadBound * (calls + 1) / 4.0));
        }
    }
}

}  // namespace
}  // namespace atrium::model
