#pragma once

#include <string>
#include <string_view>

/// Text as documents hold it, made uniform. Thread-safe.
namespace atrium::data::internal {

/// Well-formed UTF-8 in NFC: line ends as \n, no control characters but \n and \t, no invisible formatting (zero-width
/// and soft-hyphen characters, byte order marks), no-break spaces as spaces.
std::string clean_text(std::string_view bytes);

/// White space of any kind reduced to single spaces, none at the ends.
std::string collapse_spaces(std::string_view utf8);

/// White space around each line removed, blank lines removed.
std::string trim_lines(std::string_view utf8);

/// Appends the continuation of a paragraph that was broken over two lines: nothing next to a CJK character, a space
/// otherwise. With `hyphenated`, "micro-" + "scope" becomes "microscope" (both sides lower-case letters).
void append_wrapped_line(std::string& paragraph, std::string_view line, bool hyphenated = true);

}  // namespace atrium::data::internal
