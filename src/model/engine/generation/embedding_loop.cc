#include "model/engine/generation/embedding_loop.h"

#include <algorithm>
#include <cmath>

#include "observability/log/log.h"

namespace atrium::model {

void normalise(std::vector<float>& vector) {
    double sum = 0;
    for (const float x : vector) sum += static_cast<double>(x) * x;
    if (sum <= 0) return;
    const auto scale = static_cast<float>(1 / std::sqrt(sum));
    for (float& x : vector) x *= scale;
}

EmbeddingLoop::EmbeddingLoop(Backend& backend, const Clock& clock, EngineMetrics& metrics, int max_jobs)
    : backend_(backend), clock_(clock), metrics_(metrics), max_jobs_(static_cast<std::size_t>(max_jobs)),
      progress_(clock.steady().time_since_epoch().count()) {}

Result<> EmbeddingLoop::submit(std::shared_ptr<EmbeddingJob> job) {
    job->vectors.resize(job->inputs.size());
    job->open_ = job->inputs.size();
    if (job->open_ == 0) {
        job->done.set();
        return {};
    }
    {
        const std::scoped_lock lock(mutex_);
        if (stopping_ || failed_) return ::atrium::fail(unavailable("the engine is shutting down, please retry"));
        if (waiting_.size() >= max_jobs_) {
            metrics_.rejected.add();
            return ::atrium::fail(resource_exhausted("the engine's queue is full, please retry"));
        }
        if (waiting_.empty() && active_ == 0) progress_ = clock_.steady().time_since_epoch().count();
        waiting_.push_back(std::move(job));
        metrics_.waiting.set(static_cast<double>(waiting_.size()));
    }
    wake_.notify_one();
    return {};
}

std::vector<EmbeddingLoop::Slot> EmbeddingLoop::next_batch() {
    std::unique_lock lock(mutex_);
    std::vector<Slot> slots;
    const BackendFacts& facts = backend_.facts();
    while (slots.empty()) {
        wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
        if (stopping_) return {};
        std::erase_if(waiting_, [](const auto& job) { return job->cancelled.load(); });
        auto room = static_cast<std::size_t>(facts.batch_tokens);
        while (!waiting_.empty() && slots.size() < static_cast<std::size_t>(facts.sequences)) {
            const std::shared_ptr<EmbeddingJob> job = waiting_.front();
            const std::size_t length = job->inputs[job->next_].size();
            if (length > room) break;  // opens the next batch; nothing overtakes it
            room -= length;
            waiting_.pop_front();
            slots.push_back({job, job->next_++});
            if (job->next_ < job->inputs.size()) waiting_.push_back(job);
        }
    }
    active_ = static_cast<int>(slots.size());
    metrics_.running.set(static_cast<double>(slots.size()));
    metrics_.waiting.set(static_cast<double>(waiting_.size()));
    return slots;
}

void EmbeddingLoop::finish(const std::vector<Slot>& slots, std::vector<std::vector<float>> vectors) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
        EmbeddingJob& job = *slots[i].job;
        normalise(vectors[i]);
        metrics_.embedded_tokens.add(static_cast<double>(job.inputs[slots[i].input].size()));
        job.vectors[slots[i].input] = std::move(vectors[i]);
        if (--job.open_ == 0) job.done.set();
    }
    metrics_.embedded_inputs.add(static_cast<double>(slots.size()));
}

void EmbeddingLoop::fail(const std::vector<Slot>& slots, const Error& error) {
    for (const Slot& slot : slots) {
        if (slot.job->error) continue;
        slot.job->error = error;
        slot.job->cancelled = true;  // what is left of it need not be computed
        slot.job->done.set();
    }
}

void EmbeddingLoop::run() {
    std::vector<std::vector<Token>> inputs;
    while (true) {
        const std::vector<Slot> slots = next_batch();
        if (slots.empty()) break;
        inputs.clear();
        for (const Slot& slot : slots) inputs.push_back(slot.job->inputs[slot.input]);
        const SteadyTime begin = clock_.steady();
        Result<std::vector<std::vector<float>>> vectors = backend_.decoder().embed(inputs);
        const SteadyTime end = clock_.steady();
        progress_ = end.time_since_epoch().count();
        steps_.fetch_add(1);
        metrics_.steps.add();
        metrics_.step_seconds.observe(std::chrono::duration<double>(end - begin).count());
        active_ = 0;
        metrics_.running.set(0);
        if (vectors) {
            finish(slots, std::move(*vectors));
        } else if (vectors.error().code() == Code::kInvalidArgument) {
            fail(slots, vectors.error());
        } else {
            failed_ = true;
            log::error("the embedding engine failed", {{"error", vectors.error()}});
            fail(slots, unavailable("the model engine failed and is being restarted, please retry"));
            break;
        }
    }
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    std::vector<Slot> left;
    for (auto& job : waiting_) left.push_back({job, 0});
    waiting_.clear();
    fail(left, unavailable("the engine is shutting down, please retry"));
}

void EmbeddingLoop::stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    backend_.decoder().abort();
    wake_.notify_one();
}

LoopStatus EmbeddingLoop::status() const {
    const SteadyTime progress{SteadyTime::duration(progress_.load())};
    const std::scoped_lock lock(mutex_);
    return {failed_, steps_, std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady() - progress), active_,
            static_cast<int>(waiting_.size())};
}

}  // namespace atrium::model
