#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace atrium::data {

/// Index terms of a text: NFKC, case folded, traditional mapped to simplified Chinese; ICU words with a Porter2 stem
/// for Latin script, CJK unigrams and bigrams; numbers and codes whole. Order of occurrence, with repeats. Thread-safe.
std::vector<std::string> analyze(std::string_view utf8);

/// Whether a term carries little meaning ("the", "的", "什么").
bool is_stop_word(std::string_view term);

/// "zh" when most letters are Han, "en" when most are Latin, else empty.
std::string_view detect_language(std::string_view utf8);

}  // namespace atrium::data
