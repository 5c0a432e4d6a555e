#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/engine/scheduler/fair_queue.h"
#include "model/engine/scheduler/kv_ledger.h"

namespace atrium::model {

struct SchedulerOptions {
    int kv_cells = 8192;
    int max_active = 8;        ///< requests computed together
    int sequence_ids = 256;    ///< the surplus over max_active holds prefixes
    int batch_tokens = 512;    ///< hard limit of one step
    int chunk_alone = 128;     ///< prompt tokens per step while nobody is generating
    int chunk_shared = 64;     ///< … while somebody is: bounds the gap between two tokens of a running answer
    int expected_new = 256;    ///< cells reserved for an answer that may become longer
    int max_queued = 256;
    int max_queued_per_tenant = 128;
    bool share_prefixes = true;
};

struct ScheduledRequest {
    RequestId id = 0;          ///< unique, never reused
    std::string tenant;        ///< whose turn it takes, and whose prefixes it may find
    std::vector<Token> prompt; ///< at least one; prompt + max_new ≤ kv_cells
    int max_new = 0;
    std::optional<SteadyTime> start_by;   ///< leave the queue by then
    std::optional<SteadyTime> finish_by;
};

/// One request's share of a step.
struct Work {
    RequestId id = 0;
    SequenceId sequence = 0;
    std::int32_t position = 0;  ///< of the first token
    int count = 0;
    bool output = false;        ///< the last token's logits are wanted: a token will be sampled
};

enum class Expiry { kStart, kFinish };

struct StepPlan {
    std::vector<KvOperation> kv;    ///< before the batch
    std::vector<Work> work;         ///< empty: nothing to compute
    std::vector<std::pair<RequestId, Expiry>> expired;  ///< gone from the scheduler already
    std::vector<RequestId> admitted;
    int decode_tokens = 0;
    int prefill_tokens = 0;
};

/// Decides what one step of the model computes. Pure policy: no clock, no model, no thread of its own; the batch loop
/// calls it under its lock. A request moves so:
///
///  # | state    | leaves when                                     | to
///  1 | queued   | its turn, a slot, and its cells are reserved    | prefill
///  2 | queued   | start_by or finish_by passed, cancel()          | gone
///  3 | prefill  | all its tokens but the last are computed        | decode
///  4 | decode   | append(): one more token                        | decode
///  5 | prefill, decode | finish(), cancel(), finish_by            | gone; what it computed stays as an idle prefix
///  6 | prefill, decode | the cache is full and it is the newest   | queued, first of its tenant, nothing lost
///
/// Invariants: Σ cells of active and idle sequences ≤ kv_cells, so a step never fails for want of cells and nobody's
/// request fails for another's; generating requests are in every step; at most max_active outputs per step.
class Scheduler {
public:
    explicit Scheduler(SchedulerOptions options);

    /// kResourceExhausted when the queue (or the tenant's share of it) is full.
    Result<> submit(ScheduledRequest request);
    /// Also what ends a request; unknown ids are ignored (it may have just ended).
    void finish(RequestId id);
    void cancel(RequestId id) { finish(id); }

    StepPlan plan(SteadyTime now);
    /// The plan was computed.
    void computed(const StepPlan& plan);
    /// The plan could not be computed for want of cells: a defect of the accounting, answered by setting the newest
    /// request aside. False when there is none to set aside.
    bool out_of_cells();
    /// A sampled token of a request whose work had `output`.
    void append(RequestId id, Token token);

    /// Prompt and what was generated. Valid until the request ends.
    const std::vector<Token>& tokens(RequestId id) const;
    /// Prompt tokens that did not have to be computed.
    int reused_tokens(RequestId id) const;
    bool idle() const { return requests_.empty(); }

    int queued() const { return static_cast<int>(queue_.size()); }
    int active() const { return static_cast<int>(active_.size()); }
    int cells_used() const;
    std::uint64_t retractions() const { return retractions_; }

private:
    struct State {
        ScheduledRequest request;
        std::vector<Token> tokens;
        int computed = 0;   // tokens in the cache
        int reused = 0;
        int reserved = 0;   // cells
        std::uint64_t order = 0;  // of arrival
        SequenceId sequence = 0;
        bool active = false;
        bool started = false;     // has been active: start_by no longer matters
    };

    void expire(SteadyTime now, StepPlan& plan);
    void admit(StepPlan& plan);
    FairQueue::Verdict try_admit(State& state);
    /// The best source for this prompt among idle and running sequences, and whether to wait for a better one.
    PrefixMatch find_prefix(const State& state, bool& wait) const;
    void make_room();
    void plan_work(StepPlan& plan);
    void add_work(State& state, int count, StepPlan& plan);
    bool retract_newest();
    int committed(const State& state) const;

    SchedulerOptions options_;
    FairQueue queue_;
    KvLedger ledger_;
    std::map<RequestId, State> requests_;
    std::vector<State*> active_;  // oldest arrival first
    std::uint64_t arrivals_ = 0;
    std::uint64_t retractions_ = 0;
};

}  // namespace atrium::model
