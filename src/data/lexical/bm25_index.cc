#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cmath>
#include <limits>
#include <mutex>
#include <shared_mutex>
#include <string>

#include "base/check.h"
#include "base/text.h"
#include "data/lexical/analyzer.h"
#include "data/lexical/internal/tokenizer.h"
#include "data/lexical/lexical_index.h"

namespace atrium::data {
namespace {

using internal::Token;
using internal::tokenize;
using internal::TokenKind;

constexpr float kK1 = 1.2F;
constexpr float kB = 0.75F;

/// A posting is the document slot in the upper 24 bits and the term frequency, capped at 255, in the lower 8: four bytes
/// instead of eight, and BM25 has saturated (to 0.5 %) long before 255.
constexpr unsigned kFrequencyBits = 8;
constexpr std::uint32_t kMaxFrequency = (1U << kFrequencyBits) - 1;
constexpr std::size_t kMaxSlots = std::size_t{1} << (32 - kFrequencyBits);
using Postings = std::vector<std::uint32_t>;  // ascending

struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using TermSet = boost::unordered_flat_set<std::string, StringHash, std::equal_to<>>;

/// Scores of one search by slot. Thread-local, all zero between searches (also when a filter throws).
class Accumulators {
public:
    explicit Accumulators(std::size_t slots) {
        if (scores().size() < slots) scores().resize(slots);
    }
    ~Accumulators() {
        for (const std::uint32_t slot : touched()) scores()[slot] = 0;
        touched().clear();
    }
    Accumulators(const Accumulators&) = delete;
    Accumulators& operator=(const Accumulators&) = delete;

    static std::vector<float>& scores() {
        static thread_local std::vector<float> scores;
        return scores;
    }
    static std::vector<std::uint32_t>& touched() {
        static thread_local std::vector<std::uint32_t> touched;
        return touched;
    }
};

struct QueryTerm {
    const Postings* postings;
    float weight;       ///< idf · (k1 + 1) · frequency in the query: what a document can gain at most
    float rest_weight;  ///< of this term and all after it
};

class Bm25Index final : public LexicalIndex {
public:
    std::size_t size() const override {
        const std::shared_lock lock(mutex_);
        return slots_.size();
    }

    void upsert(std::uint64_t key, std::string_view title, std::string_view text) override {
        auto tokens = tokenize(title);
        auto body = tokenize(text);
        std::move(body.begin(), body.end(), std::back_inserter(tokens));

        const std::unique_lock lock(mutex_);
        remove_locked(key);
        if (BUG_IF(keys_.size() >= kMaxSlots)) return;
        const auto slot = static_cast<std::uint32_t>(keys_.size());
        std::vector<std::uint32_t> terms;
        terms.reserve(tokens.size());
        for (auto& token : tokens) {
            const auto [entry, added] = dictionary_.try_emplace(std::move(token.term), static_cast<std::uint32_t>(postings_.size()));
            if (added) postings_.emplace_back();
            terms.push_back(entry->second);
        }
        std::sort(terms.begin(), terms.end());
        for (std::size_t i = 0; i < terms.size();) {
            std::size_t end = i + 1;
            while (end < terms.size() && terms[end] == terms[i]) ++end;
            const auto frequency = std::min(static_cast<std::uint32_t>(end - i), kMaxFrequency);
            postings_[terms[i]].push_back(slot << kFrequencyBits | frequency);
            i = end;
        }
        keys_.push_back(key);
        lengths_.push_back(static_cast<float>(terms.size()));
        total_length_ += static_cast<double>(terms.size());
        slots_.emplace(key, slot);
    }

    void remove(std::span<const std::uint64_t> keys) override {
        const std::unique_lock lock(mutex_);
        for (const std::uint64_t key : keys) remove_locked(key);
    }

    std::vector<LexicalHit> search(std::string_view query, std::size_t k,
                                   const std::function<bool(std::uint64_t)>& filter) const override {
        const auto tokens = tokenize(query);
        if (tokens.empty() || k == 0) return {};
        const std::shared_lock lock(mutex_);
        if (slots_.empty()) return {};
        const auto terms = query_terms(tokens);
        const Accumulators guard(keys_.size());
        accumulate(terms, filter ? 0 : k);
        return best(k, filter);
    }

    double coverage(std::string_view query, std::string_view text) const override {
        TermSet present;
        for (auto& token : tokenize(text)) present.insert(std::move(token.term));
        const auto tokens = tokenize(query);
        const bool only_stop_words = all_stop_words(tokens);
        const std::shared_lock lock(mutex_);
        double all = 0;
        double found = 0;
        TermSet seen;
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            const Token& token = tokens[i];
            // Words carry the information; their characters only help to recognise them. A character that no word of
            // two or more covers is a word of its own, but which ones those are is not worth the bookkeeping.
            if (token.kind != TokenKind::kWord && token.kind != TokenKind::kCode) continue;
            if (!only_stop_words && is_stop_word(token.term)) continue;
            if (!seen.insert(token.term).second) continue;
            const double idf = idf_of(token.term);
            all += idf;
            found += idf * presence(token.term, present);
        }
        if (all > 0) return found / all;
        // No word at all, e.g. a query of one Chinese character.
        for (const Token& token : tokens) {
            if (!seen.insert(token.term).second) continue;
            all += idf_of(token.term);
            if (present.contains(token.term)) found += idf_of(token.term);
        }
        return all > 0 ? found / all : 0;
    }

private:
    static bool all_stop_words(const std::vector<Token>& tokens) {
        return std::all_of(tokens.begin(), tokens.end(), [](const Token& token) { return is_stop_word(token.term); });
    }

