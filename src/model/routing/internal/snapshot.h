#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/routing/deployment_state.h"
#include "model/routing/routing_table.h"

/// The routing table as calls read it: immutable, names looked up once, states attached. Private to model/routing.
namespace atrium::model::internal {

struct Member {
    const Deployment* deployment = nullptr;
    std::shared_ptr<DeploymentState> state;
    std::uint64_t hash = 0;
};

/// Arms of an entry with what stands behind them; an arm whose target does not exist has no members.
struct EntryArm {
    std::string target;
    double weight = 1;
    std::uint64_t hash = 0;
    std::vector<const Member*> members;
};

struct Entry;
struct EntryShadow {
    const Entry* target = nullptr;
    double percent = 0;
};

/// What one name leads to: a model, a deployment, or an alias.
struct Entry {
    ModelInfo info;
    bool alias = false;
    Strategy strategy = Strategy::kLeastOutstanding;
    bool sticky = false;
    std::uint64_t salt = 0;
    std::vector<EntryArm> arms;
    /// By FailureClass.
    std::array<std::vector<const Entry*>, 6> fallbacks;
    std::vector<EntryShadow> shadows;

    const std::vector<const Entry*>& fallbacks_for(FailureClass failure) const {
        return fallbacks[static_cast<std::size_t>(failure)];
    }
};

struct TransparentHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <class T>
using NameMap = std::unordered_map<std::string, T, TransparentHash, std::equal_to<>>;

struct Snapshot {
    RoutingTable table;
    std::deque<Member> members;
    std::deque<Entry> entries;
    NameMap<const Entry*> by_name;
    std::vector<const Entry*> listed;          ///< what GET /v1/models shows: models, then aliases
    std::vector<std::string> missing_targets;  ///< "alias 'x': there is no model 'y'"
};

/// `states`: those of the table before, by deployment id; they are taken over.
std::shared_ptr<const Snapshot> make_snapshot(RoutingTable table,
                                              const NameMap<std::shared_ptr<DeploymentState>>& states,
                                              metrics::Registry* registry);

}  // namespace atrium::model::internal
