#include "model/routing/breaker.h"

#include <gtest/gtest.h>

#include "model/routing/latency.h"

namespace atrium::model {
namespace {

using Answer = Breaker::Answer;
using Phase = Breaker::Phase;

Breaker broken(std::int64_t now) {
    Breaker breaker;
    for (int i = 0; i < Breaker::kFailures; ++i) breaker = breaker.failure(false, false, now);
    return breaker;
}

TEST(Breaker, OpensAfterFailuresInARow) {
    Breaker breaker;
    for (int i = 0; i + 1 < Breaker::kFailures; ++i) breaker = breaker.failure(false, false, 0);
    EXPECT_EQ(breaker.phase(), Phase::kClosed);
    breaker = breaker.success(false, 0);
    for (int i = 0; i + 1 < Breaker::kFailures; ++i) breaker = breaker.failure(false, false, 0);
    EXPECT_EQ(breaker.phase(), Phase::kClosed) << "a success in between starts the count again";
    EXPECT_EQ(breaker.failure(false, false, 0).phase(), Phase::kOpen);
}

TEST(Breaker, OpensOnTheRateOfFailures) {
    EXPECT_EQ(Breaker{}.failure(false, true, 0).phase(), Phase::kOpen);
    FailureWindow window;
    for (int i = 0; i < FailureWindow::kMinCalls - 1; ++i) window = window.with(true, 0);
    EXPECT_FALSE(window.over_ratio());
    EXPECT_TRUE(window.with(true, 0).over_ratio());
    for (int i = 0; i < FailureWindow::kMinCalls; ++i) window = window.with(false, 0);
    EXPECT_FALSE(window.over_ratio());
    EXPECT_EQ(window.with(true, FailureWindow::kLengthMs).calls, 1);
    for (int i = 0; i < 100'000; ++i) window = window.with(true, 0);
    EXPECT_TRUE(window.over_ratio());
}

TEST(Breaker, HalfOpenLetsOneProbeThrough) {
    Breaker breaker = broken(1'000);
    EXPECT_EQ(breaker.ask(1'000).answer, Answer::kRefuse);
    EXPECT_FALSE(breaker.would_pass(1'000 + Breaker::kOpenMs - 1));
    const std::int64_t later = 1'000 + Breaker::kOpenMs;
    EXPECT_TRUE(breaker.would_pass(later));
    auto asked = breaker.ask(later);
    EXPECT_EQ(asked.answer, Answer::kProbe);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(asked.next.ask(later + i).answer, Answer::kRefuse);
    EXPECT_EQ(asked.next.ask(later + Breaker::kProbeMs).answer, Answer::kProbe)
        << "a probe that never ends is replaced";
    EXPECT_EQ(asked.next.success(true, later).phase(), Phase::kClosed);
    EXPECT_EQ(asked.next.success(false, later).phase(), Phase::kHalfOpen) << "only the probe decides";
    EXPECT_EQ(asked.next.failure(false, true, later), asked.next);
    const Breaker abandoned = asked.next.cancelled(true, later);
    EXPECT_EQ(abandoned.ask(later).answer, Answer::kProbe);
}

TEST(Breaker, EachOpeningIsLongerUntilALongHealthyTime) {
    Breaker breaker = broken(0);
    std::int64_t now = 0;
    std::int64_t length = Breaker::kOpenMs;
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(static_cast<std::int64_t>(breaker.until), now + length);
        now += length;
        breaker = breaker.ask(now).next.failure(true, false, now);
        length = std::min(2 * length, Breaker::kMaxOpenMs);
    }
    now = static_cast<std::int64_t>(breaker.until);
    breaker = breaker.ask(now).next.success(true, now);
    EXPECT_GT(breaker.openings, 0u);
    breaker = breaker.success(false, now + Breaker::kForgetMs);
    EXPECT_EQ(breaker.openings, 0u);
}

TEST(SlowStart, RampsFromATenthToAll) {
    EXPECT_DOUBLE_EQ(slow_start(0), 0.1);
    EXPECT_DOUBLE_EQ(slow_start(15'000), 0.5);
    EXPECT_DOUBLE_EQ(slow_start(30'000), 1.0);
    EXPECT_DOUBLE_EQ(slow_start(1'000'000), 1.0);
    for (std::int64_t at = 0; at < 30'000; at += 500) EXPECT_LE(slow_start(at), slow_start(at + 500));
}

TEST(PeakEwma, TakesAPeakAtOnceAndForgetsItSlowly) {
    PeakEwma latency;
    latency = latency.with(100, 0);
    EXPECT_FLOAT_EQ(latency.ms, 100);
    latency = latency.with(1'000, 10);
    EXPECT_FLOAT_EQ(latency.ms, 1'000);
    latency = latency.with(100, 1'010);
    EXPECT_GT(latency.ms, 850);
    for (std::int64_t at = 2'000; at < 60'000; at += 1'000) latency = latency.with(100, at);
    EXPECT_LT(latency.ms, 110);
}

}  // namespace
}  // namespace atrium::model