    /// 1 when the text has the term, or for a CJK word the share of its bigrams that the text has.
    static double presence(const std::string& term, const TermSet& present) {
        if (present.contains(term)) return 1;
        std::vector<std::size_t> starts;
        for (std::size_t i = 0; i < term.size();) {
            starts.push_back(i);
            if (!text::is_cjk(text::next_char(term, i))) return 0;
        }
        starts.push_back(term.size());
        if (starts.size() < 4) return 0;  // two characters: the word is its only bigram
        int bigrams = 0;
        for (std::size_t i = 0; i + 2 < starts.size(); ++i) {
            if (present.contains(std::string_view(term).substr(starts[i], starts[i + 2] - starts[i]))) ++bigrams;
        }
        return static_cast<double>(bigrams) / static_cast<double>(starts.size() - 2);
    }

    double idf(std::size_t documents_with_term) const {
        const auto documents = static_cast<double>(slots_.size());
        // Postings of removed documents linger until compaction, hence the bound.
        const double with = std::min(static_cast<double>(documents_with_term), documents);
        return std::log(1 + (documents - with + 0.5) / (with + 0.5));
    }

    double idf_of(std::string_view term) const {
        const auto entry = dictionary_.find(term);
        return idf(entry == dictionary_.end() ? 0 : postings_[entry->second].size());
    }

    /// The terms of the query that occur, most valuable first.
    std::vector<QueryTerm> query_terms(const std::vector<Token>& tokens) const {
        const bool only_stop_words = all_stop_words(tokens);
        std::vector<std::uint32_t> ids;
        ids.reserve(tokens.size());
        for (const Token& token : tokens) {
            const auto entry = dictionary_.find(std::string_view(token.term));
            if (entry == dictionary_.end()) continue;
            if (!only_stop_words && is_stop_word(token.term)) continue;
            ids.push_back(entry->second);
        }
        std::sort(ids.begin(), ids.end());
        std::vector<QueryTerm> terms;
        for (std::size_t i = 0; i < ids.size();) {
            std::size_t end = i + 1;
            while (end < ids.size() && ids[end] == ids[i]) ++end;
            const Postings& postings = postings_[ids[i]];
            if (!postings.empty()) {
                const auto weight = static_cast<float>(idf(postings.size())) * (kK1 + 1) * static_cast<float>(end - i);
                terms.push_back({&postings, weight, 0});
            }
            i = end;
        }
        std::sort(terms.begin(), terms.end(), [](const auto& a, const auto& b) {
            return a.weight != b.weight ? a.weight > b.weight : std::less<>()(a.postings, b.postings);
        });
        float rest = 0;
        for (std::size_t i = terms.size(); i > 0; --i) terms[i - 1].rest_weight = rest += terms[i - 1].weight;
        return terms;
    }

    /// Adds up the scores term by term. Once the documents met so far are sure to hold the k best (what the remaining
    /// terms can add is less than the k-th score), only those are looked up in the remaining, longest lists.
    /// k = 0: no shortcut, for searches whose filter decides later which documents count.
    void accumulate(const std::vector<QueryTerm>& terms, std::size_t k) const {
        auto& scores = Accumulators::scores();
        auto& touched = Accumulators::touched();
        const auto live = static_cast<double>(slots_.size());
        const float base = kK1 * (1 - kB);
        const float per_length = total_length_ > 0 ? static_cast<float>(kK1 * kB * live / total_length_) : 0;
        const auto gain = [&](float weight, std::uint32_t posting) {
            const auto frequency = static_cast<float>(posting & kMaxFrequency);
            return weight * frequency / (frequency + base + per_length * lengths_[posting >> kFrequencyBits]);
        };
        std::vector<float> ranking;
        for (std::size_t t = 0; t < terms.size(); ++t) {
            const QueryTerm& term = terms[t];
            if (k > 0 && touched.size() >= k && term.postings->size() > 2 * touched.size()) {
                ranking.clear();
                for (const std::uint32_t slot : touched) ranking.push_back(scores[slot]);
                std::nth_element(ranking.begin(), ranking.begin() + static_cast<std::ptrdiff_t>(k - 1), ranking.end(),
                                 std::greater<>());
                const float kth = ranking[k - 1];
                constexpr float kRounding = 1.0001F;
                if (term.rest_weight * kRounding < kth) {
                    std::vector<std::uint32_t> candidates;
                    for (const std::uint32_t slot : touched) {
                        if ((scores[slot] + term.rest_weight) * kRounding >= kth) candidates.push_back(slot);
                    }
                    std::sort(candidates.begin(), candidates.end());
                    for (; t < terms.size(); ++t) look_up(*terms[t].postings, candidates, [&](std::uint32_t posting) {
                        scores[posting >> kFrequencyBits] += gain(terms[t].weight, posting);
                    });
                    return;
                }
            }
            for (const std::uint32_t posting : *term.postings) {
                const std::uint32_t slot = posting >> kFrequencyBits;
                if (scores[slot] == 0) touched.push_back(slot);
                scores[slot] += gain(term.weight, posting);
            }
        }
    }

