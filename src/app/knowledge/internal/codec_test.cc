#include "app/knowledge/internal/codec.h"

#include <gtest/gtest.h>

#include <cmath>

namespace atrium::app::codec {
namespace {

TEST(Codec, VectorsSurviveWithinHalfPrecision) {
    std::vector<float> values(384);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(std::sin(static_cast<double>(i) * 0.37) / 14);
    const auto text = encode_vector(values);
    EXPECT_EQ(text.size(), 1024U);
    const auto decoded = decode_vector(text, values.size());
    ASSERT_TRUE(decoded);
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR((*decoded)[i], values[i], 1e-4);
}

TEST(Codec, DamagedVectorsAreDataLoss) {
    const auto text = encode_vector(std::vector<float>{1, 2, 3});
    EXPECT_FALSE(decode_vector(text, 4));
    EXPECT_FALSE(decode_vector("?" + text, 3));
    EXPECT_EQ(decode_vector(text, 2).error().code(), Code::kDataLoss);
}

TEST(Codec, StringsAndObjects) {
    const std::vector<std::string> values{"a \"quoted\"", "中文", ""};
    EXPECT_EQ(decode_strings(encode_strings(values)), values);
    EXPECT_TRUE(decode_strings("damaged").empty());
    EXPECT_TRUE(decode_object("[1]").empty());
    EXPECT_EQ(decode_object(R"({"a":1})").at("a").as_int64(), 1);
}

}  // namespace
}  // namespace atrium::app::codec
