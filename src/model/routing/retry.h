#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "model/routing/rng.h"

namespace atrium::model {

/// What a failed attempt means for the next one.
enum class FailureClass {
    kCaller,         ///< the request is wrong wherever it goes: told at once
    kCancelled,      ///< the caller left
    kRateLimit,      ///< 429: another deployment may have room
    kContextLength,  ///< the prompt is longer than this model's context
    kContent,        ///< the provider refuses the content
    kOutage,         ///< failed, timed out, cannot be reached, or not there at all
};
/// "caller", "cancelled", "rate_limit", "context_length", "content", "outage": metric labels and settings.
std::string_view failure_class_name(FailureClass failure);
/// From the canonical code and the reason that dialects fill in; providers which only say it in words are recognised
/// by the phrase ("maximum context length").
FailureClass classify(const Error& error);
/// Whether the same request may succeed elsewhere or later without being changed.
inline bool is_transient(FailureClass failure) {
    return failure == FailureClass::kRateLimit || failure == FailureClass::kOutage;
}

/// Bounds the load that retries add: each request pays in a tenth of a retry, each retry takes a whole one, so in the
/// long run retries are at most 10 % of the traffic. A small balance and one retry per second come for free, so that
/// a quiet installation retries too. Thread-safe without locks.
/// Source: Finagle's RetryBudget.
class RetryBudget {
public:
    explicit RetryBudget(std::int64_t now_ms = 0) : refilled_ms_(now_ms) {}

    void deposit();
    /// False: the balance is used up, and the last error is the answer.
    bool withdraw(std::int64_t now_ms);
    double balance() const { return static_cast<double>(balance_.load(std::memory_order_relaxed)) / kRetry; }

private:
    static constexpr std::int64_t kRetry = 1'000;  // balance in thousandths of a retry
    static constexpr std::int64_t kPerRequest = 100;
    static constexpr std::int64_t kFreePerSecond = 1'000;
    static constexpr std::int64_t kMaxBalance = 100 * kRetry;
    static constexpr std::int64_t kFreeBalance = 10 * kRetry;  // what comes for free stops here

    void add(std::int64_t amount, std::int64_t limit);

    std::atomic<std::int64_t> balance_{kFreeBalance};
    std::atomic<std::int64_t> refilled_ms_;
};

/// No caller waits longer than this for one Retry-After; a longer one ends the retries.
inline constexpr std::chrono::milliseconds kMaxRetryAfter{5'000};

/// How long to wait before attempt `attempt` + 1 on the same deployment (attempts count from 1): what the upstream
/// asked for, else 100 ms doubling up to 2 s, ±20 %. Nothing: it asked for more than kMaxRetryAfter.
std::optional<std::chrono::milliseconds> retry_delay(int attempt, std::chrono::milliseconds retry_after,
                                                     const Rng& rng);

}  // namespace atrium::model
