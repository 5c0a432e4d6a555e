#include "model/routing/breaker.h"

#include <algorithm>

namespace atrium::model {
namespace {

constexpr std::uint64_t kMaxOpenings = 63;

std::uint64_t bits(Breaker::Phase phase) {
    return static_cast<std::uint64_t>(phase);
}

}  // namespace

bool Breaker::would_pass(std::int64_t now) const {
    return phase() == Phase::kClosed || now >= static_cast<std::int64_t>(until);
}

Breaker::Asked Breaker::ask(std::int64_t now) const {
    if (phase() == Phase::kClosed) return {*this, Answer::kPass};
    if (now < static_cast<std::int64_t>(until)) return {*this, Answer::kRefuse};  // 4, 6
    Breaker next = *this;                                                         // 5, 7
    next.phase_bits = bits(Phase::kHalfOpen);
    next.until = static_cast<std::uint64_t>(now + kProbeMs);
    return {next, Answer::kProbe};
}

Breaker Breaker::success(bool probe, std::int64_t now) const {
    Breaker next = *this;
    if (phase() == Phase::kClosed) {  // 1
        next.failures = 0;
        if (openings > 0 && now >= static_cast<std::int64_t>(until)) next.openings = 0;
    } else if (phase() == Phase::kHalfOpen && probe) {  // 8
        next.phase_bits = bits(Phase::kClosed);
        next.failures = 0;
        next.until = static_cast<std::uint64_t>(now + kForgetMs);
    }
    return next;
}

Breaker Breaker::failure(bool probe, bool over_ratio, std::int64_t now) const {
    if (phase() == Phase::kHalfOpen && probe) return opened(now);  // 9
    if (phase() != Phase::kClosed) return *this;                   // 11
    if (over_ratio || failures + 1 >= kFailures) return opened(now);
    Breaker next = *this;  // 2
    next.failures = failures + 1;
    return next;
}

Breaker Breaker::cancelled(bool probe, std::int64_t now) const {
    if (phase() != Phase::kHalfOpen || !probe) return *this;
    Breaker next = *this;  // 10
    next.phase_bits = bits(Phase::kOpen);
    next.until = static_cast<std::uint64_t>(now);
    return next;
}

Breaker Breaker::opened(std::int64_t now) const {  // 3
    const std::int64_t length = std::min(kMaxOpenMs, kOpenMs << std::min<std::uint64_t>(openings, 16));
    Breaker next = *this;
    next.phase_bits = bits(Phase::kOpen);
    next.failures = 0;
    next.openings = std::min<std::uint64_t>(openings + 1, kMaxOpenings);
    next.until = static_cast<std::uint64_t>(now + length);
    return next;
}

FailureWindow FailureWindow::with(bool failure, std::int64_t now) const {
    const auto current = static_cast<std::uint32_t>(now / kLengthMs);
    FailureWindow next = current == begin ? *this : FailureWindow{current, 0, 0};
    if (next.calls == UINT16_MAX) {
        // Halved, not stopped: the rate stays right at any traffic.
        next.calls /= 2;
        next.failed /= 2;
    }
    ++next.calls;
    if (failure) ++next.failed;
    return next;
}

double slow_start(std::int64_t since_ms) {
    constexpr double kRampMs = 30'000;
    constexpr double kFloor = 0.1;
    return std::clamp(static_cast<double>(since_ms) / kRampMs, kFloor, 1.0);
}

}  // namespace atrium::model
