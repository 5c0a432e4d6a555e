#include "model/routing/balance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "model/routing/sticky.h"

namespace atrium::model {
namespace {

using Candidates = std::span<const Candidate>;

constexpr std::array<std::pair<std::string_view, Strategy>, 6> kNames{
    {{"weighted", Strategy::kWeighted},
     {"least_outstanding", Strategy::kLeastOutstanding},
     {"latency", Strategy::kLatency},
     {"cost", Strategy::kCost},
     {"ordered", Strategy::kOrdered},
     {"prefix", Strategy::kPrefix}}};

std::size_t weighted(Candidates candidates, const Rng& rng) {
    double total = 0;
    for (const auto& candidate : candidates) total += candidate.weight;
    double left = unit_interval(rng()) * total;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        left -= candidates[i].weight;
        if (left < 0) return i;
    }
    return candidates.size() - 1;
}

/// The lowest of `measure`; equals are drawn by weight, so that idle deployments share the work.
template <class Measure>
std::size_t lowest(Candidates candidates, const Rng& rng, Measure measure) {
    std::size_t best = 0;
    double low = std::numeric_limits<double>::infinity();
    double equals = 0;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const double value = measure(candidates[i]);
        if (value > low) continue;
        const double weight = candidates[i].weight;
        equals = value < low ? weight : equals + weight;
        if (value < low || unit_interval(rng()) * equals < weight) best = i;
        low = value;
    }
    return best;
}

std::size_t least_outstanding(Candidates candidates, const Rng& rng) {
    // A call without an estimate still occupies a slot: it counts as one token.
    return lowest(candidates, rng, [](const Candidate& candidate) {
        return static_cast<double>(candidate.outstanding_tokens + candidate.outstanding) / candidate.weight;
    });
}

double expected_wait(const Candidate& candidate) {
    // Unknown latency is the best there is, so that every deployment is measured; its queue still counts.
    return std::max(candidate.latency_ms, 1e-3) * (candidate.outstanding + 1) / candidate.weight;
}

std::size_t better_of_two(Candidates candidates, const Rng& rng) {
    if (candidates.size() == 1) return 0;
    const std::size_t first = weighted(candidates, rng);
    auto second = static_cast<std::size_t>(rng() % (candidates.size() - 1));
    if (second >= first) ++second;
    return expected_wait(candidates[second]) < expected_wait(candidates[first]) ? second : first;
}

std::size_t bounded_hash(Candidates candidates, const Demand& demand, const Rng& rng) {
    if (demand.key == 0) return least_outstanding(candidates, rng);
    double calls = 1;
    double weights = 0;
    for (const auto& candidate : candidates) {
        calls += candidate.outstanding;
        weights += candidate.weight;
    }
    // Rendezvous order is a consistent hash; the first in it with room takes the call.
    std::size_t best = candidates.size();
    double highest = -1;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const auto& candidate = candidates[i];
        const double room = std::ceil(kLoadBound * calls * candidate.weight / weights);
        if (candidate.outstanding + 1 > room) continue;
        const double score = rendezvous_score(demand.key, candidate.hash, candidate.weight);
        if (score > highest) {
            highest = score;
            best = i;
        }
    }
    return best < candidates.size() ? best : least_outstanding(candidates, rng);
}

}  // namespace

std::optional<Strategy> parse_strategy(std::string_view name) {
    for (const auto& [text, strategy] : kNames) {
        if (text == name) return strategy;
    }
    return std::nullopt;
}

std::string_view strategy_name(Strategy strategy) {
    for (const auto& [text, value] : kNames) {
        if (value == strategy) return text;
    }
    return {};
}

std::size_t choose(Strategy strategy, Candidates candidates, const Demand& demand, const Rng& rng) {
    CHECK(!candidates.empty());
    switch (strategy) {
        case Strategy::kWeighted: return weighted(candidates, rng);
        case Strategy::kLeastOutstanding: return least_outstanding(candidates, rng);
        case Strategy::kLatency: return better_of_two(candidates, rng);
        case Strategy::kCost: return lowest(candidates, rng, [](const Candidate& candidate) { return candidate.cost; });
        case Strategy::kOrdered: return 0;
        case Strategy::kPrefix: return bounded_hash(candidates, demand, rng);
    }
    return 0;
}

}  // namespace atrium::model
