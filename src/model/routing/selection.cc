#include "model/routing/internal/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "model/routing/sticky.h"

namespace atrium::model::internal {
namespace {

using Refusal = DeploymentState::Refusal;
using std::chrono::milliseconds;

// Nobody knows how long the answer gets; the order of prices rarely depends on it.
constexpr double kExpectedCompletionTokens = 500;

double expected_cost(const Deployment& deployment, std::int64_t prompt_tokens) {
    if (deployment.local) return 0;
    if (!deployment.price) return std::numeric_limits<double>::infinity();
    return (deployment.price->input * static_cast<double>(prompt_tokens) +
            deployment.price->output * kExpectedCompletionTokens) /
           1e6;
}

double own_weight(const Member& member) {
    return member.deployment->weight > 0 ? member.deployment->weight : 1;
}

}  // namespace

template <class Visit>
void Selection::each(Visit visit) const {
    for (const auto& arm : entry_.arms) {
        if (arm.weight <= 0) continue;
        for (const auto* member : arm.members) visit(*member);
    }
}

bool Selection::may(const Member& member, std::int64_t now, bool desperate) const {
    if (std::ranges::find(tried_, &member) != tried_.end()) return false;
    if (router_.not_ready(*member.deployment)) return false;
    if (member.deployment->local) member.state->saw_ready();
    const auto refusal = member.state->refusal(now, member.deployment->max_concurrent);
    return refusal == Refusal::kNone || (desperate && (refusal == Refusal::kDown || refusal == Refusal::kEjected));
}

bool Selection::has_next(std::int64_t now) const {
    bool found = false;
    each([&](const Member& member) { found = found || may(member, now, true); });
    return found;
}

std::optional<Selection::Choice> Selection::next(std::int64_t now, const Rng& rng) {
    for (const bool desperate : {false, true}) {
        while (const auto* member = pick(now, rng, desperate)) {
            tried_.push_back(member);
            Choice choice{member, false};
            // Two requests may have seen the same chance to probe; one of them has it.
            if (member->state->enter(now, query_.prompt_tokens, choice.probe)) return choice;
        }
    }
    return std::nullopt;
}

const Member* Selection::pick(std::int64_t now, const Rng& rng, bool desperate) const {
    if (entry_.strategy == Strategy::kWeighted && entry_.arms.size() > 1) return pick_arm(now, rng, desperate);
    std::vector<const Member*> members;
    std::vector<double> weights;
    for (const auto& arm : entry_.arms) {
        if (arm.weight <= 0) continue;
        double total = 0;
        for (const auto* member : arm.members) total += own_weight(*member);
        for (const auto* member : arm.members) {
            if (!may(*member, now, desperate)) continue;
            members.push_back(member);
            weights.push_back(arm.weight * own_weight(*member) / total);
        }
    }
    const bool sticky = entry_.strategy == Strategy::kWeighted && entry_.sticky && !query_.unit.empty();
    const std::uint64_t unit = query_.unit.empty() ? 0 : stable_hash(query_.unit, entry_.salt);
    const std::uint64_t key = query_.prefix_hash != 0 && !sticky ? query_.prefix_hash : unit;
    return pick_from(members, weights, sticky ? Strategy::kPrefix : entry_.strategy, key, now, rng);
}

/// Weighted arms: first the arm, by the sticky unit or by chance, then one of its deployments.
const Member* Selection::pick_arm(std::int64_t now, const Rng& rng, bool desperate) const {
    std::vector<const EntryArm*> arms;
    std::vector<WeightedArm> weighted;
    std::vector<Candidate> candidates;
    for (const auto& arm : entry_.arms) {
        double share = 0;
        for (const auto* member : arm.members) {
            if (may(*member, now, desperate)) share = std::max(share, member->state->slow_start_share(now));
        }
        if (arm.weight <= 0 || share <= 0) continue;
        arms.push_back(&arm);
        weighted.push_back({arm.hash, arm.weight});
        Candidate candidate;
        candidate.weight = arm.weight * share;
        candidates.push_back(candidate);
    }
    if (arms.empty()) return nullptr;
    const bool sticky = entry_.sticky && !query_.unit.empty();
    const std::uint64_t unit = sticky ? stable_hash(query_.unit, entry_.salt) : 0;
    // A unit's arm does not follow the slow start: its conversation would change sides.
    const std::size_t chosen =
        sticky ? assign(unit, weighted).value_or(0) : choose(Strategy::kWeighted, candidates, {}, rng);
    std::vector<const Member*> members;
    std::vector<double> weights;
    for (const auto* member : arms[chosen]->members) {
        if (!may(*member, now, desperate)) continue;
        members.push_back(member);
        weights.push_back(own_weight(*member));
    }
    return pick_from(members, weights, sticky ? Strategy::kPrefix : Strategy::kLeastOutstanding, unit, now, rng);
}

const Member* Selection::pick_from(const std::vector<const Member*>& members, const std::vector<double>& weights,
                                   Strategy strategy, std::uint64_t key, std::int64_t now, const Rng& rng) const {
    if (members.size() <= 1) return members.empty() ? nullptr : members.front();
    std::vector<Candidate> candidates;
    candidates.reserve(members.size());
    for (std::size_t i = 0; i < members.size(); ++i) {
        const auto& state = *members[i]->state;
        Candidate candidate;
        candidate.hash = members[i]->hash;
        candidate.weight = weights[i] * state.slow_start_share(now);
        candidate.outstanding = state.outstanding();
        candidate.outstanding_tokens = state.outstanding_tokens();
        candidate.latency_ms = state.latency_ms(streamed_);
        candidate.cost = expected_cost(*members[i]->deployment, query_.prompt_tokens);
        candidates.push_back(candidate);
    }
    return members[choose(strategy, candidates, {key, query_.prompt_tokens}, rng)];
}

Error Selection::why_not(std::int64_t now, const std::string& name) const {
    std::optional<std::string> reason;
    bool limited = false;
    std::int64_t back = std::numeric_limits<std::int64_t>::max();
    std::size_t members = 0;
    each([&](const Member& member) {
        ++members;
        if (auto why = router_.not_ready(*member.deployment)) {
            if (!reason) reason = std::move(why);
            return;
        }
        const auto refusal = member.state->refusal(now, member.deployment->max_concurrent);
        limited = limited || refusal == Refusal::kCooling || refusal == Refusal::kFull;
        if (refusal != Refusal::kFull) back = std::min(back, member.state->back_in(now));
    });
    if (members == 0) reason = "none of its targets exists";
    const milliseconds wait(back < std::numeric_limits<std::int64_t>::max() ? back : 0);
    if (limited) {
        return resource_exhausted(fmt::format("The model '{}' has no free capacity. Please retry shortly.", name))
            .with_reason("upstream_busy")
            .with_retry_after(wait);
    }
    if (reason) {
        return unavailable(fmt::format("The model '{}' is not ready{}{}. Please retry shortly.", name,
                                       reason->empty() ? "" : ": ", *reason))
            .with_reason("model_not_ready");
    }
    return unavailable(fmt::format("The model '{}' is not available right now, please retry.", name))
        .with_reason("upstream_unavailable")
        .with_retry_after(wait);
}

std::optional<std::chrono::milliseconds> Selection::rest(std::int64_t now) const {
    std::optional<std::chrono::milliseconds> soonest;
    each([&](const Member& member) {
        if (member.state->refusal(now, 0) != Refusal::kCooling) return;
        const std::chrono::milliseconds back(member.state->back_in(now));
        soonest = soonest ? std::min(*soonest, back) : back;
    });
    return soonest;
}

bool Selection::restarting() const {
    bool found = false;
    each([&](const Member& member) {
        found =
            found || (member.deployment->local && member.state->was_ready() && router_.not_ready(*member.deployment));
    });
    return found;
}

}  // namespace atrium::model::internal
