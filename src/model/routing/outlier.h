#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace atrium::model {

/// Finds the deployments of one pool that fail clearly more often than their peers, although each on its own is below
/// the breaker's limits. Judged by success rate over one interval: an outlier lies more than 1.9 standard deviations,
/// and at least 10 points, below the mean of those with enough calls. At most half of a pool is out at once. Pure.
/// Source: Envoy's success-rate outlier detection.
struct OutlierInput {
    std::uint32_t calls = 0;
    std::uint32_t failed = 0;
    bool out = false;  ///< already out of rotation, for whatever reason
};
inline constexpr std::uint32_t kOutlierMinCalls = 20;
inline constexpr std::size_t kOutlierMinPeers = 3;

/// Indices to eject.
std::vector<std::size_t> find_outliers(std::span<const OutlierInput> pool);

}  // namespace atrium::model
