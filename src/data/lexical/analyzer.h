#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace atrium::data {

/// Index terms of a text: NFKC, case folded, traditional mapped to simplified Chinese, Latin accents dropped; words with
/// a Porter2 stem for Latin script; ICU words, bigrams and unigrams for CJK; numbers and codes whole ("3.5",
/// "gb-45438"), codes also in parts. Order of occurrence, with repeats. Ill-formed input is tolerated. Thread-safe.
std::vector<std::string> analyze(std::string_view utf8);

/// Whether a term, as analyze() returns it, carries little meaning ("the", "的", "什么"). Thread-safe.
bool is_stop_word(std::string_view term);

/// "zh" when most letters are Han (a Han character counts as three letters, being about a word), "en" when most are
/// Latin, else empty; Japanese and Korean are empty. Looks at the first 64 KiB. Thread-safe.
std::string_view detect_language(std::string_view utf8);

}  // namespace atrium::data
