#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/knowledge/evidence.h"

/// Checks between what a model wrote and what it may be shown for. Pure functions.
namespace atrium::app {

/// For comparing wording: lower case, full-width forms as ASCII, without spaces and punctuation.
std::string normalise_wording(std::string_view utf8);

/// Takes citation markers ("[1]", "[1, 2]", "【1】") out of a text.
struct MarkedText {
    std::string text;          ///< without markers, trimmed
    std::vector<int> markers;  ///< in order, without repeats
};
MarkedText split_markers(std::string_view utf8);

/// A small model's answer, reduced to what may be shown: its first line without markers and quotes, when it stands
/// word for word in one of the passages, is not only an echo of the question, and has a sane length (at most 160
/// characters, half for CJK). The passage it cites comes first, then the others in order. Otherwise nothing.
struct ShortAnswer {
    std::string text;
    std::size_t passage = 0;
};
std::optional<ShortAnswer> check_short_answer(std::string_view question, std::string_view raw,
                                              const std::vector<FoundPassage>& passages);

/// Whether a passage supports a sentence: all its numbers occur there (or in the question) and at least
/// `kSupportCoverage` of its information does.
inline constexpr double kSupportCoverage = 0.6;
bool supports(std::string_view question, std::string_view sentence, const FoundPassage& passage, const CoverageFunction& coverage);
/// The part of `supports` about numbers alone.
bool numbers_occur(std::string_view question, std::string_view sentence, const FoundPassage& passage);

/// Cuts a streamed text into sentences with the markers that follow them. Keeps back what may still change.
class SentenceCutter {
public:
    /// Complete sentences, each with its trailing markers and white space.
    std::vector<std::string> feed(std::string_view text);
    /// What is left at the end.
    std::vector<std::string> finish();

private:
    std::vector<std::string> take(bool at_end);
    std::string buffer_;
};

}  // namespace atrium::app
