#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace atrium::data::internal {

enum class TokenKind : std::uint8_t {
    kWord,     ///< a stemmed word, a number, or a CJK word of ICU's dictionary (two characters or more)
    kCode,     ///< letters and digits joined by punctuation, whole: "gb-45438", "max_tokens"
    kPart,     ///< a piece of a code
    kUnigram,  ///< one CJK character
    kBigram,   ///< two neighbouring CJK characters
};

struct Token {
    std::string term;
    TokenKind kind;
};

/// Tokens of a text in order of occurrence. Thread-safe: each thread has its own break iterator and stemmer.
std::vector<Token> tokenize(std::string_view utf8);

}  // namespace atrium::data::internal
