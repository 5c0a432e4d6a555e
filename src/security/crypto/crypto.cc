#include "security/crypto/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/random.h>

#include "base/check.h"

namespace atrium::crypto {

struct Sha256Stream::State {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    State() { CHECK(context && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1); }
    ~State() { EVP_MD_CTX_free(context); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(std::string_view bytes) {
    CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256Stream::finish_hex() {
    Sha256 digest{};
    CHECK(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr) == 1);
    return hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

Sha256 sha256(std::string_view bytes) {
    Sha256 digest{};
    CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
    return digest;
}

std::string sha256_hex(std::string_view bytes) {
    const Sha256 digest = sha256(bytes);
    return hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

bool equal_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    std::size_t filled = 0;
    while (filled < count) {
        const ssize_t got = getrandom(bytes.data() + filled, count - filled, 0);
        CHECK(got > 0);
        filled += static_cast<std::size_t>(got);
    }
    return bytes;
}

std::string hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text.push_back(kDigits[byte >> 4]);
        text.push_back(kDigits[byte & 15]);
    }
    return text;
}

std::string base64(std::string_view bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock adds a NUL
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                       reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

Result<std::string> base64_decode(std::string_view text) {
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
    // EVP_DecodeBlock tolerates surrounding space and misplaced padding; the strict form is checked here.
    if (text.size() % 4 != 0 ||
        text.substr(0, text.size() - padding).find_first_not_of(kAlphabet) != std::string_view::npos) {
        return fail(invalid_argument("not valid base64"));
    }
    std::string bytes(text.size() / 4 * 3, '\0');
    const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                       reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    if (length < 0) return fail(invalid_argument("not valid base64"));
    bytes.resize(static_cast<std::size_t>(length) - padding);
    return bytes;
}

}  // namespace atrium::crypto
