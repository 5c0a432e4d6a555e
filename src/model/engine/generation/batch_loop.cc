#include "model/engine/generation/batch_loop.h"

#include <algorithm>
#include <cmath>

#include "observability/log/log.h"

namespace atrium::model {
namespace {

double seconds_between(SteadyTime from, SteadyTime to) { return std::chrono::duration<double>(to - from).count(); }

}  // namespace

BatchLoop::BatchLoop(Backend& backend, const Clock& clock, EngineMetrics& metrics, SchedulerOptions options)
    : backend_(backend), clock_(clock), metrics_(metrics), options_(options), scheduler_(options),
      progress_(clock.steady().time_since_epoch().count()) {}

Result<std::vector<RequestId>> BatchLoop::submit(std::vector<GenerationRequest> requests) {
    std::vector<RequestId> ids;
    const SteadyTime now = clock_.steady();
    {
        const std::scoped_lock lock(mutex_);
        if (stopping_ || failed_) return fail(unavailable("the engine is shutting down, please retry"));
        for (GenerationRequest& request : requests) {
            const RequestId id = next_id_++;
            ScheduledRequest scheduled{id, request.tenant, request.prompt, request.max_new, request.start_by, request.finish_by};
            if (const Result<> accepted = scheduler_.submit(std::move(scheduled)); !accepted) {
                for (const RequestId other : ids) erase(other);
                metrics_.rejected.add();
                return fail(accepted.error());
            }
            auto generation = std::make_unique<Generation>(id, std::move(request), backend_.tokenizer());
            generation->set_submitted(now);
            generations_.emplace(id, std::move(generation));
            ids.push_back(id);
        }
        if (active_ == 0 && queued_ == 0) progress_ = now.time_since_epoch().count();  // an idle loop is not a stuck one
        queued_ = scheduler_.queued();
    }
    wake_.notify_one();
    return ids;
}

void BatchLoop::cancel(const std::vector<RequestId>& ids) {
    {
        const std::scoped_lock lock(mutex_);
        cancelled_.insert(cancelled_.end(), ids.begin(), ids.end());
    }
    wake_.notify_one();
}

void BatchLoop::stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    backend_.decoder().abort();
    wake_.notify_one();
}

void BatchLoop::erase(RequestId id) {
    scheduler_.finish(id);
    generations_.erase(id);
}

void BatchLoop::end_early() {
    for (const RequestId id : std::exchange(cancelled_, {})) {
        if (generations_.contains(id)) metrics_.finished_cancelled.add();
        erase(id);
    }
}

void BatchLoop::publish() {
    active_ = scheduler_.active();
    queued_ = scheduler_.queued();
    metrics_.running.set(scheduler_.active());
    metrics_.waiting.set(scheduler_.queued());
    metrics_.kv_usage.set(static_cast<double>(scheduler_.cells_used()) / options_.kv_cells);
    metrics_.retractions.add(static_cast<double>(scheduler_.retractions() - retractions_seen_));
    retractions_seen_ = scheduler_.retractions();
}

void BatchLoop::describe(Step& step) {
    step.batch.clear();
    step.outputs.clear();
    step.admitted.clear();
    for (const Work& work : step.plan.work) {
        const std::vector<Token>& tokens = scheduler_.tokens(work.id);
        for (int i = 0; i < work.count; ++i) {
            const bool output = work.output && i == work.count - 1;
            step.batch.push_back({tokens[static_cast<std::size_t>(work.position + i)], work.position + i, work.sequence, output});
        }
        if (work.output) step.outputs.push_back(generations_.at(work.id).get());
    }
    for (const RequestId id : step.plan.admitted) {
        Generation* generation = generations_.at(id).get();
        step.admitted.push_back(generation);
        if (generation->prepared()) continue;  // was set aside and is back
        const int reused = scheduler_.reused_tokens(id);
        if (generation->request().reports_reuse) generation->request().out->add_reused(reused);
        metrics_.reused_tokens.add(reused);
        metrics_.queue_seconds.observe(seconds_between(generation->submitted(), clock_.steady()));
    }
}

bool BatchLoop::next_step(Step& step) {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [&] { return stopping_ || !cancelled_.empty() || !scheduler_.idle(); });
        if (stopping_) return false;
        end_early();
        step.plan = scheduler_.plan(clock_.steady());
        for (const auto& [id, expiry] : step.plan.expired) {
            const auto found = generations_.find(id);
            if (found == generations_.end()) continue;
            found->second->fail(expiry == Expiry::kStart ? resource_exhausted("the engine is overloaded, please retry")
                                                         : deadline_exceeded("the answer was not complete by its deadline"));
            metrics_.finished_error.add();
            generations_.erase(found);
        }
        publish();
        describe(step);
        if (!step.batch.empty()) return true;
        // Nothing to compute: what was freed is removed now, so that an idle engine holds no dead cells.
        for (const KvOperation& operation : step.plan.kv) {
            if (operation.kind == KvOperation::Kind::kRemove) backend_.decoder().remove(operation.sequence, operation.length);
        }
        progress_ = clock_.steady().time_since_epoch().count();
        // Requests without work cannot be (the oldest always has some); should it happen, do not spin.
        if (!scheduler_.idle()) wake_.wait_for(lock, std::chrono::milliseconds(5));
    }
}

