#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace atrium::data {

struct LexicalHit {
    std::uint64_t key = 0;
    float score = 0;  ///< BM25, unbounded
};

/// BM25 (k1 1.2, b 0.75) over the analyzer's terms: ICU words, stemmed for English, plus CJK uni- and bigrams.
/// Derived data, in memory. Thread-safe: many readers or one writer.
class LexicalIndex {
public:
    virtual ~LexicalIndex() = default;
    virtual std::size_t size() const = 0;
    /// `title` terms (file name, headings) count as part of the text. An existing key is replaced.
    virtual void upsert(std::uint64_t key, std::string_view title, std::string_view text) = 0;
    virtual void remove(std::span<const std::uint64_t> keys) = 0;
    /// At most k hits with a score above 0, best first; ties by key. Stop words count only in a query of nothing else.
    virtual std::vector<LexicalHit> search(std::string_view query, std::size_t k,
                                           const std::function<bool(std::uint64_t)>& filter = {}) const = 0;
    /// Share of the query's information (sum of IDF) that occurs in this text, 0 … 1; for evidence scoring.
    /// A CJK word that the text spells across other word borders counts by its bigrams.
    virtual double coverage(std::string_view query, std::string_view text) const = 0;
};

std::unique_ptr<LexicalIndex> make_bm25_index();

}  // namespace atrium::data
