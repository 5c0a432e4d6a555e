#include "security/crypto/crypto.h"

#include <gtest/gtest.h>

namespace atrium::crypto {
namespace {

TEST(Sha256, KnownAnswer) {
    // FIPS 180-2, appendix B.1
    constexpr std::string_view kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    EXPECT_EQ(sha256_hex("abc"), kAbc);
    Sha256Stream stream;
    stream.update("a");
    stream.update("");
    stream.update("bc");
    EXPECT_EQ(stream.finish_hex(), kAbc);
}

TEST(Compare, EqualOnlyWhenEqual) {
    EXPECT_TRUE(equal_constant_time("secret", "secret"));
    EXPECT_FALSE(equal_constant_time("secret", "secreT"));
    EXPECT_FALSE(equal_constant_time("secret", "secrets"));
    EXPECT_TRUE(equal_constant_time("", ""));
}

TEST(Base64, RoundTripsAndIsStrict) {
    for (const std::string& bytes : {std::string(), std::string("a"), std::string("ab"), std::string("abc"), random_bytes(1000)}) {
        EXPECT_EQ(base64_decode(base64(bytes)).value(), bytes);
    }
    EXPECT_EQ(base64("ab"), "YWI=");
    for (const std::string_view bad : {"YWI", "YW=I", "Y===", " YWI=", "YWI=\n", "!!!!", "===="}) {
        EXPECT_FALSE(base64_decode(bad).has_value()) << bad;
    }
}

TEST(Random, IsOfTheRightLengthAndNotConstant) {
    EXPECT_EQ(random_bytes(33).size(), 33u);
    EXPECT_NE(random_bytes(16), random_bytes(16));
    EXPECT_EQ(hex("\x01\xFF"), "01ff");
}

}  // namespace
}  // namespace atrium::crypto
