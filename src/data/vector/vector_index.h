#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace atrium::data {

struct VectorHit {
    std::uint64_t key = 0;
    float score = 0;  ///< inner product; cosine for unit vectors
};

/// Which keys may be returned; evaluated inside the search, never afterwards.
using KeyFilter = std::function<bool(std::uint64_t key)>;

/// Nearest-neighbour search over unit vectors of one dimension. Derived data: rebuilt from SQL at any time.
/// Thread-safe: many readers or one writer.
class VectorIndex {
public:
    virtual ~VectorIndex() = default;
    virtual std::size_t dimensions() const = 0;
    virtual std::size_t size() const = 0;
    /// Row-major: keys.size() × dimensions() floats. An existing key is replaced.
    virtual Result<> upsert(std::span<const std::uint64_t> keys, std::span<const float> vectors) = 0;
    virtual void remove(std::span<const std::uint64_t> keys) = 0;
    /// At most k hits, best first; ties by key. kInvalidArgument on a wrong dimension or a non-finite query.
    virtual Result<std::vector<VectorHit>> search(std::span<const float> query, std::size_t k,
                                                  const KeyFilter& filter = {}) const = 0;
};

/// Exact scan with run-time selected SIMD.
std::unique_ptr<VectorIndex> make_exact_vector_index(std::size_t dimensions);

}  // namespace atrium::data
