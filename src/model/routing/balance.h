#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "model/routing/rng.h"

namespace atrium::model {

/// How one of several deployments is chosen.
enum class Strategy {
    kWeighted,          ///< at random by weight, or by the sticky unit
    kLeastOutstanding,  ///< fewest prompt tokens in work per weight
    kLatency,           ///< the better of two at random by Peak-EWMA latency and queue
    kCost,              ///< the cheapest for this request
    kOrdered,           ///< the first
    kPrefix,            ///< the same for the same beginning of the prompt, while its load is bounded
};
/// "weighted", "least_outstanding", "latency", "cost", "ordered", "prefix".
std::optional<Strategy> parse_strategy(std::string_view name);
std::string_view strategy_name(Strategy strategy);

/// One deployment that may be called now, as the strategies see it.
struct Candidate {
    std::uint64_t hash = 0;  ///< of the deployment's id
    double weight = 1;       ///< > 0; a deployment that came back recently has less
    int outstanding = 0;     ///< calls in work
    std::int64_t outstanding_tokens = 0;
    double latency_ms = 0;  ///< 0: not known yet
    double cost = 0;        ///< dollars expected for this request; infinite when nobody knows
};

/// What is known about the request.
struct Demand {
    std::uint64_t key = 0;  ///< for kPrefix: the hash to stick to; 0: none, then as kLeastOutstanding
    std::int64_t prompt_tokens = 0;
};

/// No deployment takes more than this multiple of its share of the calls in work, however many belong to it.
/// Source: Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with Bounded Loads (2016).
inline constexpr double kLoadBound = 1.25;

/// Index of the chosen candidate. `candidates` must not be empty. Pure but for `rng`.
std::size_t choose(Strategy strategy, std::span<const Candidate> candidates, const Demand& demand, const Rng& rng);

}  // namespace atrium::model
