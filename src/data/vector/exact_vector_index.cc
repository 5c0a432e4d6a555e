#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cmath>
#include <limits>
#include <mutex>
#include <new>
#include <shared_mutex>

#include "data/vector/internal/kernels.h"
#include "data/vector/vector_index.h"

namespace atrium::data {
namespace {

using internal::kLanes;

constexpr std::size_t kBlockRows = 1024;
constexpr std::size_t kAlignment = 64;

template <class T>
struct AlignedDelete {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t{kAlignment}); }
};
template <class T>
using AlignedArray = std::unique_ptr<T[], AlignedDelete<T>>;

template <class T>
AlignedArray<T> aligned_zeros(std::size_t count) {
    auto* p = static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t{kAlignment}));
    std::fill_n(p, count, T{});
    return AlignedArray<T>(p);
}

/// A vector in 8 bits: v ≈ scale · values, with the length of what was rounded away.
struct Quantized {
    float scale = 0;
    float rounding = 0;  ///< ‖v − scale · values‖
    float norm = 0;      ///< ‖scale · values‖
    std::int32_t sum = 0;
};

Quantized quantize(const float* vector, std::size_t dimensions, std::int8_t* values) {
    float largest = 0;
    for (std::size_t i = 0; i < dimensions; ++i) largest = std::max(largest, std::fabs(vector[i]));
    Quantized result;
    if (largest == 0) {
        std::fill_n(values, dimensions, std::int8_t{0});
        return result;
    }
    constexpr float kLargest = 127;
    // Not 127 / largest: that overflows for denormal vectors.
    result.scale = std::max(largest / kLargest, std::numeric_limits<float>::min());
    double rounding = 0;
    double norm = 0;
    for (std::size_t i = 0; i < dimensions; ++i) {
        const float rounded = std::clamp(std::nearbyint(vector[i] / result.scale), -kLargest, kLargest);
        values[i] = static_cast<std::int8_t>(rounded);
        result.sum += values[i];
        const double kept = static_cast<double>(result.scale) * static_cast<double>(rounded);
        rounding += (vector[i] - kept) * (vector[i] - kept);
        norm += kept * kept;
    }
    result.rounding = static_cast<float>(std::sqrt(rounding));
    result.norm = static_cast<float>(std::sqrt(norm));
    return result;
}

/// Rows in blocks, so that growing copies nothing and a block of int8 stays in the cache while it is scanned.
struct Block {
    explicit Block(std::size_t padded)
        : exact(aligned_zeros<float>(kBlockRows * padded)), coarse(aligned_zeros<std::int8_t>(kBlockRows * padded)) {}

    AlignedArray<float> exact;
    AlignedArray<std::int8_t> coarse;
    std::array<Quantized, kBlockRows> quantized;
    std::array<std::int32_t, kBlockRows> sums{};
    std::array<std::uint64_t, kBlockRows> keys{};
};

bool better(const VectorHit& a, const VectorHit& b) { return a.score != b.score ? a.score > b.score : a.key < b.key; }

/// Exact search in two passes. The first scans an 8-bit copy (a quarter of the memory traffic) and bounds each row's
/// true score: with v = v' + r and q = q' + s, |q·v − q'·v'| ≤ ‖q‖‖r‖ + ‖s‖‖v'‖ by Cauchy–Schwarz. The second computes
/// in f32 only the rows whose upper bound reaches the k-th best lower bound, so the result is that of a full f32 scan.
/// Removal moves the last row into the gap: there are no tombstones to collect.
class ExactVectorIndex final : public VectorIndex {
public:
    explicit ExactVectorIndex(std::size_t dimensions)
        : dimensions_(dimensions), padded_((dimensions + kLanes - 1) / kLanes * kLanes) {}

    std::size_t dimensions() const override { return dimensions_; }

    std::size_t size() const override {
        const std::shared_lock lock(mutex_);
        return rows_;
    }

    Result<> upsert(std::span<const std::uint64_t> keys, std::span<const float> vectors) override {
        if (vectors.size() != keys.size() * dimensions_) {
            return fail(invalid_argument(fmt::format("{} vectors of {} dimensions need {} numbers, got {}", keys.size(),
                                                     dimensions_, keys.size() * dimensions_, vectors.size())));
        }
        if (!all_finite(vectors)) return fail(invalid_argument("a vector holds a number that is not finite"));
        const std::unique_lock lock(mutex_);
        for (std::size_t i = 0; i < keys.size(); ++i) put(keys[i], vectors.data() + i * dimensions_);
        return {};
    }

    void remove(std::span<const std::uint64_t> keys) override {
        const std::unique_lock lock(mutex_);
        for (const std::uint64_t key : keys) {
            const auto entry = row_of_.find(key);
            if (entry == row_of_.end()) continue;
            const std::size_t gap = entry->second;
            row_of_.erase(entry);
            const std::size_t last = rows_ - 1;
            if (gap != last) move_row(last, gap);
            --rows_;
            // One spare block, so that removing and adding around a boundary does not allocate each time.
            while (blocks_.size() > rows_ / kBlockRows + 2) blocks_.pop_back();
        }
    }

