#include "model/routing/outlier.h"

#include <gtest/gtest.h>

namespace atrium::model {
namespace {

TEST(Outlier, TheOneThatFailsMoreThanItsPeersGoes) {
    const std::vector<OutlierInput> pool{{100, 1, false}, {100, 2, false}, {100, 35, false}, {100, 0, false}};
    EXPECT_EQ(find_outliers(pool), std::vector<std::size_t>{2});
}

TEST(Outlier, ThreePeersAreEnough) {
    const std::vector<OutlierInput> pool{{100, 1, false}, {100, 40, false}, {100, 0, false}};
    EXPECT_EQ(find_outliers(pool), std::vector<std::size_t>{1});
}

TEST(Outlier, WhenAllFailAlikeNobodyGoes) {
    EXPECT_TRUE(find_outliers(std::vector<OutlierInput>{{100, 40, false}, {100, 42, false}, {100, 41, false}}).empty());
    EXPECT_TRUE(find_outliers(std::vector<OutlierInput>{{100, 1, false}, {100, 5, false}, {100, 0, false}}).empty());
}

TEST(Outlier, FewCallsOrFewPeersProveNothing) {
    EXPECT_TRUE(find_outliers(std::vector<OutlierInput>{{5, 5, false}, {100, 0, false}, {100, 0, false}}).empty());
    EXPECT_TRUE(find_outliers(std::vector<OutlierInput>{{100, 90, false}, {100, 0, false}}).empty());
    EXPECT_TRUE(find_outliers({}).empty());
}

TEST(Outlier, AtMostHalfOfAPoolIsOut) {
    const std::vector<OutlierInput> pool{{100, 0, true}, {100, 60, false}, {100, 0, true}, {100, 0, false}};
    EXPECT_TRUE(find_outliers(pool).empty());
}

}  // namespace
}  // namespace atrium::model
