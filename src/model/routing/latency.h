#pragma once

#include <cmath>
#include <cstdint>

namespace atrium::model {

/// Peak-EWMA of a latency: a slower sample counts at once, faster ones pull the value down over `kTauMs`. So a
/// deployment that becomes slow is avoided immediately and trusted again gradually.
/// Source: Finagle's PeakEwma load balancer. Eight bytes, so that it fits into one atomic word.
struct PeakEwma {
    static constexpr double kTauMs = 10'000;

    float ms = 0;             ///< 0: no sample yet
    std::uint32_t stamp = 0;  ///< low 32 bits of the time of the last sample, in milliseconds

    PeakEwma with(double sample_ms, std::int64_t now_ms) const {
        const auto now = static_cast<std::uint32_t>(now_ms);
        if (ms <= 0 || sample_ms >= static_cast<double>(ms)) return {static_cast<float>(sample_ms), now};
        const double keep = std::exp(-static_cast<double>(now - stamp) / kTauMs);
        return {static_cast<float>(keep * static_cast<double>(ms) + (1 - keep) * sample_ms), now};
    }
};

}  // namespace atrium::model
