#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace atrium::tokens {

/// "sk-atrium-" + 40 base-62 characters (238 random bits) + 6 characters of CRC32, so that a mistyped or
/// truncated key is told apart from an unknown one without a look-up.
std::string generate_api_key();

/// What is stored: SHA-256 in hex. A random 238-bit secret needs no salt and no slow hash.
std::string api_key_hash(std::string_view key);

/// What may be shown and logged: "sk-atrium-ab…yz".
std::string redacted_api_key(std::string_view key);

/// The key in "Authorization: Bearer …", "x-api-key: …" or "api-key: …" (any may be empty); they are equals, so two that
/// differ are refused rather than ranked. kUnauthenticated with a reason when there is none or the header is not of that
/// form. Does not look anything up.
Result<std::string> api_key_from_headers(std::string_view authorization, std::string_view x_api_key,
                                         std::string_view api_key = {});

}  // namespace atrium::tokens
