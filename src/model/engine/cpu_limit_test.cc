#include "model/engine/cpu_limit.h"

#include <gtest/gtest.h>

namespace atrium::model {
namespace {

TEST(CpuLimit, ReadsTheQuota) {
    EXPECT_EQ(cores_from_cpu_max("200000 100000\n"), 2);
    EXPECT_EQ(cores_from_cpu_max("150000 100000"), 2) << "half a core still computes";
    EXPECT_EQ(cores_from_cpu_max("1000 100000"), 1);
    EXPECT_EQ(cores_from_cpu_max("max 100000"), std::nullopt);
    EXPECT_EQ(cores_from_cpu_max(""), std::nullopt);
    EXPECT_EQ(cores_from_cpu_max("100000 0"), std::nullopt);
}

TEST(CpuLimit, AtLeastOneCore) { EXPECT_GE(available_cores(machine_fs()), 1); }

}  // namespace
}  // namespace atrium::model
