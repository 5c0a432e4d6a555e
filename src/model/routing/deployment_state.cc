#include "model/routing/deployment_state.h"

#include <algorithm>

namespace atrium::model {
namespace {

constexpr std::int64_t kDefaultCoolingMs = 500;  // after a 429 that names no time
constexpr std::int64_t kMaxCoolingMs = 60'000;   // nobody is believed for longer
constexpr std::int64_t kEjectionMs = 15'000;     // times the number of ejections so far
constexpr std::int64_t kMaxEjectionMs = 300'000;
constexpr int kChecksToFail = 2;

template <class T, class Change>
void update(std::atomic<T>& word, Change change) {
    T seen = word.load(std::memory_order_relaxed);
    while (!word.compare_exchange_weak(seen, change(seen), std::memory_order_relaxed)) {
    }
}

double gauge_of(Breaker::Phase phase) {
    switch (phase) {
        case Breaker::Phase::kClosed: return 0;
        case Breaker::Phase::kHalfOpen: return 1;
        case Breaker::Phase::kOpen: return 2;
    }
    return 0;
}

}  // namespace

DeploymentState::DeploymentState(std::string id, bool supervised, metrics::Registry* registry)
    : id_(std::move(id)), supervised_(supervised) {
    if (registry == nullptr) return;
    const auto attempts = [&](std::string outcome) {
        return registry->counter("atrium_upstream_attempts_total", "Calls of a deployment, by how they ended.",
                                 {{"deployment", id_}, {"outcome", std::move(outcome)}});
    };
    attempts_ok_ = attempts("ok");
    for (int i = 0; i < 6; ++i) {
        attempts_failed_[i] = attempts(std::string(failure_class_name(static_cast<FailureClass>(i))));
    }
    const metrics::Labels labels{{"deployment", id_}};
    retries_ = registry->counter("atrium_upstream_retries_total", "Calls that repeat an attempt which failed.", labels);
    const auto ejections = [&](std::string reason) {
        return registry->counter("atrium_upstream_ejections_total", "Times a deployment was taken out of rotation.",
                                 {{"deployment", id_}, {"reason", std::move(reason)}});
    };
    ejected_breaker_ = ejections("breaker");
    ejected_outlier_ = ejections("outlier");
    ejected_check_ = ejections("health_check");
    breaker_gauge_ = registry->gauge("atrium_upstream_breaker_state", "0 closed, 1 half-open, 2 open.", labels);
    outstanding_gauge_ = registry->gauge("atrium_upstream_outstanding", "Calls in work at a deployment.", labels);
    ttft_seconds_ = registry->histogram("atrium_upstream_ttft_seconds", "Time to the first content of a stream.",
                                        metrics::latency_buckets(), labels);
}

DeploymentState::Refusal DeploymentState::refusal(std::int64_t now, int max_concurrent) const {
    if (failed_checks_.load(std::memory_order_relaxed) >= kChecksToFail) return Refusal::kDown;
    if (!supervised_ && !breaker().would_pass(now)) return Refusal::kOpen;
    if (now < ejected_until_.load(std::memory_order_relaxed)) return Refusal::kEjected;
    if (now < cooling_until_.load(std::memory_order_relaxed)) return Refusal::kCooling;
    if (max_concurrent > 0 && outstanding() >= max_concurrent) return Refusal::kFull;
    return Refusal::kNone;
}

std::int64_t DeploymentState::back_in(std::int64_t now) const {
    std::int64_t until =
        std::max(cooling_until_.load(std::memory_order_relaxed), ejected_until_.load(std::memory_order_relaxed));
    const Breaker seen = breaker();
    if (!supervised_ && seen.phase() != Breaker::Phase::kClosed)
        until = std::max(until, static_cast<std::int64_t>(seen.until));
    return std::max<std::int64_t>(0, until - now);
}

double DeploymentState::slow_start_share(std::int64_t now) const {
    const auto since = back_since_.load(std::memory_order_relaxed);
    return since == 0 ? 1.0 : slow_start(now - since);
}

template <class Change>
void DeploymentState::change_breaker(std::int64_t now, Change change) {
    if (supervised_) return;
    Breaker seen = breaker_.load(std::memory_order_relaxed);
    Breaker next = change(seen);
    while (next != seen && !breaker_.compare_exchange_weak(seen, next, std::memory_order_relaxed)) next = change(seen);
    if (next.phase() == seen.phase()) return;
    breaker_gauge_.set(gauge_of(next.phase()));
    if (next.phase() == Breaker::Phase::kClosed) back_since_.store(now, std::memory_order_relaxed);
    if (next.phase() == Breaker::Phase::kOpen && static_cast<std::int64_t>(next.until) > now) ejected_breaker_.add();
}

bool DeploymentState::enter(std::int64_t now, std::int64_t tokens, bool& probe) {
    probe = false;
    if (!supervised_) {
        Breaker seen = breaker_.load(std::memory_order_relaxed);
        auto asked = seen.ask(now);
        while (asked.answer == Breaker::Answer::kProbe &&
               !breaker_.compare_exchange_weak(seen, asked.next, std::memory_order_relaxed)) {
            asked = seen.ask(now);
        }
        if (asked.answer == Breaker::Answer::kRefuse) return false;
        probe = asked.answer == Breaker::Answer::kProbe;
        if (probe) breaker_gauge_.set(gauge_of(Breaker::Phase::kHalfOpen));
    }
    outstanding_gauge_.set(outstanding_.fetch_add(1, std::memory_order_relaxed) + 1);
    outstanding_tokens_.fetch_add(tokens, std::memory_order_relaxed);
    return true;
}

void DeploymentState::answered(bool probe, bool streamed, double ms, std::int64_t now) {
    update(streamed ? ttft_ : answer_, [&](PeakEwma latency) { return latency.with(ms, now); });
    if (streamed) ttft_seconds_.observe(ms / 1'000);
    if (probe) change_breaker(now, [&](Breaker breaker) { return breaker.success(true, now); });
}

void DeploymentState::leave(std::int64_t tokens, bool probe, std::optional<FailureClass> failure,
                            std::chrono::milliseconds retry_after, std::int64_t now) {
    outstanding_gauge_.set(outstanding_.fetch_sub(1, std::memory_order_relaxed) - 1);
    outstanding_tokens_.fetch_sub(tokens, std::memory_order_relaxed);
    if (failure) {
        attempts_failed_[static_cast<int>(*failure)].add();
    } else {
        attempts_ok_.add();
    }
    const bool asked_for_rest =
        failure == FailureClass::kRateLimit || (failure == FailureClass::kOutage && retry_after.count() > 0);
    if (asked_for_rest) {
        const std::int64_t rest =
            retry_after.count() > 0 ? std::min<std::int64_t>(retry_after.count(), kMaxCoolingMs) : kDefaultCoolingMs;
        update(cooling_until_, [&](std::int64_t until) { return std::max(until, now + rest); });
    }
    if (failure == FailureClass::kCancelled || failure == FailureClass::kRateLimit) {
        // Neither says whether it works.
        change_breaker(now, [&](Breaker breaker) { return breaker.cancelled(probe, now); });
        return;
    }
    const bool failed = failure == FailureClass::kOutage;
    interval_calls_.fetch_add(1, std::memory_order_relaxed);
    if (failed) interval_failed_.fetch_add(1, std::memory_order_relaxed);
    update(window_, [&](FailureWindow window) { return window.with(failed, now); });
    const bool over_ratio = failed && window_.load(std::memory_order_relaxed).over_ratio();
    change_breaker(now, [&](Breaker breaker) {
        return failed ? breaker.failure(probe, over_ratio, now) : breaker.success(probe, now);
    });
}

void DeploymentState::checked(bool healthy, std::int64_t now) {
    if (healthy) {
        if (failed_checks_.exchange(0, std::memory_order_relaxed) >= kChecksToFail)
            back_since_.store(now, std::memory_order_relaxed);
    } else if (failed_checks_.fetch_add(1, std::memory_order_relaxed) + 1 == kChecksToFail) {
        ejected_check_.add();
    }
}

OutlierInput DeploymentState::take_interval(std::int64_t now) {
    OutlierInput input;
    input.calls = interval_calls_.exchange(0, std::memory_order_relaxed);
    input.failed = std::min(input.calls, interval_failed_.exchange(0, std::memory_order_relaxed));
    const auto why = refusal(now, 0);
    input.out = why == Refusal::kDown || why == Refusal::kEjected || why == Refusal::kOpen;
    // A healthy interval pays back one ejection.
    if (!input.out && input.failed == 0 && input.calls > 0)
        update(ejections_, [](std::uint32_t n) { return n > 0 ? n - 1 : 0; });
    return input;
}

void DeploymentState::eject_outlier(std::int64_t now) {
    const std::int64_t times = ejections_.fetch_add(1, std::memory_order_relaxed) + 1;
    const std::int64_t until = now + std::min(kMaxEjectionMs, times * kEjectionMs);
    ejected_until_.store(until, std::memory_order_relaxed);
    back_since_.store(until, std::memory_order_relaxed);
    ejected_outlier_.add();
}

Lease::Lease(std::shared_ptr<DeploymentState> state, const Clock& clock, std::int64_t prompt_tokens, bool probe,
             bool streamed)
    : state_(std::move(state)),
      clock_(&clock),
      tokens_(prompt_tokens),
      began_(steady_ms(clock)),
      probe_(probe),
      streamed_(streamed) {}

Lease::~Lease() {
    leave(FailureClass::kCancelled, {});
}

Lease::Lease(Lease&& other) noexcept {
    *this = std::move(other);
}

Lease& Lease::operator=(Lease&& other) noexcept {
    if (this == &other) return *this;
    leave(FailureClass::kCancelled, {});
    state_ = std::move(other.state_);
    other.state_.reset();
    clock_ = other.clock_;
    tokens_ = other.tokens_;
    began_ = other.began_;
    probe_ = other.probe_;
    streamed_ = other.streamed_;
    answered_ = other.answered_;
    return *this;
}

void Lease::answered() {
    if (!state_ || answered_) return;
    answered_ = true;
    const auto now = steady_ms(*clock_);
    state_->answered(probe_, streamed_, static_cast<double>(now - began_), now);
    // The probe has decided; what follows is an ordinary call.
    probe_ = false;
}

void Lease::finished(std::int64_t, std::chrono::nanoseconds ttft) {
    if (!state_) return;
    if (!answered_) {
        const auto now = steady_ms(*clock_);
        const double ms =
            ttft.count() > 0 ? static_cast<double>(ttft.count()) / 1e6 : static_cast<double>(now - began_);
        state_->answered(probe_, streamed_, ms, now);
    }
    leave(std::nullopt, {});
}

void Lease::failed(const Error& error) {
    leave(classify(error), error.retry_after());
}

void Lease::leave(std::optional<FailureClass> failure, std::chrono::milliseconds retry_after) {
    if (!state_) return;
    state_->leave(tokens_, probe_, failure, retry_after, steady_ms(*clock_));
    state_.reset();
}

}  // namespace atrium::model
