#pragma once

#include <cstdint>
#include <functional>

namespace atrium::model {

/// Where the choices of routing get their chance from: uniform 64-bit numbers. Thread-safe when shared between threads.
using Rng = std::function<std::uint64_t()>;

/// Seeded once per process from the machine; no lock and no contention worth naming (one relaxed addition).
Rng system_rng();
/// The same sequence for the same seed, for tests.
Rng seeded_rng(std::uint64_t seed);

/// Uniform in [0, 1).
inline double unit_interval(std::uint64_t bits) {
    return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace atrium::model
