#include "security/redaction/entities.h"

#include <algorithm>
#include <array>
#include <string>

namespace atrium::redaction {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string digits_of(std::string_view text) {
    std::string digits;
    std::ranges::copy_if(text, std::back_inserter(digits), is_digit);
    return digits;
}

int number(std::string_view digits) {
    int value = 0;
    for (const char c : digits) value = value * 10 + (c - '0');
    return value;
}

bool is_date(int year, int month, int day) {
    static constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1900 || year > 2099 || month < 1 || month > 12 || day < 1) return false;
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= kDays[static_cast<std::size_t>(month - 1)] + (month == 2 && leap ? 1 : 0);
}

bool is_bank_card(std::string_view text) {
    const auto digits = digits_of(text);
    // UnionPay, Visa, Mastercard, American Express and JCB begin with these.
    return digits.size() >= 13 && std::string_view("3456").contains(digits.front()) && has_luhn(text);
}

bool is_us_ssn(std::string_view text) {
    const auto digits = digits_of(text);
    if (digits.size() != 9) return false;
    const int area = number(std::string_view(digits).substr(0, 3));
    return area != 0 && area != 666 && area < 900 && digits.substr(3, 2) != "00" && digits.substr(5) != "0000";
}

bool is_ipv4(std::string_view text) {
    int octet = 0;
    for (const char c : text) {
        if (c == '.') {
            octet = 0;
            continue;
        }
        octet = octet * 10 + (c - '0');
        if (octet > 255) return false;
    }
    return true;
}

/// Service numbers (400, 800) and runs of one digit are nobody's.
bool is_phone(std::string_view text) {
    const auto digits = digits_of(text);
    if (digits.size() < 7 || digits.size() > 15) return false;
    return std::ranges::any_of(digits, [&](char c) { return c != digits.front(); });
}

}  // namespace

bool has_luhn(std::string_view text) {
    const auto digits = digits_of(text);
    if (digits.size() < 13 || digits.size() > 19) return false;
    int sum = 0;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        int digit = digits[digits.size() - 1 - i] - '0';
        if (i % 2 == 1 && (digit *= 2) > 9) digit -= 9;
        sum += digit;
    }
    return sum % 10 == 0 && digits.find_first_not_of('0') != std::string::npos;
}

bool is_cn_id_card(std::string_view text) {
    static constexpr std::array<int, 17> kWeights{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    static constexpr std::string_view kCheck = "10X98765432";
    if (text.size() != 18 || !std::all_of(text.begin(), text.end() - 1, is_digit)) return false;
    const int province = number(text.substr(0, 2));
    if (province < 11 || province > 82) return false;
    if (!is_date(number(text.substr(6, 4)), number(text.substr(10, 2)), number(text.substr(12, 2)))) return false;
    int sum = 0;
    for (std::size_t i = 0; i < kWeights.size(); ++i) sum += (text[i] - '0') * kWeights[i];
    const char last = text.back() == 'x' ? 'X' : text.back();
    return kCheck[static_cast<std::size_t>(sum % 11)] == last;
}

bool is_cn_uscc(std::string_view text) {
    static constexpr std::string_view kDigits = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    if (text.size() != 18) return false;
    std::size_t sum = 0;
    std::size_t weight = 1;
    for (std::size_t i = 0; i < 17; ++i) {
        const auto value = kDigits.find(text[i]);
        if (value == std::string_view::npos) return false;
        sum += value * weight;
        weight = weight * 3 % 31;
    }
    return kDigits[(31 - sum % 31) % 31] == text.back();
}

bool is_iban(std::string_view text) {
    std::string plain;
    std::ranges::copy_if(text, std::back_inserter(plain), [](char c) { return c != ' '; });
    if (plain.size() < 15 || plain.size() > 34) return false;
    std::rotate(plain.begin(), plain.begin() + 4, plain.end());
    int remainder = 0;
    for (const char c : plain) {
        if (is_digit(c)) {
            remainder = (remainder * 10 + (c - '0')) % 97;
        } else if (c >= 'A' && c <= 'Z') {
            remainder = (remainder * 100 + (c - 'A' + 10)) % 97;
        } else {
            return false;
        }
    }
    return remainder == 1;
}

const std::vector<Entity>& entities() {
    static const std::vector<Entity> all{
        {"email", R"([A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,4})"},
        {"phone",
         R"((?:\+?86[ \-]?)?1[3-9]\d(?:[ \-]?\d{4}){2}|0\d{2,3}-\d{7,8}|\+\d{1,3}[ \-]?(?:\(\d{1,4}\)[ \-]?)?\d{2,4}(?:[ \-]?\d{2,4}){1,4}|\(?[2-9]\d{2}\)?[ \-]\d{3}-\d{4})",
         is_phone},
        {"cn_id_card", R"([1-8]\d{5}(?:19|20)\d{9}[0-9Xx])", is_cn_id_card},
        {"cn_uscc", R"([0-9A-HJ-NP-RT-UWXY]{2}\d{6}[0-9A-HJ-NP-RT-UWXY]{10})", is_cn_uscc},
        {"bank_card", R"(\d{4}(?:[ \-]?\d{4}){2,3}(?:[ \-]?\d{1,3})?|\d{13,19})", is_bank_card},
        {"credit_card", R"([3-6]\d{3}(?:[ \-]?\d{4}){2}[ \-]?\d{1,7}|3\d{3}[ \-]?\d{6}[ \-]?\d{5})", is_bank_card},
        {"iban", R"([A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)", is_iban},
        {"us_ssn", R"(\d{3}-\d{2}-\d{4})", is_us_ssn},
        {"ipv4", R"(\d{1,3}(?:\.\d{1,3}){3})", is_ipv4},
        {"api_key",
         R"(sk-[A-Za-z0-9_\-]{20,200}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,100}|AIza[0-9A-Za-z_\-]{35}|xox[abprs]-[A-Za-z0-9\-]{10,100}|eyJ[A-Za-z0-9_\-]{10,80}\.[A-Za-z0-9_\-]{10,80}\.[A-Za-z0-9_\-]{10,80})"},
        {"private_key", R"(-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----)", nullptr, false}};
    return all;
}

const Entity* find_entity(std::string_view name) {
    const auto found = std::ranges::find(entities(), name, &Entity::name);
    return found == entities().end() ? nullptr : &*found;
}

}  // namespace atrium::redaction
