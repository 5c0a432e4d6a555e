#pragma once

#include <chrono>
#include <cstdint>

namespace atrium::model {

/// The circuit breaker of one deployment as a value: eight bytes for one atomic word, pure transitions, no clock of its
/// own. Times are milliseconds of a steady clock. The owner stores the returned state if it is still the one it read.
///
/// | # | phase     | event                                | next      | effect |
/// |---|-----------|--------------------------------------|-----------|--------|
/// | 1 | closed    | success                              | closed    | failures in a row = 0; openings are forgotten
/// after kForget | | 2 | closed    | failure, fewer than the limit        | closed    | failures in a row + 1 | | 3 |
/// closed    | failure that reaches a limit         | open      | until now + kOpen·2^openings (at most kMaxOpen);
/// openings + 1 | | 4 | open      | a call asks, before `until`          | open      | refused | | 5 | open      | a
/// call asks, from `until` on         | half-open | this call is the probe; until now + kProbe | | 6 | half-open | a
/// call asks, before `until`          | half-open | refused | | 7 | half-open | a call asks, from `until` on         |
/// half-open | the probe was lost: this call is the next one | | 8 | half-open | the probe succeeds                   |
/// closed    | the deployment starts slowly | | 9 | half-open | the probe fails                      | open      | as 3
/// | |10 | half-open | the probe is cancelled               | open      | until now: the next call is the probe | |11 |
/// open, half-open | a call from before ends        | unchanged | |
struct Breaker {
    enum class Phase : std::uint8_t { kClosed = 0, kOpen = 1, kHalfOpen = 2 };

    static constexpr int kFailures = 5;  ///< in a row
    static constexpr std::int64_t kOpenMs = 2'000;
    static constexpr std::int64_t kMaxOpenMs = 120'000;
    static constexpr std::int64_t kProbeMs = 60'000;
    static constexpr std::int64_t kForgetMs = 60'000;

    std::uint64_t phase_bits : 2 = 0;
    std::uint64_t failures : 8 = 0;  ///< in a row, while closed
    std::uint64_t openings : 6 = 0;  ///< without a long healthy time in between
    std::uint64_t until : 48 = 0;    ///< end of open, of the probe, or of the memory for openings

    Phase phase() const { return static_cast<Phase>(phase_bits); }

    enum class Answer { kPass, kProbe, kRefuse };
    struct Asked;
    /// Whether a call would be let through, without taking the probe.
    bool would_pass(std::int64_t now) const;
    Asked ask(std::int64_t now) const;
    Breaker success(bool probe, std::int64_t now) const;
    /// `over_ratio`: the recent failure rate alone is a reason to open.
    Breaker failure(bool probe, bool over_ratio, std::int64_t now) const;
    Breaker cancelled(bool probe, std::int64_t now) const;

    friend bool operator==(const Breaker&, const Breaker&) = default;

private:
    Breaker opened(std::int64_t now) const;
};
static_assert(sizeof(Breaker) == 8);

struct Breaker::Asked {
    Breaker next;
    Answer answer;
};

/// Calls and failures of the last seconds, for the failure rate. Eight bytes.
struct FailureWindow {
    static constexpr std::int64_t kLengthMs = 10'000;
    static constexpr int kMinCalls = 20;
    static constexpr double kRatio = 0.5;

    std::uint32_t begin = 0;  ///< in units of kLengthMs
    std::uint16_t calls = 0;
    std::uint16_t failed = 0;

    FailureWindow with(bool failure, std::int64_t now) const;
    bool over_ratio() const { return calls >= kMinCalls && failed > kRatio * calls; }
};
static_assert(sizeof(FailureWindow) == 8);

/// The share of its weight that a deployment gets `since` milliseconds after it came back: from a tenth up to all of it
/// over half a minute, because caches are cold and what broke it may still be there.
double slow_start(std::int64_t since_ms);

}  // namespace atrium::model
