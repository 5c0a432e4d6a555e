#include "gateway/admit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atrium::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string header(const Admission::Decision& decision, std::string_view name) {
    for (const auto& [key, value] : decision.headers) {
        if (key == name) return value;
    }
    return "(none)";
}

app::Principal caller(std::string key) {
    app::Principal principal;
    principal.project = "proj_1";
    principal.key_id = std::move(key);
    principal.key_name = "laptop";
    return principal;
}

TEST(Admission, AMinutesWorthAtOnceThenEvenly) {
    ManualClock clock;
    Admission admission({60, 1000}, clock);
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(admission.admit(caller("k")).permit) << i;
    auto refused = admission.admit(caller("k"));
    ASSERT_FALSE(refused.permit);
    EXPECT_EQ(refused.permit.error().code(), Code::kResourceExhausted);
    EXPECT_EQ(refused.permit.error().reason(), "rate_limit_exceeded");
    EXPECT_THAT(refused.permit.error().message(), ::testing::HasSubstr("'laptop' (k): 60 requests per minute"));
    EXPECT_EQ(header(refused, "retry-after"), "1");
    EXPECT_EQ(header(refused, "retry-after-ms"), "1000");
    EXPECT_EQ(header(refused, "x-ratelimit-remaining-requests"), "0");

    clock.advance(milliseconds(1000));
    EXPECT_TRUE(admission.admit(caller("k")).permit);
    EXPECT_FALSE(admission.admit(caller("k")).permit);
}

TEST(Admission, ZeroSwitchesALimitOff) {
    ManualClock clock;
    Admission admission({0, 0}, clock);
    std::vector<Admission::Decision> running;
    for (int i = 0; i < 1000; ++i) running.push_back(admission.admit(caller("k")));
    for (const auto& decision : running) ASSERT_TRUE(decision.permit);
    EXPECT_EQ(header(running.back(), "x-ratelimit-limit-requests"), "(none)");
}

TEST(Admission, TellsLimitRemainingAndReset) {
    ManualClock clock;
    Admission admission({600, 10}, clock);
    const auto decision = admission.admit(caller("k"));
    EXPECT_EQ(header(decision, "x-ratelimit-limit-requests"), "600");
    EXPECT_EQ(header(decision, "x-ratelimit-remaining-requests"), "599");
    EXPECT_EQ(header(decision, "x-ratelimit-reset-requests"), "100ms");
    EXPECT_EQ(header(decision, "retry-after"), "(none)");
}

TEST(Admission, KeysDoNotShareALimit) {
    ManualClock clock;
    Admission admission({1, 10}, clock);
    EXPECT_TRUE(admission.admit(caller("a")).permit);
    EXPECT_FALSE(admission.admit(caller("a")).permit);
    EXPECT_TRUE(admission.admit(caller("b")).permit);
}

TEST(Admission, LimitsWhatRunsAtTheSameTime) {
    ManualClock clock;
    Admission admission({1000, 2}, clock);
    auto first = admission.admit(caller("k"));
    auto second = admission.admit(caller("k"));
    const auto refused = admission.admit(caller("k"));
    ASSERT_FALSE(refused.permit);
    EXPECT_EQ(refused.permit.error().reason(), "concurrency_limit_exceeded");
    Admission::Permit moved = std::move(*first.permit);
    EXPECT_FALSE(admission.admit(caller("k")).permit);
    moved.release();
    EXPECT_TRUE(admission.admit(caller("k")).permit);
}

TEST(Admission, DurationsAreWrittenAsOpenAiDoes) {
    EXPECT_EQ(duration_text(milliseconds(12)), "12ms");
    EXPECT_EQ(duration_text(milliseconds(-3)), "0ms");
    EXPECT_EQ(duration_text(milliseconds(1500)), "1.5s");
    EXPECT_EQ(duration_text(seconds(6)), "6s");
    EXPECT_EQ(duration_text(seconds(360)), "6m0s");
}

}  // namespace
}  // namespace atrium::gateway
