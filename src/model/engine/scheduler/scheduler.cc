#include "model/engine/scheduler/scheduler.h"

#include <algorithm>

#include "base/check.h"

namespace atrium::model {
namespace {

constexpr int kMinShared = 16;    // tokens worth a copy
constexpr int kWorthWaiting = 64; // tokens another request is about to compute anyway

}  // namespace

Scheduler::Scheduler(SchedulerOptions options)
    : options_(options), ledger_(options.kv_cells, std::max(options.sequence_ids, options.max_active), options.share_prefixes) {
    CHECK(options.max_active > 0 && options.batch_tokens >= options.max_active);
}

Result<> Scheduler::submit(ScheduledRequest request) {
    if (request.prompt.empty() || static_cast<int>(request.prompt.size()) + request.max_new > options_.kv_cells) {
        return fail(internal_error("a request that cannot fit reached the scheduler"));
    }
    if (queued() >= options_.max_queued) return fail(resource_exhausted("the engine's queue is full, please retry"));
    if (queue_.size(request.tenant) >= static_cast<std::size_t>(options_.max_queued_per_tenant)) {
        return fail(resource_exhausted("too many waiting requests, please retry"));
    }
    const RequestId id = request.id;
    State& state = requests_[id];
    state.tokens = request.prompt;
    state.request = std::move(request);
    state.order = arrivals_++;
    queue_.push_back(state.request.tenant, id);
    return {};
}

void Scheduler::finish(RequestId id) {
    const auto found = requests_.find(id);
    if (found == requests_.end()) return;
    State& state = found->second;
    if (state.active) {
        std::erase(active_, &state);
        state.tokens.resize(static_cast<std::size_t>(state.computed));
        ledger_.release(state.sequence, state.request.tenant, std::move(state.tokens));
    } else {
        queue_.erase(state.request.tenant, id);
    }
    requests_.erase(found);
}

StepPlan Scheduler::plan(SteadyTime now) {
    StepPlan plan;
    expire(now, plan);
    make_room();
    admit(plan);
    plan_work(plan);
    plan.kv = ledger_.take_operations();
    return plan;
}

void Scheduler::expire(SteadyTime now, StepPlan& plan) {
    for (const auto& [id, state] : requests_) {
        const auto& request = state.request;
        if (request.finish_by && now >= *request.finish_by) plan.expired.emplace_back(id, Expiry::kFinish);
        else if (!state.started && request.start_by && now >= *request.start_by) plan.expired.emplace_back(id, Expiry::kStart);
    }
    for (const auto& [id, expiry] : plan.expired) finish(id);
}

int Scheduler::committed(const State& state) const { return std::max(state.reserved, static_cast<int>(state.tokens.size())); }

int Scheduler::cells_used() const {
    int used = ledger_.idle_cells();
    for (const State* state : active_) used += state->computed;
    return used;
}

PrefixMatch Scheduler::find_prefix(const State& state, bool& wait) const {
    wait = false;
    PrefixMatch best = ledger_.find(state.request.tenant, state.tokens);
    if (!ledger_.shares()) return best;
    const std::span<const Token> prompt(state.tokens.data(), state.tokens.size() - 1);
    int coming = 0;
    for (const State* other : active_) {
        if (other->request.tenant != state.request.tenant) continue;
        const int common = common_prefix(prompt, other->tokens);
        const int ready = std::min(common, other->computed);
        if (ready >= kMinShared && ready > best.length) best = {other->sequence, ready, false};
        // Still being computed by somebody else: waiting for it beats computing it twice.
        coming = std::max(coming, std::min(common, static_cast<int>(other->tokens.size()) - 1));
    }
    wait = coming - best.length >= kWorthWaiting;
    return best;
}

FairQueue::Verdict Scheduler::try_admit(State& state) {
    using Verdict = FairQueue::Verdict;
    bool wait = false;
    const PrefixMatch match = find_prefix(state, wait);
    if (wait) return Verdict::kSkip;

    const int length = static_cast<int>(state.tokens.size());
    const int generated = length - static_cast<int>(state.request.prompt.size());
    const int reserve = length + std::min(state.request.max_new - generated, options_.expected_new);
    int taken = 0;
    for (const State* other : active_) taken += committed(*other);
    // A claimed sequence stops being idle, so its cells are free for the request that grows out of it.
    const int idle_allowed = ledger_.cells() - taken - reserve + (match.whole ? match.length : 0);
    if (idle_allowed < 0) return Verdict::kStop;
    const std::optional<SequenceId> keep = match.length > 0 ? std::optional(match.sequence) : std::nullopt;
    ledger_.shrink_idle(idle_allowed, keep);
    if (ledger_.idle_cells() > idle_allowed) {
        // Only the prefix itself is in the way: better computed again than waiting for a running request.
        ledger_.shrink_idle(idle_allowed, std::nullopt);
        return try_admit(state);
    }
    if (match.whole) {
        ledger_.claim(match.sequence);
        state.sequence = match.sequence;
    } else {
        const std::optional<SequenceId> id = ledger_.take_id(keep);
        if (!id) return Verdict::kStop;
        state.sequence = *id;
        if (match.length > 0) {
            ledger_.touch(match.sequence);
            ledger_.add_operation({KvOperation::Kind::kCopy, *id, match.sequence, match.length});
        }
    }
    state.computed = match.length;
    if (!state.started) state.reused = match.length;
    state.reserved = reserve;
    state.active = true;
    state.started = true;
    const auto place = std::ranges::upper_bound(active_, state.order, {}, [](const State* other) { return other->order; });
    active_.insert(place, &state);
    return Verdict::kTake;
}

void Scheduler::admit(StepPlan& plan) {
    while (active() < options_.max_active) {
        const bool taken = queue_.offer([&](RequestId id) {
            const FairQueue::Verdict verdict = try_admit(requests_.at(id));
            if (verdict == FairQueue::Verdict::kTake) plan.admitted.push_back(id);
            return verdict;
        });
        if (!taken) return;
    }
}

bool Scheduler::retract_newest() {
    // The oldest always runs to its end: alone it fits, so there is progress whatever happens.
    if (active_.size() < 2) return false;
    State& state = *active_.back();
    active_.pop_back();
    ledger_.drop(state.sequence);
    state.active = false;
    state.computed = 0;
    queue_.push_front(state.request.tenant, state.request.id);
    ++retractions_;
    return true;
}

void Scheduler::make_room() {
    // After the coming step every token known now is in the cache, at most.
    while (true) {
        int needed = 0;
        for (const State* state : active_) needed += static_cast<int>(state->tokens.size());
        const int idle_allowed = ledger_.cells() - needed;
        ledger_.shrink_idle(std::max(idle_allowed, 0), std::nullopt);
        if (idle_allowed >= 0 || !retract_newest()) return;
    }
}

void Scheduler::add_work(State& state, int count, StepPlan& plan) {
    const bool last = state.computed + count == static_cast<int>(state.tokens.size());
    plan.work.push_back({state.request.id, state.sequence, state.computed, count, last});
}

void Scheduler::plan_work(StepPlan& plan) {
    std::vector<State*> prefill;
    for (State* state : active_) {
        const int left = static_cast<int>(state->tokens.size()) - state->computed;
        if (left == 1) {
            add_work(*state, 1, plan);
            ++plan.decode_tokens;
        } else if (left > 1) {
            prefill.push_back(state);
        }
    }
    if (prefill.empty()) return;
    int budget = std::min(plan.decode_tokens > 0 ? options_.chunk_shared : options_.chunk_alone,
                          options_.batch_tokens - plan.decode_tokens);
    const auto left = [](const State* state) { return static_cast<int>(state->tokens.size()) - state->computed; };
    const auto give = [&](State* state, int most) {
        const int count = std::min({left(state), budget, most});
        if (count <= 0) return;
        add_work(*state, count, plan);
        plan.prefill_tokens += count;
        budget -= count;
    };
    // Half for the oldest, so that it cannot starve; the rest to whoever is nearest to its first token.
    State* oldest = prefill.front();
    const int for_oldest = prefill.size() == 1 ? budget : std::max(budget / 2, 1);
    std::ranges::stable_sort(prefill, {}, left);
    if (prefill.front() == oldest) {
        for (State* state : prefill) give(state, budget);
        return;
    }
    give(oldest, for_oldest);
    for (State* state : prefill) {
        if (state != oldest) give(state, budget);
    }
}

void Scheduler::computed(const StepPlan& plan) {
    for (const Work& work : plan.work) {
        const auto found = requests_.find(work.id);
        if (found != requests_.end() && found->second.active) found->second.computed = work.position + work.count;
    }
}

bool Scheduler::out_of_cells() {
    if (ledger_.idle_count() > 0) {
        ledger_.shrink_idle(0, std::nullopt);
        return true;
    }
    return retract_newest();
}

void Scheduler::append(RequestId id, Token token) {
    const auto found = requests_.find(id);
    if (found != requests_.end()) found->second.tokens.push_back(token);
}

const std::vector<Token>& Scheduler::tokens(RequestId id) const { return requests_.at(id).tokens; }

int Scheduler::reused_tokens(RequestId id) const {
    const auto found = requests_.find(id);
    return found == requests_.end() ? 0 : found->second.reused;
}

}  // namespace atrium::model
