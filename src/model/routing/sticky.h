#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace atrium::model {

/// Assignment of units (conversations, users, keys) to weighted arms by weighted rendezvous hashing: every arm draws
/// -weight/ln(u) from a hash of unit and arm, the highest draw wins. Shares follow the weights, and because an arm's
/// draw depends on nothing but its own weight, raising one weight moves units only to that arm and lowering it only
/// away from it; no other unit changes its place. The same in every process and after every restart.
/// Source: Thaler, Ravishankar: Using name-based mappings to increase hit rates (1998), with logarithmic weights.

/// SplitMix64's finaliser: every input bit reaches every output bit.
std::uint64_t mix(std::uint64_t bits);
/// The same number for the same text everywhere (FNV-1a, mixed); `salt` separates independent assignments.
std::uint64_t stable_hash(std::string_view text, std::uint64_t salt = 0);

/// What one arm draws for one unit; 0 when the weight is 0.
double rendezvous_score(std::uint64_t unit, std::uint64_t arm, double weight);

struct WeightedArm {
    std::uint64_t hash = 0;
    double weight = 1;
};
/// Index of the unit's arm; nothing when no arm has a weight.
std::optional<std::size_t> assign(std::uint64_t unit, std::span<const WeightedArm> arms);

}  // namespace atrium::model
