#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/knowledge/retriever.h"

/// Choosing the sentences that answer a question. Pure functions; scores are 0 … 1.
namespace atrium::app {

/// Share of the first text's information that occurs in the second.
using CoverageFunction = std::function<double(std::string_view query, std::string_view text)>;

/// A verbatim sentence of a passage.
struct Sentence {
    std::size_t passage = 0;  ///< position in the list of passages
    std::string text;
    std::int64_t start = 0;  ///< character (code point) offsets in the passage's text
    std::int64_t end = 0;
    double coverage = 0;               ///< of the question, by the sentence in its context
    std::optional<double> similarity;  ///< calibrated; nothing when there were no vectors
    double score = 0;
};

/// All sentences of a passage's text, trimmed; lines are boundaries too. Fragments without letters are left out.
std::vector<Sentence> split_passage(std::size_t passage, std::string_view text);

/// The `limit` most promising sentences by words and by the rank of their passages: the ones worth embedding.
std::vector<Sentence> preselect_sentences(std::string_view question, const std::vector<FoundPassage>& passages,
                                          const CoverageFunction& coverage, std::size_t limit);

/// The text to embed for a sentence: with the headings that say what it is about.
std::string sentence_in_context(const FoundPassage& passage, const Sentence& sentence);

/// Combines similarity, coverage and the passage's score into `score`, best first.
void rank_sentences(std::vector<Sentence>& sentences, const std::vector<FoundPassage>& passages);

struct Evidence {
    std::vector<Sentence> sentences;  ///< 1–3, best first; empty when nothing answers the question
    double best = 0;                  ///< score of the best sentence, chosen or not
};

/// Thresholds of `choose_evidence`. Measured with multilingual-e5-small on 50 SQuAD and CMRC questions whose paragraph is
/// in the store and 50 whose is not: 0.56 answers 98 % of the first and abstains on 90 % of the second; by words
/// alone 0.45 does 92 % and 96 %.
struct EvidenceThresholds {
    double answer = 0.56;       ///< below: abstain
    double answer_words = 0.45; ///< the same when only words were compared
    double relative = 0.85;     ///< further sentences need this share of the best score
    std::size_t count = 3;
};

/// Takes the best sentence and those nearly as good, without repeating the same text. `ranked` is best first.
Evidence choose_evidence(const std::vector<Sentence>& ranked, const EvidenceThresholds& thresholds);

}  // namespace atrium::app
