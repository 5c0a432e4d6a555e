#include "model/routing/outlier.h"

#include <algorithm>
#include <cmath>

namespace atrium::model {

std::vector<std::size_t> find_outliers(std::span<const OutlierInput> pool) {
    constexpr double kDeviations = 1.9;
    constexpr double kMargin = 0.1;
    std::vector<std::pair<double, std::size_t>> rates;
    std::size_t out = 0;
    for (std::size_t i = 0; i < pool.size(); ++i) {
        out += pool[i].out;
        if (pool[i].calls < kOutlierMinCalls) continue;
        rates.emplace_back(1.0 - static_cast<double>(pool[i].failed) / pool[i].calls, i);
    }
    if (rates.size() < kOutlierMinPeers) return {};
    double mean = 0;
    for (const auto& [rate, index] : rates) mean += rate / static_cast<double>(rates.size());
    double variance = 0;
    for (const auto& [rate, index] : rates)
        variance += (rate - mean) * (rate - mean) / static_cast<double>(rates.size());
    // With few peers one bad deployment is a large part of the deviation itself: sqrt(n-1) is the most it can reach.
    const double reach = 0.95 * std::sqrt(static_cast<double>(rates.size()) - 1);
    const double threshold = mean - std::max(kMargin, std::min(kDeviations, reach) * std::sqrt(variance));
    std::ranges::sort(rates);
    std::vector<std::size_t> ejected;
    for (const auto& [rate, index] : rates) {
        if (rate >= threshold || 2 * (out + 1) > pool.size()) break;
        if (pool[index].out) continue;
        ejected.push_back(index);
        ++out;
    }
    return ejected;
}

}  // namespace atrium::model
