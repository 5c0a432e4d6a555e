#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>

#include "app/usage/rate_limiter.h"

namespace atrium::app {

/// The one table key of a counter.
inline std::string bucket_key(const Demand& demand) {
    return (demand.kind == LimitKind::kRequests ? "r:"
            : demand.kind == LimitKind::kTokens ? "t:"
                                                : "c:") +
           demand.subject;
}

/// A token bucket: `limit` at once, `limit` per minute. Not thread-safe.
struct Bucket {
    double tokens = 0;
    SteadyTime refilled{};

    static Bucket full(double limit, SteadyTime now) { return {limit, now}; }
    void refill(double limit, SteadyTime now) {
        if (now > refilled) {
            const double minutes = std::chrono::duration<double, std::ratio<60>>(now - refilled).count();
            tokens += minutes * limit;
            refilled = now;
        }
        tokens = std::min(tokens, limit);  // also after the limit was lowered
    }
    static std::chrono::milliseconds time_for(double tokens, double limit) {
        return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(std::max(0.0, tokens) / limit * 60'000)));
    }
    Standing standing(double limit) const {
        return {std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(tokens + 1e-9))),
                time_for(limit - tokens, limit)};
    }
};

}  // namespace atrium::app
