#include "app/knowledge/evidence.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "data/documents/chunker.h"

namespace atrium::app {

namespace {

constexpr double kSimilarityShare = 0.45;
constexpr double kCoverageShare = 0.35;
constexpr double kPassageShare = 0.20;
/// Of the coverage: what the sentence says itself, against what it says together with its headings and the sentence before.
constexpr double kOwnWords = 0.6;
/// A quote longer than this is a wall, not an answer.
constexpr std::size_t kLongestSentence = 600;
constexpr std::size_t kShortestSentence = 4;

bool has_letters(std::string_view utf8) {
    for (std::size_t offset = 0; offset < utf8.size();) {
        const char32_t c = text::next_char(utf8, offset);
        if (c >= 0x80 ? c != 0x3000 && c != 0x2022 && c != 0x2014 : std::isalnum(static_cast<int>(c)) != 0) return true;
    }
    return false;
}

bool is_markdown_rule(std::string_view line) {
    return line.find_first_not_of("|-: ") == std::string_view::npos;
}

bool comes_before(const Sentence& a, const Sentence& b) {
    return a.passage != b.passage ? a.passage < b.passage : a.start < b.start;
}

std::string headings_of(const FoundPassage& passage) {
    std::string joined;
    for (const auto& heading : passage.chunk.headings) joined += heading + "\n";
    return joined;
}

}  // namespace

std::vector<Sentence> split_passage(std::size_t passage, std::string_view text) {
    std::vector<Sentence> sentences;
    std::int64_t position = 0;  // in characters
    for (const auto line : text::split(text, '\n')) {
        for (const auto piece : is_markdown_rule(line) ? std::vector<std::string_view>{line} : data::split_sentences(line)) {
            const auto trimmed = text::trim(piece);
            const auto characters = static_cast<std::int64_t>(text::char_count(piece));
            if (!trimmed.empty() && !is_markdown_rule(trimmed) && has_letters(trimmed)) {
                Sentence sentence;
                sentence.passage = passage;
                sentence.text = std::string(trimmed);
                const auto before = piece.substr(0, static_cast<std::size_t>(trimmed.data() - piece.data()));
                sentence.start = position + static_cast<std::int64_t>(text::char_count(before));
                sentence.end = sentence.start + static_cast<std::int64_t>(text::char_count(trimmed));
                sentences.push_back(std::move(sentence));
            }
            position += characters;
        }
        ++position;  // the line feed
    }
    return sentences;
}

std::vector<Sentence> preselect_sentences(std::string_view question, const std::vector<FoundPassage>& passages,
                                          const CoverageFunction& coverage, std::size_t limit) {
    std::vector<Sentence> all;
    for (std::size_t p = 0; p < passages.size(); ++p) {
        auto sentences = split_passage(p, passages[p].chunk.text);
        const std::string headings = headings_of(passages[p]) + passages[p].chunk.filename + "\n";
        std::string before;
        for (auto& sentence : sentences) {
            const double own = coverage(question, sentence.text);
            const double together = coverage(question, headings + before + "\n" + sentence.text);
            sentence.coverage = kOwnWords * own + (1 - kOwnWords) * together;
            before = sentence.text;
            const auto length = sentence.end - sentence.start;
            if (length < static_cast<std::int64_t>(kShortestSentence) || length > static_cast<std::int64_t>(kLongestSentence)) continue;
            all.push_back(sentence);
        }
    }
    // Earlier passages first among equals, so that a question in another language than the documents still gets the
    // sentences of the best passages.
    const auto promise = [&passages](const Sentence& sentence) {
        return sentence.coverage + 0.5 * passages[sentence.passage].score;
    };
    std::sort(all.begin(), all.end(), [&](const Sentence& a, const Sentence& b) {
        return promise(a) != promise(b) ? promise(a) > promise(b) : comes_before(a, b);
    });
    if (all.size() > limit) all.resize(limit);
    return all;
}

std::string sentence_in_context(const FoundPassage& passage, const Sentence& sentence) {
    return passage.chunk.headings.empty() ? sentence.text : passage.chunk.headings.back() + "\n" + sentence.text;
}

void rank_sentences(std::vector<Sentence>& sentences, const std::vector<FoundPassage>& passages) {
    for (auto& sentence : sentences) {
        const double passage = passages[sentence.passage].score;
        if (sentence.similarity) {
            sentence.score = kSimilarityShare * *sentence.similarity + kCoverageShare * sentence.coverage + kPassageShare * passage;
        } else {
            sentence.score = (1 - kPassageShare) * sentence.coverage + kPassageShare * passage;
        }
    }
    std::sort(sentences.begin(), sentences.end(), [](const Sentence& a, const Sentence& b) {
        return a.score != b.score ? a.score > b.score : comes_before(a, b);
    });
}

Evidence choose_evidence(const std::vector<Sentence>& ranked, const EvidenceThresholds& thresholds) {
    Evidence evidence;
    if (ranked.empty()) return evidence;
    evidence.best = ranked.front().score;
    const double enough = ranked.front().similarity ? thresholds.answer : thresholds.answer_words;
    if (evidence.best < enough) return evidence;
    for (const auto& sentence : ranked) {
        if (evidence.sentences.size() == thresholds.count || sentence.score < thresholds.relative * evidence.best) break;
        const bool repeated = std::any_of(evidence.sentences.begin(), evidence.sentences.end(),
                                          [&](const Sentence& chosen) { return chosen.text == sentence.text; });
        if (!repeated) evidence.sentences.push_back(sentence);
    }
    return evidence;
}

}  // namespace atrium::app
