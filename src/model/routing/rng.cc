#include "model/routing/rng.h"

#include <atomic>
#include <memory>
#include <random>

#include "model/routing/sticky.h"

namespace atrium::model {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;  // SplitMix64's increment

}  // namespace

Rng system_rng() {
    static std::atomic<std::uint64_t> state = [] {
        std::random_device machine;
        return (std::uint64_t{machine()} << 32) | machine();
    }();
    return [] { return mix(state.fetch_add(kGolden, std::memory_order_relaxed)); };
}

Rng seeded_rng(std::uint64_t seed) {
    return [state = std::make_shared<std::atomic<std::uint64_t>>(seed)] {
        return mix(state->fetch_add(kGolden, std::memory_order_relaxed));
    };
}

}  // namespace atrium::model
