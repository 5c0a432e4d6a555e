#pragma once

#include <fmt/format.h>

#include "base/json.h"
#include "base/result.h"

/// Checks that chat and completions share. Private to the validation of requests.
namespace atrium::gateway {

inline constexpr std::int64_t kMaxTokenLimit = 10'000'000;

/// An error that names the field, for rules a json::Reader has no word for.
inline std::unexpected<Error> refuse(std::string field, std::string_view rule) {
    auto message = fmt::format("'{}' {}", field, rule);
    return fail(invalid_argument(std::move(message)).with_field(std::move(field)));
}

/// "model": present, not empty, of a sane length.
Result<std::string> check_model(const json::Reader& body);
/// temperature, top_p, penalties, seed, n, stop, logit_bias, user, stream, stream_options. Returns `stream`.
Result<bool> check_sampling(const json::Reader& body);
/// One of the words, when present.
Result<> check_word(const json::Reader& object, std::string_view key, std::initializer_list<std::string_view> words);

}  // namespace atrium::gateway
