#include "security/redaction/entities.h"

#include <gtest/gtest.h>

namespace atrium::redaction {
namespace {

TEST(Entities, ResidentIdentityNumbers) {
    EXPECT_TRUE(is_cn_id_card("11010519491231002X"));
    EXPECT_TRUE(is_cn_id_card("11010519491231002x"));
    EXPECT_FALSE(is_cn_id_card("110105194912310021")) << "check digit";
    EXPECT_FALSE(is_cn_id_card("11010519490230002X")) << "there is no 30 February";
    EXPECT_FALSE(is_cn_id_card("99010519491231002X")) << "province";
    EXPECT_FALSE(is_cn_id_card(""));
}

TEST(Entities, CardsHaveALuhnDigit) {
    EXPECT_TRUE(has_luhn("4111 1111 1111 1111"));
    EXPECT_TRUE(has_luhn("378282246310005"));
    EXPECT_FALSE(has_luhn("4111111111111112"));
    EXPECT_FALSE(has_luhn("0000000000000000"));
}

TEST(Entities, BankAccountsAndCompanies) {
    EXPECT_TRUE(is_iban("DE89 3704 0044 0532 0130 00"));
    EXPECT_FALSE(is_iban("DE89 3704 0044 0532 0130 01"));
    EXPECT_TRUE(is_cn_uscc("91350100M000100Y43"));
    EXPECT_FALSE(is_cn_uscc("91350100M000100Y44"));
}

TEST(Entities, AreFoundByName) {
    ASSERT_NE(find_entity("email"), nullptr);
    EXPECT_EQ(find_entity("mail"), nullptr);
}

}  // namespace
}  // namespace atrium::redaction
