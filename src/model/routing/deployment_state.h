#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "model/routing/breaker.h"
#include "model/routing/latency.h"
#include "model/routing/outlier.h"
#include "model/routing/retry.h"
#include "observability/metrics/metrics.h"

namespace atrium::model {

/// Milliseconds of the steady clock: the time of everything in this room.
inline std::int64_t steady_ms(const Clock& clock) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock.steady().time_since_epoch()).count();
}

/// What is known about one deployment from the calls it got and the checks made on it. Shared by the tables that
/// hold the deployment, so a new table with the same id goes on where the old one stood. Thread-safe: every field is an
/// atomic word of its own, changed by compare and exchange; readers may see one field newer than another, which a
/// choice between deployments survives.
class DeploymentState {
public:
    /// `supervised`: a local engine, whose supervisor says when it is down; no breaker then, since half a second of
    /// restarting is not to become seconds of refusing. Without a registry nothing is counted.
    DeploymentState(std::string id, bool supervised, metrics::Registry* registry);

    const std::string& id() const { return id_; }

    /// Why it gets no calls now, worst first.
    enum class Refusal { kNone, kDown, kEjected, kOpen, kCooling, kFull };
    Refusal refusal(std::int64_t now, int max_concurrent) const;
    /// Milliseconds until a refusal by kEjected, kOpen or kCooling ends.
    std::int64_t back_in(std::int64_t now) const;
    /// Factor for the weight while it warms up.
    double slow_start_share(std::int64_t now) const;

    /// Takes a place. `probe` comes back true when this call decides about the breaker. False: lost the race for the
    /// probe; ask another.
    bool enter(std::int64_t now, std::int64_t tokens, bool& probe);
    /// The first content, or the whole answer, is here.
    void answered(bool probe, bool streamed, double ms, std::int64_t now);
    /// Ends what enter() began. Nothing: finished well.
    void leave(std::int64_t tokens, bool probe, std::optional<FailureClass> failure,
               std::chrono::milliseconds retry_after, std::int64_t now);

    /// One result of an active check. Two failures in a row take it out, one success brings it back.
    void checked(bool healthy, std::int64_t now);
    /// Calls since the last time this was asked, for find_outliers.
    OutlierInput take_interval(std::int64_t now);
    void eject_outlier(std::int64_t now);

    void saw_ready() { was_ready_.store(true, std::memory_order_relaxed); }
    bool was_ready() const { return was_ready_.load(std::memory_order_relaxed); }

    int outstanding() const { return outstanding_.load(std::memory_order_relaxed); }
    std::int64_t outstanding_tokens() const { return outstanding_tokens_.load(std::memory_order_relaxed); }
    double latency_ms(bool streamed) const {
        return static_cast<double>((streamed ? ttft_ : answer_).load(std::memory_order_relaxed).ms);
    }
    Breaker breaker() const { return breaker_.load(std::memory_order_relaxed); }
    void count_retry() { retries_.add(); }

private:
    template <class Change>
    void change_breaker(std::int64_t now, Change change);
    void count_ejection(std::string_view reason);

    const std::string id_;
    const bool supervised_;

    std::atomic<int> outstanding_{0};
    std::atomic<std::int64_t> outstanding_tokens_{0};
    std::atomic<PeakEwma> ttft_{};
    std::atomic<PeakEwma> answer_{};
    std::atomic<Breaker> breaker_{};
    std::atomic<FailureWindow> window_{};
    std::atomic<std::int64_t> cooling_until_{0};
    std::atomic<std::int64_t> ejected_until_{0};
    std::atomic<std::uint32_t> ejections_{0};
    std::atomic<int> failed_checks_{0};
    std::atomic<std::int64_t> back_since_{0};  ///< when it came back; 0: never was away
    std::atomic<bool> was_ready_{false};
    std::atomic<std::uint32_t> interval_calls_{0};
    std::atomic<std::uint32_t> interval_failed_{0};

    metrics::Counter attempts_ok_;
    metrics::Counter attempts_failed_[6];
    metrics::Counter retries_;
    metrics::Counter ejected_breaker_;
    metrics::Counter ejected_outlier_;
    metrics::Counter ejected_check_;
    metrics::Gauge breaker_gauge_;
    metrics::Gauge outstanding_gauge_;
    metrics::Histogram ttft_seconds_;
};

/// One call on a deployment, from taking the place to giving it back. Movable, one thread at a time. Who holds it says
/// how the call ended; a lease that is destroyed without a word counts as cancelled: the caller left.
class Lease {
public:
    Lease() = default;
    Lease(std::shared_ptr<DeploymentState> state, const Clock& clock, std::int64_t prompt_tokens, bool probe,
          bool streamed);
    ~Lease();
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;

    /// The first content (or the whole answer without streaming) has arrived. Idempotent.
    void answered();
    /// The answer was complete. `ttft` is taken when answered() has not been said.
    void finished(std::int64_t completion_tokens = 0, std::chrono::nanoseconds ttft = {});
    void failed(const Error& error);

private:
    void leave(std::optional<FailureClass> failure, std::chrono::milliseconds retry_after);

    std::shared_ptr<DeploymentState> state_;
    const Clock* clock_ = nullptr;
    std::int64_t tokens_ = 0;
    std::int64_t began_ = 0;
    bool probe_ = false;
    bool streamed_ = false;
    bool answered_ = false;
};

}  // namespace atrium::model
