#include "model/routing/sticky.h"

#include <cmath>

#include "model/routing/rng.h"

namespace atrium::model {

std::uint64_t mix(std::uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return bits ^ (bits >> 31);
}

std::uint64_t stable_hash(std::string_view text, std::uint64_t salt) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return mix(hash ^ mix(salt));
}

double rendezvous_score(std::uint64_t unit, std::uint64_t arm, double weight) {
    if (weight <= 0) return 0;
    // Half a step above zero, so that the logarithm is finite and never zero.
    const double u = unit_interval(mix(unit ^ mix(arm))) + 0x1p-54;
    return -weight / std::log(u);
}

std::optional<std::size_t> assign(std::uint64_t unit, std::span<const WeightedArm> arms) {
    std::optional<std::size_t> best;
    double highest = 0;
    for (std::size_t i = 0; i < arms.size(); ++i) {
        const double score = rendezvous_score(unit, arms[i].hash, arms[i].weight);
        if (score > highest) {
            highest = score;
            best = i;
        }
    }
    return best;
}

}  // namespace atrium::model
