#pragma once

#include <vector>

#include "model/routing/internal/snapshot.h"

namespace atrium::model::internal {

/// The targets that one request may still fall back to: for each class of failure those of its alias, in order, each
/// at most once per request. A plain value in the request's frame; the entry outlives it.
class FallbackChain {
public:
    explicit FallbackChain(const Entry& entry) : entry_(entry) {}

    /// The next target for this kind of failure; nullptr when there is none left.
    const Entry* next(FailureClass failure) {
        for (const Entry* target : entry_.fallbacks_for(failure)) {
            bool seen = false;
            for (const Entry* before : used_) seen = seen || before == target;
            if (seen) continue;
            used_.push_back(target);
            return target;
        }
        return nullptr;
    }

private:
    const Entry& entry_;
    std::vector<const Entry*> used_;
};

}  // namespace atrium::model::internal
