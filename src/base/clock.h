#pragma once

#include <chrono>
#include <mutex>

namespace atrium {

using SteadyTime = std::chrono::steady_clock::time_point;
using SystemTime = std::chrono::system_clock::time_point;

/// Where time comes from. Injected, so that limits, deadlines and jobs run in simulated time in their tests.
/// Implementations are thread-safe and outlive everything that holds a reference.
class Clock {
public:
    virtual ~Clock() = default;
    /// Monotonic: durations and deadlines.
    virtual SteadyTime steady() const = 0;
    /// Calendar time: what is stored or shown.
    virtual SystemTime system() const = 0;
};

/// The machine's clock; a process-wide instance.
const Clock& system_clock();

/// A clock that moves only when told to.
class ManualClock final : public Clock {
public:
    SteadyTime steady() const override { std::scoped_lock lock(mutex_); return SteadyTime(elapsed_); }
    SystemTime system() const override {
        std::scoped_lock lock(mutex_);
        return SystemTime(std::chrono::duration_cast<SystemTime::duration>(std::chrono::seconds(1'800'000'000) + elapsed_));
    }
    void advance(std::chrono::nanoseconds by) { std::scoped_lock lock(mutex_); elapsed_ += by; }

private:
    mutable std::mutex mutex_;
    std::chrono::nanoseconds elapsed_{0};
};

/// Seconds since 1970, the unit of every `created_at` on the wire.
inline std::int64_t unix_seconds(SystemTime time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}
/// Milliseconds since 1970, the unit of every time stored in SQL.
inline std::int64_t unix_millis(SystemTime time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace atrium
