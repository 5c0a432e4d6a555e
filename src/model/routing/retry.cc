#include "model/routing/retry.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace atrium::model {
namespace {

bool mentions(std::string_view text, std::initializer_list<std::string_view> phrases) {
    return std::ranges::any_of(phrases,
                               [&](std::string_view phrase) { return text.find(phrase) != std::string_view::npos; });
}

bool is_context_length(const Error& error) {
    if (mentions(error.reason(), {"context_length_exceeded", "context_window_exceeded"})) return true;
    const std::string message = text::to_lower_ascii(error.message());
    return mentions(message, {"maximum context length", "context window", "context length", "prompt is too long",
                              "input is too long"});
}

bool is_content_refusal(const Error& error) {
    return mentions(error.reason(), {"content_filter", "content_policy", "responsible_ai", "invalid_prompt"});
}

}  // namespace

std::string_view failure_class_name(FailureClass failure) {
    switch (failure) {
        case FailureClass::kCaller: return "caller";
        case FailureClass::kCancelled: return "cancelled";
        case FailureClass::kRateLimit: return "rate_limit";
        case FailureClass::kContextLength: return "context_length";
        case FailureClass::kContent: return "content";
        case FailureClass::kOutage: return "outage";
    }
    return {};
}

FailureClass classify(const Error& error) {
    switch (error.code()) {
        case Code::kCancelled: return FailureClass::kCancelled;
        case Code::kResourceExhausted: return FailureClass::kRateLimit;
        case Code::kInvalidArgument:
        case Code::kOutOfRange:
        case Code::kPermissionDenied:
        case Code::kFailedPrecondition:
            if (is_context_length(error)) return FailureClass::kContextLength;
            return is_content_refusal(error) ? FailureClass::kContent : FailureClass::kCaller;
        case Code::kAlreadyExists: return FailureClass::kCaller;
        case Code::kUnknown:
        case Code::kInternal:
            // Some servers answer 500 to a prompt that is too long.
            return is_context_length(error) ? FailureClass::kContextLength : FailureClass::kOutage;
        default:
            // kNotFound too: this deployment lacks the model that its configuration promises.
            return FailureClass::kOutage;
    }
}

void RetryBudget::add(std::int64_t amount, std::int64_t limit) {
    auto seen = balance_.load(std::memory_order_relaxed);
    while (seen < limit &&
           !balance_.compare_exchange_weak(seen, std::min(limit, seen + amount), std::memory_order_relaxed)) {
    }
}

void RetryBudget::deposit() {
    add(kPerRequest, kMaxBalance);
}

bool RetryBudget::withdraw(std::int64_t now_ms) {
    auto since = refilled_ms_.load(std::memory_order_relaxed);
    if (now_ms > since && refilled_ms_.compare_exchange_strong(since, now_ms, std::memory_order_relaxed)) {
        add((now_ms - since) * kFreePerSecond / 1'000, kFreeBalance);
    }
    auto seen = balance_.load(std::memory_order_relaxed);
    while (seen >= kRetry) {
        if (balance_.compare_exchange_weak(seen, seen - kRetry, std::memory_order_relaxed)) return true;
    }
    return false;
}

std::optional<std::chrono::milliseconds> retry_delay(int attempt, std::chrono::milliseconds retry_after,
                                                     const Rng& rng) {
    if (retry_after > kMaxRetryAfter) return std::nullopt;
    const double jitter = unit_interval(rng());
    if (retry_after.count() > 0) {
        // Never earlier than asked; a little later, so that everybody who was asked does not come at once.
        return retry_after + std::chrono::milliseconds(static_cast<std::int64_t>(jitter * 100));
    }
    const double base = std::min(2'000.0, 100.0 * static_cast<double>(1 << std::clamp(attempt - 1, 0, 10)));
    return std::chrono::milliseconds(static_cast<std::int64_t>(base * (0.8 + 0.4 * jitter)));
}

}  // namespace atrium::model
