#pragma once

#include <string>
#include <string_view>

namespace atrium::data::internal {

/// What the analyzer does before it looks for words: NFKC with case folding, traditional Chinese mapped to
/// simplified, accents dropped from Latin letters, dashes and apostrophes reduced to '-' and '\''.
/// Accepts anything, returns well-formed UTF-8. Thread-safe.
std::string normalize_for_search(std::string_view utf8);

}  // namespace atrium::data::internal
