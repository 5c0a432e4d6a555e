#include "app/usage/period.h"

#include <gtest/gtest.h>

namespace atrium::app {
namespace {

TEST(Period, DaysAndMonthsBeginInUtc) {
    constexpr std::int64_t kLeapDay = 1'709'210'096;  // 2024-02-29 12:34:56
    EXPECT_EQ(period_start(Period::kDay, kLeapDay), 1'709'164'800);
    EXPECT_EQ(next_period_start(Period::kDay, kLeapDay), 1'709'251'200);
    EXPECT_EQ(period_start(Period::kMonth, kLeapDay), 1'706'745'600);
    EXPECT_EQ(next_period_start(Period::kMonth, kLeapDay), 1'709'251'200);
}

TEST(Period, TheYearEnds) {
    constexpr std::int64_t kNewYearsEve = 1'735'689'599;  // 2024-12-31 23:59:59
    EXPECT_EQ(next_period_start(Period::kMonth, kNewYearsEve), 1'735'689'600);
    EXPECT_EQ(period_start(Period::kMonth, 1'735'689'600), 1'735'689'600);
}

}  // namespace
}  // namespace atrium::app
