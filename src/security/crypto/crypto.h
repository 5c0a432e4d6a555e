#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

/// Mechanisms on OpenSSL 3; no policy. All functions are thread-safe.
namespace atrium::crypto {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);

/// SHA-256 over a stream of pieces. Single-threaded.
class Sha256Stream {
public:
    Sha256Stream();
    ~Sha256Stream();
    Sha256Stream(Sha256Stream&&) noexcept;
    Sha256Stream& operator=(Sha256Stream&&) noexcept;
    void update(std::string_view bytes);
    std::string finish_hex();  ///< 64 lower-case hex digits; once

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Equal contents, in time that depends only on the lengths.
bool equal_constant_time(std::string_view a, std::string_view b);

std::string random_bytes(std::size_t count);
std::string hex(std::string_view bytes);
std::string base64(std::string_view bytes);
Result<std::string> base64_decode(std::string_view text);  ///< strict, padded

}  // namespace atrium::crypto
