#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "model/engine/backend.h"
#include "model/engine/generation/batch_loop.h"
#include "model/engine/generation/engine_metrics.h"
#include "platform/async/runtime.h"

namespace atrium::model {

/// The inputs of one embedding request and, once `done` is set, their vectors of length 1 in the same order or the error.
struct EmbeddingJob {
    std::vector<std::vector<Token>> inputs;  ///< each within the model's context
    std::vector<std::vector<float>> vectors;
    std::optional<Error> error;
    Event done;
    std::atomic<bool> cancelled{false};  ///< nobody waits any more: what is left is skipped

private:
    friend class EmbeddingLoop;
    std::size_t next_ = 0;  // first input not yet in a batch
    std::size_t open_ = 0;  // inputs without a vector
};

/// The decode thread of an embedding model: fills each batch from the waiting jobs in turn, one input at a time, so a job
/// with a thousand inputs does not keep a job with one waiting. Threads as BatchLoop.
class EmbeddingLoop {
public:
    EmbeddingLoop(Backend& backend, const Clock& clock, EngineMetrics& metrics, int max_jobs);

    /// kResourceExhausted when too many jobs wait.
    Result<> submit(std::shared_ptr<EmbeddingJob> job);
    void run();
    void stop();
    LoopStatus status() const;

private:
    struct Slot {
        std::shared_ptr<EmbeddingJob> job;
        std::size_t input = 0;
    };
    std::vector<Slot> next_batch();  // empty: stop
    void finish(const std::vector<Slot>& slots, std::vector<std::vector<float>> vectors);
    void fail(const std::vector<Slot>& slots, const Error& error);

    Backend& backend_;
    const Clock& clock_;
    EngineMetrics& metrics_;
    std::size_t max_jobs_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::shared_ptr<EmbeddingJob>> waiting_;  // with inputs not yet in a batch; the front is next
    bool stopping_ = false;
    std::atomic<bool> failed_{false};
    std::atomic<std::uint64_t> steps_{0};
    std::atomic<SteadyTime::rep> progress_;
    std::atomic<int> active_{0};
};

/// Scales to length 1; a vector of zeros stays.
void normalise(std::vector<float>& vector);

}  // namespace atrium::model
