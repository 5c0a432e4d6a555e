#include "model/routing/retry.h"

#include <gtest/gtest.h>

namespace atrium::model {
namespace {

using std::chrono::milliseconds;

TEST(FailureClass, FollowsCodeReasonAndWords) {
    EXPECT_EQ(classify(resource_exhausted("slow down")), FailureClass::kRateLimit);
    EXPECT_EQ(classify(unavailable("down")), FailureClass::kOutage);
    EXPECT_EQ(classify(deadline_exceeded("late")), FailureClass::kOutage);
    EXPECT_EQ(classify(unknown_error("500")), FailureClass::kOutage);
    EXPECT_EQ(classify(not_found("no such model")), FailureClass::kOutage);
    EXPECT_EQ(classify(cancelled("gone")), FailureClass::kCancelled);
    EXPECT_EQ(classify(invalid_argument("temperature")), FailureClass::kCaller);
    EXPECT_EQ(classify(invalid_argument("too long").with_reason("context_length_exceeded")),
              FailureClass::kContextLength);
    EXPECT_EQ(classify(invalid_argument("This model's maximum context length is 8192 tokens.")),
              FailureClass::kContextLength);
    EXPECT_EQ(classify(invalid_argument("flagged").with_reason("content_filter")), FailureClass::kContent);
    EXPECT_EQ(classify(invalid_argument("no").with_reason("content_policy_violation")), FailureClass::kContent);
}

TEST(RetryBudget, StaysATenthOfTheTraffic) {
    RetryBudget budget;
    constexpr int kRequests = 100'000;
    int retries = 0;
    for (int i = 0; i < kRequests; ++i) {
        budget.deposit();
        retries += budget.withdraw(0);
    }
    EXPECT_NEAR(retries, kRequests / 10, 15);
}

TEST(RetryBudget, IsLentALittleAndRefillsWithTime) {
    RetryBudget budget(0);
    int granted = 0;
    while (budget.withdraw(0)) ++granted;
    EXPECT_EQ(granted, 10);
    EXPECT_FALSE(budget.withdraw(500));
    EXPECT_TRUE(budget.withdraw(1'500));
    EXPECT_FALSE(budget.withdraw(1'500));
    granted = 0;
    while (budget.withdraw(10'000'000)) ++granted;
    EXPECT_EQ(granted, 10) << "idle time is not saved without end";
}

TEST(RetryDelay, DoublesWithJitterUpToABound) {
    const auto rng = seeded_rng(1);
    for (int attempt = 1; attempt < 40; ++attempt) {
        const auto delay = retry_delay(attempt, milliseconds(0), rng).value();
        const double base = attempt > 5 ? 2'000.0 : 100.0 * (1 << (attempt - 1));
        EXPECT_GE(delay.count(), static_cast<std::int64_t>(std::min(base, 2'000.0) * 0.8));
        EXPECT_LE(delay.count(), static_cast<std::int64_t>(std::min(base, 2'000.0) * 1.2));
    }
}

TEST(RetryDelay, HonoursRetryAfterUpToABound) {
    const auto rng = seeded_rng(2);
    for (int i = 0; i < 100; ++i) {
        const auto delay = retry_delay(1, milliseconds(3'000), rng).value();
        EXPECT_GE(delay.count(), 3'000);
        EXPECT_LE(delay.count(), 3'100);
    }
    EXPECT_FALSE(retry_delay(1, kMaxRetryAfter + milliseconds(1), rng));
}

}  // namespace
}  // namespace atrium::model
