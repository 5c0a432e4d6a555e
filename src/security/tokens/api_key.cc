#include "security/tokens/api_key.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>

#include "base/text.h"
#include "security/crypto/crypto.h"

namespace atrium::tokens {
namespace {

constexpr std::string_view kPrefix = "sk-atrium-";
constexpr std::size_t kSecretLength = 40;
constexpr std::size_t kChecksumLength = 6;
constexpr std::string_view kAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// CRC-32 (IEEE 802.3), bit by bit: keys are short and rare.
std::uint32_t crc32(std::string_view bytes) {
    std::uint32_t crc = 0xFFFFFFFF;
    for (const char c : bytes) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

std::string checksum(std::string_view secret) {
    std::uint32_t value = crc32(secret);
    std::string text(kChecksumLength, '0');
    for (std::size_t i = text.size(); i-- > 0; value /= kAlphabet.size()) text[i] = kAlphabet[value % kAlphabet.size()];
    return text;
}

}  // namespace

std::string generate_api_key() {
    std::string secret;
    while (secret.size() < kSecretLength) {
        for (const char c : crypto::random_bytes(64)) {
            const auto byte = static_cast<unsigned char>(c);
            // 248 = 4 · 62: larger bytes would favour the first characters of the alphabet
            if (byte < 248 && secret.size() < kSecretLength) secret.push_back(kAlphabet[byte % kAlphabet.size()]);
        }
    }
    return fmt::format("{}{}{}", kPrefix, secret, checksum(secret));
}

std::string api_key_hash(std::string_view key) { return crypto::sha256_hex(key); }

std::string redacted_api_key(std::string_view key) {
    if (key.size() < kPrefix.size() + 8 || !key.starts_with(kPrefix)) return "***";
    return fmt::format("{}…{}", key.substr(0, kPrefix.size() + 2), key.substr(key.size() - 2));
}

Result<std::string> api_key_from_headers(std::string_view authorization, std::string_view x_api_key,
                                         std::string_view api_key) {
    const auto invalid = [](std::string message) {
        return fail(unauthenticated(std::move(message)).with_reason("invalid_api_key"));
    };
    std::string_view key = text::trim(x_api_key);
    if (const auto other = text::trim(api_key); !other.empty()) {
        if (!key.empty() && key != other) return invalid("x-api-key and api-key name two different keys");
        key = other;
    }
    if (!authorization.empty()) {
        constexpr std::string_view kBearer = "bearer ";
        if (authorization.size() <= kBearer.size() ||
            !text::equals_ignore_case(authorization.substr(0, kBearer.size()), kBearer)) {
            return invalid("the Authorization header must be 'Bearer <api key>'");
        }
        const std::string_view bearer = text::trim(authorization.substr(kBearer.size()));
        if (!key.empty() && key != bearer) return invalid("the Authorization header and another one name two different keys");
        key = bearer;
    }
    if (key.empty()) return invalid("no API key: send 'Authorization: Bearer <api key>'");
    if (key.size() > 256) return invalid("the API key is too long");
    if (key.starts_with(kPrefix)) {
        const std::string_view rest = key.substr(kPrefix.size());
        if (rest.size() != kSecretLength + kChecksumLength ||
            checksum(rest.substr(0, kSecretLength)) != rest.substr(kSecretLength)) {
            return invalid(fmt::format("the API key {} is mistyped or incomplete", redacted_api_key(key)));
        }
    }
    return std::string(key);
}

}  // namespace atrium::tokens
