#include "security/tokens/api_key.h"

#include <gtest/gtest.h>

namespace atrium::tokens {
namespace {

TEST(ApiKey, IsAcceptedInEitherHeader) {
    const std::string key = generate_api_key();
    EXPECT_EQ(key.size(), 56u);
    EXPECT_EQ(api_key_from_headers("Bearer " + key, "").value(), key);
    EXPECT_EQ(api_key_from_headers("bearer  " + key, "").value(), key);
    EXPECT_EQ(api_key_from_headers("", key).value(), key);
    EXPECT_EQ(api_key_from_headers("Bearer " + key, key).value(), key);
    EXPECT_EQ(api_key_from_headers("", "", key).value(), key);
    EXPECT_EQ(api_key_from_headers("Bearer " + key, key, " " + key).value(), key);
    EXPECT_FALSE(api_key_from_headers("", key, "other"));
    EXPECT_FALSE(api_key_from_headers("Bearer " + key, "", "other"));
}

TEST(ApiKey, OperatorChosenSecretsAreAccepted) { EXPECT_EQ(api_key_from_headers("Bearer my-own", "").value(), "my-own"); }

TEST(ApiKey, MistypedKeysAreToldApart) {
    std::string key = generate_api_key();
    key[20] = key[20] == 'a' ? 'b' : 'a';
    const auto mistyped = api_key_from_headers("Bearer " + key, "");
    ASSERT_FALSE(mistyped.has_value());
    EXPECT_EQ(mistyped.error().code(), Code::kUnauthenticated);
    EXPECT_EQ(mistyped.error().reason(), "invalid_api_key");
    EXPECT_NE(mistyped.error().message().find("mistyped"), std::string::npos);
    EXPECT_EQ(mistyped.error().message().find(key), std::string::npos) << "the key itself must not be repeated";
}

TEST(ApiKey, MissingMalformedAndConflictingHeadersAreRefused) {
    for (const auto& [authorization, x_api_key] : {std::pair{"", ""}, {"Basic abc", ""}, {"Bearer ", ""}, {"Bearer a", "b"}}) {
        EXPECT_FALSE(api_key_from_headers(authorization, x_api_key).has_value()) << authorization;
    }
    EXPECT_FALSE(api_key_from_headers("Bearer " + std::string(300, 'a'), "").has_value());
}

TEST(ApiKey, RedactedFormKeepsTheSecretSecret) {
    const std::string key = generate_api_key();
    EXPECT_EQ(redacted_api_key(key), key.substr(0, 12) + "…" + key.substr(54));
    EXPECT_EQ(redacted_api_key("short"), "***");
    EXPECT_EQ(api_key_hash(key).size(), 64u);
}

}  // namespace
}  // namespace atrium::tokens
