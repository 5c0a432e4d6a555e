#pragma once

#include <algorithm>
#include <chrono>

namespace atrium::model::llama {

/// How many compute threads to use on cores that others use too. The workers of a step wait for each other by spinning:
/// when one of them is not scheduled, all stand still (measured beside busy compilers on 2 cores: 1.7 s per token with two
/// threads, against 40 ms with one). So when a step got clearly less CPU time than threads × wall time, use fewer
/// threads, and try more again from time to time. Pure; belongs to the decode thread.
class ThreadGovernor {
public:
    using Duration = std::chrono::duration<double>;

    explicit ThreadGovernor(int most) : most_(std::max(most, 1)), current_(most_) {}

    int threads() const { return current_; }

    /// After a step at `now`: its wall time and the process's CPU time in it. True when threads() changed.
    bool observe(Duration now, Duration wall, Duration cpu) {
        wall_ += wall;
        cpu_ += cpu;
        if (wall_ < kWindow) return false;
        const double share = cpu_ / (wall_ * current_);
        wall_ = cpu_ = Duration(0);
        const int before = current_;
        if (share < kStarved && current_ > 1) {
            current_ = std::clamp(static_cast<int>(share * current_), 1, current_ - 1);
            pause_ = probing_ ? std::min(pause_ * 2, kLongestPause) : kFirstPause;
            probe_at_ = now + pause_;
        } else if (current_ < most_ && now >= probe_at_) {
            ++current_;
            probing_ = true;
            return true;
        }
        probing_ = false;
        return current_ != before;
    }

private:
    static constexpr Duration kWindow{0.1};
    static constexpr Duration kFirstPause{2};
    static constexpr Duration kLongestPause{30};
    static constexpr double kStarved = 0.8;

    int most_;
    int current_;
    bool probing_ = false;
    Duration wall_{0};
    Duration cpu_{0};
    Duration pause_ = kFirstPause;
    Duration probe_at_{0};
};

}  // namespace atrium::model::llama
