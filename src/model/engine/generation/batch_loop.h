#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "model/engine/backend.h"
#include "model/engine/generation/engine_metrics.h"
#include "model/engine/generation/generation.h"
#include "model/engine/scheduler/scheduler.h"

namespace atrium::model {

/// What the watchdog and the status page look at.
struct LoopStatus {
    bool failed = false;
    std::uint64_t steps = 0;
    std::chrono::milliseconds since_progress{0};  ///< meaningful while something is active or queued
    int active = 0;
    int queued = 0;
};

/// The decode thread's loop: asks the scheduler what to compute, computes it, samples, passes tokens on. run() occupies
/// the calling thread until stop(); submit, cancel and status come from any thread and wait for no computation.
///
/// The lock covers the scheduler and the table of answers, never a decode. Answers are erased only by the loop, so a
/// pointer taken under the lock stays valid for the step.
class BatchLoop {
public:
    BatchLoop(Backend& backend, const Clock& clock, EngineMetrics& metrics, SchedulerOptions options);

    /// All answers of one API request, or none. kResourceExhausted when the queue is full.
    Result<std::vector<RequestId>> submit(std::vector<GenerationRequest> requests);
    /// Takes effect before the next step. Unknown ids are ignored.
    void cancel(const std::vector<RequestId>& ids);

    void run();
    /// Ends a running step early; unfinished answers end with kUnavailable. Thread-safe.
    void stop();

    LoopStatus status() const;
    /// For Retry-After: when a place in the queue should be free.
    std::chrono::seconds retry_after() const;

private:
    struct Step {
        StepPlan plan;
        std::vector<BatchToken> batch;
        std::vector<Generation*> outputs;   // by output index
        std::vector<Generation*> admitted;
    };

    bool next_step(Step& step);  // false: stop
    void end_early();            // cancelled requests; lock held
    void describe(Step& step);   // batch and pointers from the plan; lock held
    bool compute(Step& step);    // false: failed for good
    void settle(const Step& step, const std::vector<Generation*>& done);
    void observe(Generation& generation, SteadyTime now);
    void fail_all(const Error& error);
    void erase(RequestId id);
    void publish();

    Backend& backend_;
    const Clock& clock_;
    EngineMetrics& metrics_;
    SchedulerOptions options_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    Scheduler scheduler_;
    std::map<RequestId, std::unique_ptr<Generation>> generations_;
    std::vector<RequestId> cancelled_;
    RequestId next_id_ = 1;
    bool stopping_ = false;
    std::uint64_t retractions_seen_ = 0;
    double mean_seconds_ = 2;  // of a request, smoothed

    std::atomic<bool> failed_{false};
    std::atomic<std::uint64_t> steps_{0};
    std::atomic<SteadyTime::rep> progress_;
    std::atomic<int> active_{0};
    std::atomic<int> queued_{0};
};

}  // namespace atrium::model