    Result<std::vector<VectorHit>> search(std::span<const float> query, std::size_t k,
                                          const KeyFilter& filter) const override {
        if (query.size() != dimensions_) {
            return fail(invalid_argument(
                fmt::format("the query has {} dimensions, the index has {}", query.size(), dimensions_)));
        }
        if (!all_finite(query)) return fail(invalid_argument("the query holds a number that is not finite"));
        auto exact = aligned_zeros<float>(padded_);
        auto coarse = aligned_zeros<std::int8_t>(padded_);
        std::copy(query.begin(), query.end(), exact.get());
        const Quantized quantized = quantize(exact.get(), dimensions_, coarse.get());

        const std::shared_lock lock(mutex_);
        k = std::min(k, rows_);
        if (k == 0) return std::vector<VectorHit>();
        // Kept by the thread: fresh pages for every query would cost as much as a tenth of the scan.
        static thread_local std::vector<float> upper;
        if (upper.size() < rows_) upper.resize(rows_);
        const float floor = scan_coarse(coarse.get(), quantized, k, filter, upper);
        return rescore(exact.get(), k, filter, upper, floor);
    }

private:
    static bool all_finite(std::span<const float> values) {
        return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
    }

    void put(std::uint64_t key, const float* vector) {
        const auto [entry, added] = row_of_.try_emplace(key, rows_);
        if (added) {
            if (rows_ / kBlockRows == blocks_.size()) blocks_.push_back(std::make_unique<Block>(padded_));
            ++rows_;
        }
        Block& block = *blocks_[entry->second / kBlockRows];
        const std::size_t row = entry->second % kBlockRows;
        std::copy_n(vector, dimensions_, block.exact.get() + row * padded_);
        block.quantized[row] = quantize(vector, dimensions_, block.coarse.get() + row * padded_);
        block.sums[row] = block.quantized[row].sum;
        block.keys[row] = key;
    }

    void move_row(std::size_t from, std::size_t to) {
        const Block& source = *blocks_[from / kBlockRows];
        Block& target = *blocks_[to / kBlockRows];
        const std::size_t s = from % kBlockRows;
        const std::size_t t = to % kBlockRows;
        std::copy_n(source.exact.get() + s * padded_, padded_, target.exact.get() + t * padded_);
        std::copy_n(source.coarse.get() + s * padded_, padded_, target.coarse.get() + t * padded_);
        target.quantized[t] = source.quantized[s];
        target.sums[t] = source.sums[s];
        target.keys[t] = source.keys[s];
        row_of_[target.keys[t]] = to;
    }

    /// Fills the upper bound of each row's score and returns the k-th best lower bound among the allowed rows
    /// (minus infinity when fewer are allowed).
    float scan_coarse(const std::int8_t* query, const Quantized& quantized, std::size_t k, const KeyFilter& filter,
                      std::vector<float>& upper) const {
        const float query_norm = quantized.norm + quantized.rounding;
        std::vector<float> lower;  // min-heap of the k best
        lower.reserve(k);
        std::array<std::int32_t, kBlockRows> products;
        for (std::size_t first = 0; first < rows_; first += kBlockRows) {
            const Block& block = *blocks_[first / kBlockRows];
            const std::size_t rows = std::min(kBlockRows, rows_ - first);
            internal::kernels().dot_i8(query, block.coarse.get(), block.sums.data(), rows, padded_, products.data());
            for (std::size_t r = 0; r < rows; ++r) {
                const Quantized& row = block.quantized[r];
                const float score = quantized.scale * row.scale * static_cast<float>(products[r]);
                // The last term covers the rounding of f32 arithmetic itself, in both passes.
                constexpr float kArithmetic = 4e-6F;
                const float row_norm = row.norm + row.rounding;
                const float error = query_norm * row.rounding + quantized.rounding * row.norm + kArithmetic * query_norm * row_norm;
                upper[first + r] = score + error;
                const float guaranteed = score - error;
                if (std::isnan(guaranteed)) continue;  // beyond the range of f32; the exact pass decides
                if (lower.size() == k && guaranteed <= lower.front()) continue;
                if (filter && !filter(block.keys[r])) {
                    upper[first + r] = -std::numeric_limits<float>::infinity();
                    continue;
                }
                if (lower.size() == k) {
                    std::pop_heap(lower.begin(), lower.end(), std::greater<>());
                    lower.pop_back();
                }
                lower.push_back(guaranteed);
                std::push_heap(lower.begin(), lower.end(), std::greater<>());
            }
        }
        return lower.size() == k ? lower.front() : std::numeric_limits<float>::lowest();
    }

    std::vector<VectorHit> rescore(const float* query, std::size_t k, const KeyFilter& filter,
                                   const std::vector<float>& upper, float floor) const {
        std::vector<VectorHit> heap;  // the worst of the best on top
        heap.reserve(k);
        for (std::size_t i = 0; i < rows_; ++i) {
            if (upper[i] < floor) continue;
            if (heap.size() == k && upper[i] < heap.front().score) continue;
            const Block& block = *blocks_[i / kBlockRows];
            const std::size_t row = i % kBlockRows;
            if (filter && !filter(block.keys[row])) continue;
            const VectorHit hit{block.keys[row],
                                internal::kernels().dot_f32(query, block.exact.get() + row * padded_, padded_)};
            if (heap.size() == k) {
                if (!better(hit, heap.front())) continue;
                std::pop_heap(heap.begin(), heap.end(), better);
                heap.pop_back();
            }
            heap.push_back(hit);
            std::push_heap(heap.begin(), heap.end(), better);
        }
        std::sort_heap(heap.begin(), heap.end(), better);
        return heap;
    }

    const std::size_t dimensions_;
    const std::size_t padded_;
    mutable std::shared_mutex mutex_;
    std::vector<std::unique_ptr<Block>> blocks_;
    std::size_t rows_ = 0;
    boost::unordered_flat_map<std::uint64_t, std::size_t> row_of_;
};

}  // namespace

std::unique_ptr<VectorIndex> make_exact_vector_index(std::size_t dimensions) {
    return std::make_unique<ExactVectorIndex>(dimensions);
}

}  // namespace atrium::data