bool BatchLoop::compute(Step& step) {
    Decoder& decoder = backend_.decoder();
    for (const KvOperation& operation : step.plan.kv) {
        if (operation.kind == KvOperation::Kind::kCopy) decoder.copy(operation.source, operation.sequence, operation.length);
        else decoder.remove(operation.sequence, operation.length);
    }
    std::vector<Generation*> done;
    for (Generation* generation : step.admitted) {
        if (generation->prepared()) continue;
        if (Result<> prepared = generation->prepare(decoder); !prepared) {
            generation->fail(std::move(prepared).error());
            metrics_.finished_error.add();
            done.push_back(generation);
        }
    }
    const SteadyTime begin = clock_.steady();
    const DecodeStatus status = decoder.decode(step.batch);
    const SteadyTime end = clock_.steady();
    progress_ = end.time_since_epoch().count();
    if (status == DecodeStatus::kAborted) return true;  // stopping; the next look finds out
    if (status == DecodeStatus::kNoSpace) {
        const std::scoped_lock lock(mutex_);
        log::warning("the KV cache is fuller than accounted for", {{"batch", step.batch.size()}});
        if (!scheduler_.out_of_cells()) return false;
        return true;
    }
    if (status != DecodeStatus::kOk) return false;

    steps_.fetch_add(1);
    metrics_.steps.add();
    metrics_.step_seconds.observe(seconds_between(begin, end));
    metrics_.prompt_tokens.add(step.plan.prefill_tokens);
    for (std::size_t i = 0; i < step.outputs.size(); ++i) {
        Generation* generation = step.outputs[i];
        if (!generation->prepared()) continue;  // failed above
        const bool complete = generation->step(decoder, static_cast<int>(i));
        observe(*generation, end);
        if (complete) done.push_back(generation);
    }
    settle(step, done);
    return true;
}

void BatchLoop::observe(Generation& generation, SteadyTime now) {
    metrics_.generated_tokens.add();
    if (generation.tokens() <= 1) metrics_.first_token_seconds.observe(seconds_between(generation.submitted(), now));
    else metrics_.between_tokens_seconds.observe(seconds_between(generation.last_step(), now));
    generation.set_last_step(now);
}

void BatchLoop::settle(const Step& step, const std::vector<Generation*>& done) {
    const SteadyTime now = clock_.steady();
    const std::scoped_lock lock(mutex_);
    scheduler_.computed(step.plan);
    for (Generation* generation : step.outputs) {
        if (std::ranges::find(done, generation) == done.end()) scheduler_.append(generation->id(), generation->last_token());
    }
    for (Generation* generation : done) {
        if (generation->tokens() >= generation->request().max_new) metrics_.finished_length.add();
        else if (generation->prepared()) metrics_.finished_stop.add();
        mean_seconds_ = 0.9 * mean_seconds_ + 0.1 * seconds_between(generation->submitted(), now);
        erase(generation->id());
    }
    publish();
}

void BatchLoop::fail_all(const Error& error) {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, generation] : generations_) {
        generation->fail(error);
        metrics_.finished_error.add();
        scheduler_.finish(id);
    }
    generations_.clear();
    publish();
}

void BatchLoop::run() {
    Step step;
    while (next_step(step)) {
        if (!compute(step)) {
            failed_ = true;
            log::error("the model engine failed", {{"batch", step.batch.size()}});
            fail_all(unavailable("the model engine failed and is being restarted, please retry"));
            return;
        }
    }
    fail_all(unavailable("the engine is shutting down, please retry"));
}

LoopStatus BatchLoop::status() const {
    const SteadyTime progress{SteadyTime::duration(progress_.load())};
    return {failed_, steps_, std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady() - progress), active_, queued_};
}

std::chrono::seconds BatchLoop::retry_after() const {
    const std::scoped_lock lock(mutex_);
    const double wait = mean_seconds_ * (scheduler_.queued() + 1) / options_.max_active;
    return std::chrono::seconds(static_cast<int>(std::clamp(std::ceil(wait), 1.0, 60.0)));
}

}  // namespace atrium::model
