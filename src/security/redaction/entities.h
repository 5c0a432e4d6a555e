#pragma once

#include <string_view>
#include <vector>

/// Kinds of personal and secret data that are known by their form: an expression finds candidates, a check (digits, dates,
/// checksums) keeps the true ones.
namespace atrium::redaction {

struct Entity {
    std::string_view name;        ///< "cn_id_card"
    std::string_view expression;  ///< RE2 syntax; the whole match is the candidate
    bool (*is_valid)(std::string_view candidate) = nullptr;  ///< null: the form is enough
    /// Characters (ASCII letters, digits and '_') may not stand right before or after the candidate. RE2 has no
    /// look-around, and \b is wrong next to Chinese text.
    bool stands_alone = true;
};

/// email, phone, cn_id_card (GB 11643), cn_uscc (GB 32100), bank_card, credit_card, iban, us_ssn, ipv4, api_key,
/// private_key.
const std::vector<Entity>& entities();
/// Null when there is none of that name.
const Entity* find_entity(std::string_view name);

/// The check digit of an 18-digit resident identity number, its province and its date of birth.
bool is_cn_id_card(std::string_view text);
/// 13–19 digits with a valid Luhn check digit; spaces and dashes between groups are allowed.
bool has_luhn(std::string_view text);
bool is_iban(std::string_view text);
bool is_cn_uscc(std::string_view text);

}  // namespace atrium::redaction
