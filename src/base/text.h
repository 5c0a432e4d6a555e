#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Byte-level and UTF-8 helpers without tables or locales. What needs Unicode properties (words, normal forms,
/// case folding) lives in data/lexical on ICU.
namespace atrium::text {

/// Well-formed UTF-8 per RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view bytes);

/// Replaces every ill-formed sequence by U+FFFD.
std::string to_valid_utf8(std::string_view bytes);

/// The longest prefix of `bytes` that ends on a character boundary; what is left may be an unfinished character.
std::size_t complete_utf8_prefix(std::string_view bytes);

/// At most `max_bytes`, never cutting a character; appends "…" when something was cut.
std::string shorten(std::string_view utf8, std::size_t max_bytes);

/// Decodes one character at `offset` (must be well-formed) and advances `offset` past it.
char32_t next_char(std::string_view utf8, std::size_t& offset);
void append_utf8(std::string& out, char32_t c);
/// Number of characters (code points) in well-formed UTF-8.
std::size_t char_count(std::string_view utf8);

/// Han, kana, hangul, bopomofo and CJK punctuation: text written without spaces between words.
bool is_cjk(char32_t c);

std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);
std::string to_lower_ascii(std::string_view text);
bool equals_ignore_case(std::string_view a, std::string_view b);

/// Whole string as a decimal number, or nothing. No leading '+', no spaces.
std::optional<std::int64_t> to_int(std::string_view text);
std::optional<double> to_double(std::string_view text);

/// Edit distance of two short strings, for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b);
/// The closest candidate within distance 3 (and a third of the word), or nothing.
std::optional<std::string_view> closest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace atrium::text
