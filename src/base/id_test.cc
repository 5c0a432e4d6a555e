#include "base/id.h"

#include <gtest/gtest.h>

#include <set>

namespace atrium {
namespace {

TEST(Id, IsUniqueAndRecognised) {
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(new_id("file-"));
    EXPECT_EQ(seen.size(), 1000u);
    EXPECT_TRUE(is_id(*seen.begin(), "file-"));
    EXPECT_FALSE(is_id(*seen.begin(), "vs_"));
}

TEST(Id, RefusesWhatCouldBeAPath) {
    EXPECT_FALSE(is_id("file-../../etc/passwd", "file-"));
    EXPECT_FALSE(is_id("file-", "file-"));
    EXPECT_FALSE(is_id("file-abcdefgh\n", "file-"));
    EXPECT_FALSE(is_id("file-" + std::string(65, 'a'), "file-"));
}

}  // namespace
}  // namespace atrium