    /// Calls `visit` for the postings of the given (ascending) slots, skipping with growing steps.
    template <class Visit>
    static void look_up(const Postings& postings, const std::vector<std::uint32_t>& slots, Visit visit) {
        auto position = postings.begin();
        for (const std::uint32_t slot : slots) {
            const std::uint32_t wanted = slot << kFrequencyBits;
            std::ptrdiff_t step = 1;
            auto low = position;
            while (postings.end() - low > step && low[step] < wanted) {
                low += step;
                step *= 2;
            }
            position = std::lower_bound(low, postings.end() - low > step ? low + step + 1 : postings.end(), wanted);
            if (position == postings.end()) return;
            if (*position >> kFrequencyBits == slot) visit(*position);
        }
    }

    std::vector<LexicalHit> best(std::size_t k, const std::function<bool(std::uint64_t)>& filter) const {
        const auto better = [](const LexicalHit& a, const LexicalHit& b) {
            return a.score != b.score ? a.score > b.score : a.key < b.key;
        };
        std::vector<LexicalHit> heap;  // the worst of the best on top
        for (const std::uint32_t slot : Accumulators::touched()) {
            const LexicalHit hit{keys_[slot], Accumulators::scores()[slot]};
            if (hit.score <= 0) continue;  // removed
            if (heap.size() == k && !better(hit, heap.front())) continue;
            if (filter && !filter(hit.key)) continue;
            if (heap.size() == k) {
                std::pop_heap(heap.begin(), heap.end(), better);
                heap.pop_back();
            }
            heap.push_back(hit);
            std::push_heap(heap.begin(), heap.end(), better);
        }
        std::sort_heap(heap.begin(), heap.end(), better);
        return heap;
    }

    void remove_locked(std::uint64_t key) {
        const auto entry = slots_.find(key);
        if (entry == slots_.end()) return;
        total_length_ -= static_cast<double>(lengths_[entry->second]);
        lengths_[entry->second] = std::numeric_limits<float>::infinity();  // every term then gains 0
        slots_.erase(entry);
        constexpr std::size_t kFewDead = 32;
        const std::size_t dead = keys_.size() - slots_.size();
        if (dead > kFewDead && dead * 4 > keys_.size()) compact();
    }

    /// Drops the postings of removed documents; amortised over the removals that made it necessary.
    void compact() {
        constexpr auto kGone = std::numeric_limits<std::uint32_t>::max();
        std::vector<std::uint32_t> moved(keys_.size(), kGone);
        std::uint32_t next = 0;
        for (std::size_t slot = 0; slot < keys_.size(); ++slot) {
            if (std::isinf(lengths_[slot])) continue;
            moved[slot] = next;
            keys_[next] = keys_[slot];
            lengths_[next] = lengths_[slot];
            slots_[keys_[next]] = next;
            ++next;
        }
        keys_.resize(next);
        lengths_.resize(next);
        std::vector<Postings> kept;
        for (auto entry = dictionary_.begin(); entry != dictionary_.end();) {
            Postings remaining;
            for (const std::uint32_t posting : postings_[entry->second]) {
                const std::uint32_t slot = moved[posting >> kFrequencyBits];
                if (slot != kGone) remaining.push_back(slot << kFrequencyBits | (posting & kMaxFrequency));
            }
            if (remaining.empty()) {
                dictionary_.erase(entry++);
                continue;
            }
            remaining.shrink_to_fit();
            entry->second = static_cast<std::uint32_t>(kept.size());
            kept.push_back(std::move(remaining));
            ++entry;
        }
        postings_ = std::move(kept);
    }

    mutable std::shared_mutex mutex_;
    boost::unordered_flat_map<std::string, std::uint32_t, StringHash, std::equal_to<>> dictionary_;
    std::vector<Postings> postings_;           // by term
    std::vector<std::uint64_t> keys_;          // by slot
    std::vector<float> lengths_;               // by slot, in terms; infinite when removed
    boost::unordered_flat_map<std::uint64_t, std::uint32_t> slots_;  // of the live documents
    double total_length_ = 0;
};

}  // namespace

std::unique_ptr<LexicalIndex> make_bm25_index() { return std::make_unique<Bm25Index>(); }

}  // namespace atrium::data
