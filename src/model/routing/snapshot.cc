#include "model/routing/internal/snapshot.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/routing/sticky.h"

namespace atrium::model::internal {
namespace {

class Maker {
public:
    Maker(Snapshot& snapshot, const NameMap<std::shared_ptr<DeploymentState>>& states, metrics::Registry* registry)
        : snapshot_(snapshot), states_(states), registry_(registry) {}

    void run() {
        add_members();
        add_models();
        add_ids();
        models_ = snapshot_.by_name;  // aliases lead to these, never to each other
        for (const auto& alias : snapshot_.table.aliases) add_alias(alias);
    }

private:
    void add_members() {
        NameMap<bool> seen;
        for (const auto& deployment : snapshot_.table.deployments) {
            if (!seen.emplace(deployment.id, true).second) continue;
            const auto known = states_.find(deployment.id);
            auto state = known != states_.end()
                             ? known->second
                             : std::make_shared<DeploymentState>(deployment.id, deployment.local, registry_);
            snapshot_.members.push_back({&deployment, std::move(state), stable_hash(deployment.id)});
        }
    }

    Entry& add_entry(const ModelInfo& info) {
        auto& entry = snapshot_.entries.emplace_back();
        entry.info = info;
        return entry;
    }

    /// A bare name is balanced over all upstreams that serve it.
    void add_models() {
        for (const auto& member : snapshot_.members) {
            const auto& info = member.deployment->info;
            if (snapshot_.by_name.contains(info.id)) continue;
            auto& entry = add_entry(info);
            entry.arms.push_back({info.id, 1, stable_hash(info.id), members_of(info.id)});
            snapshot_.by_name.emplace(info.id, &entry);
            snapshot_.listed.push_back(&entry);
        }
    }

    std::vector<const Member*> members_of(const std::string& model) const {
        std::vector<const Member*> all;
        std::vector<const Member*> weighted;
        for (const auto& member : snapshot_.members) {
            if (member.deployment->info.id != model) continue;
            all.push_back(&member);
            if (member.deployment->weight > 0) weighted.push_back(&member);
        }
        return weighted.empty() ? all : weighted;
    }

    void add_ids() {
        for (const auto& member : snapshot_.members) {
            const auto& deployment = *member.deployment;
            add_name(deployment.id, member);
            if (!deployment.version.empty()) add_name(deployment.info.id + "@" + deployment.version, member);
        }
    }

    void add_name(const std::string& name, const Member& member) {
        if (snapshot_.by_name.contains(name)) return;
        auto& entry = add_entry(member.deployment->info);
        entry.info.id = name;
        entry.arms.push_back({name, 1, stable_hash(name), {&member}});
        snapshot_.by_name.emplace(name, &entry);
    }

    const Entry* find(const Alias& alias, const std::string& target) {
        const auto found = models_.find(target);
        if (found != models_.end()) return found->second;
        snapshot_.missing_targets.push_back(fmt::format("alias '{}': there is no model '{}'", alias.name, target));
        return nullptr;
    }

    std::vector<const Entry*> chain(const Alias& alias, const std::vector<std::string>& targets) {
        std::vector<const Entry*> entries;
        for (const auto& target : targets) {
            if (const auto* entry = find(alias, target)) entries.push_back(entry);
        }
        return entries;
    }

    void add_alias(const Alias& alias) {
        if (alias.name.empty() || !names_.emplace(alias.name, true).second) return;
        ModelInfo info;
        info.id = alias.name;
        auto& entry = add_entry(info);
        entry.alias = true;
        entry.strategy = alias.strategy;
        entry.sticky = alias.sticky;
        entry.salt = stable_hash(alias.name);
        for (const auto& arm : alias.arms) {
            EntryArm made{arm.target, arm.weight, stable_hash(arm.target), {}};
            if (const auto* target = find(alias, arm.target)) {
                made.members = target->arms.front().members;
                take_facts(entry.info, target->info);
            }
            entry.arms.push_back(std::move(made));
        }
        const auto slot = [&](FailureClass failure) -> auto& {
            return entry.fallbacks[static_cast<std::size_t>(failure)];
        };
        slot(FailureClass::kRateLimit) = chain(alias, alias.fallbacks.rate_limit);
        slot(FailureClass::kContextLength) = chain(alias, alias.fallbacks.context_length);
        slot(FailureClass::kContent) = chain(alias, alias.fallbacks.content);
        slot(FailureClass::kOutage) = chain(alias, alias.fallbacks.outage);
        for (const auto& shadow : alias.shadows) {
            if (const auto* target = find(alias, shadow.target)) entry.shadows.push_back({target, shadow.percent});
        }
        list(entry);
    }

    /// An alias promises what every one of its arms can do.
    static void take_facts(ModelInfo& info, const ModelInfo& arm) {
        if (info.owned_by.empty()) {
            std::string id = std::move(info.id);
            info = arm;
            info.id = std::move(id);
            info.owned_by = "atrium";
            return;
        }
        if (arm.context_length > 0) {
            info.context_length =
                info.context_length == 0 ? arm.context_length : std::min(info.context_length, arm.context_length);
        }
    }

    void list(const Entry& entry) {
        const auto [at, added] = snapshot_.by_name.emplace(entry.info.id, &entry);
        if (added) {
            snapshot_.listed.push_back(&entry);
            return;
        }
        // It carries the name of a model and stands before it.
        const auto shown = std::ranges::find(snapshot_.listed, at->second);
        if (shown != snapshot_.listed.end()) {
            *shown = &entry;
        } else {
            snapshot_.listed.push_back(&entry);
        }
        at->second = &entry;
    }

    Snapshot& snapshot_;
    const NameMap<std::shared_ptr<DeploymentState>>& states_;
    metrics::Registry* registry_;
    NameMap<const Entry*> models_;
    NameMap<bool> names_;
};

}  // namespace

std::shared_ptr<const Snapshot> make_snapshot(RoutingTable table,
                                              const NameMap<std::shared_ptr<DeploymentState>>& states,
                                              metrics::Registry* registry) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->table = std::move(table);
    Maker(*snapshot, states, registry).run();
    return snapshot;
}

}  // namespace atrium::model::internal
