#pragma once

#include <optional>
#include <vector>

#include "base/error.h"
#include "model/routing/dispatcher.h"
#include "model/routing/internal/snapshot.h"
#include "model/routing/rng.h"

/// Private to model/routing.
namespace atrium::model::internal {

/// Picks deployments of one entry for one request, each at most once until forget(). A plain value in the request's
/// frame; router, entry and query outlive it.
///
/// What may be picked: ready, not refused (see DeploymentState), and not tried before. When nothing is left but
/// deployments that active checks or outlier ejection hold back, those are asked after all: wrong health is worse than
/// a failed attempt.
class Selection {
public:
    Selection(const Router& router, const Entry& entry, const RouteQuery& query, bool streamed)
        : router_(router), entry_(entry), query_(query), streamed_(streamed) {}

    struct Choice {
        const Member* member = nullptr;
        bool probe = false;  ///< this call decides about the breaker
    };
    /// Takes a place at the chosen deployment (DeploymentState::enter); whoever calls gives it back.
    std::optional<Choice> next(std::int64_t now, const Rng& rng);
    bool has_next(std::int64_t now) const;
    void forget() { tried_.clear(); }

    /// What to tell when next() had nothing and nothing was tried. `name`: as the caller named the model.
    Error why_not(std::int64_t now, const std::string& name) const;
    /// How long until a deployment that asked for rest can be asked again; nothing when none did.
    std::optional<std::chrono::milliseconds> rest(std::int64_t now) const;
    /// A local engine that has worked before is not there: it is being restarted.
    bool restarting() const;

private:
    bool may(const Member& member, std::int64_t now, bool desperate) const;
    const Member* pick(std::int64_t now, const Rng& rng, bool desperate) const;
    const Member* pick_arm(std::int64_t now, const Rng& rng, bool desperate) const;
    const Member* pick_from(const std::vector<const Member*>& members, const std::vector<double>& weights,
                            Strategy strategy, std::uint64_t key, std::int64_t now, const Rng& rng) const;
    template <class Visit>
    void each(Visit visit) const;

    const Router& router_;
    const Entry& entry_;
    const RouteQuery& query_;
    const bool streamed_;
    std::vector<const Member*> tried_;
};

}  // namespace atrium::model::internal
