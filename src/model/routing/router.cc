#include "model/routing/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/text.h"
#include "model/routing/internal/snapshot.h"

namespace atrium::model {
namespace {

using internal::Entry;
using internal::Member;
using internal::Snapshot;
using Readiness = std::function<std::optional<std::string>(std::string_view)>;

Error unknown_model(const Snapshot& snapshot, std::string_view model) {
    std::vector<std::string_view> names;
    for (const auto* entry : snapshot.listed) names.push_back(entry->info.id);
    std::string message = fmt::format("The model '{}' does not exist.", text::shorten(text::to_valid_utf8(model), 100));
    if (const auto near = text::closest(model, names)) {
        message += fmt::format(" Did you mean '{}'?", *near);
    } else if (names.empty()) {
        message += " No model is installed yet; run 'atrium pull'.";
    } else {
        message += " GET /v1/models lists the models of this installation.";
    }
    return not_found(std::move(message)).with_reason("model_not_found").with_field("model");
}

const Member* first_member(const Entry& entry) {
    for (const auto& arm : entry.arms) {
        if (!arm.members.empty()) return arm.members.front();
    }
    return nullptr;
}

std::string_view state_name(DeploymentState::Refusal refusal) {
    switch (refusal) {
        case DeploymentState::Refusal::kNone: return "ready";
        case DeploymentState::Refusal::kDown: return "down";
        case DeploymentState::Refusal::kEjected: return "ejected";
        case DeploymentState::Refusal::kOpen: return "open";
        case DeploymentState::Refusal::kCooling: return "rate_limited";
        case DeploymentState::Refusal::kFull: return "full";
    }
    return {};
}

std::string_view phase_name(Breaker::Phase phase) {
    switch (phase) {
        case Breaker::Phase::kClosed: return "closed";
        case Breaker::Phase::kOpen: return "open";
        case Breaker::Phase::kHalfOpen: return "half_open";
    }
    return {};
}

}  // namespace

struct Router::State {
    State(const Clock& c, metrics::Registry* r) : clock(c), registry(r) {}

    const Clock& clock;
    metrics::Registry* registry;
    std::mutex publishing;
    std::atomic<std::shared_ptr<const Snapshot>> snapshot{std::make_shared<const Snapshot>()};
    std::atomic<std::shared_ptr<const Readiness>> readiness;

    /// An entry is ready when one of its deployments is; else the reason is that of the first.
    const Member* refresh(const Router& router, const Entry& entry, ModelInfo& info) const {
        const Member* first = first_member(entry);
        info.ready = false;
        if (first == nullptr) {
            info.not_ready_reason = "none of its targets exists";
            return nullptr;
        }
        std::string reason;
        for (const auto& arm : entry.arms) {
            for (const auto* member : arm.members) {
                auto why = router.not_ready(*member->deployment);
                if (!why) {
                    info.ready = true;
                    info.not_ready_reason.clear();
                    return member;
                }
                if (member == first) reason = std::move(*why);
            }
        }
        info.not_ready_reason = std::move(reason);
        return first;
    }
};

Router::Router(const Clock& clock, metrics::Registry* registry) : state_(std::make_unique<State>(clock, registry)) {}
Router::~Router() = default;

void Router::publish(RoutingTable table) {
    // Publishers exclude each other; readers never wait.
    const std::scoped_lock lock(state_->publishing);
    const auto before = state_->snapshot.load();
    internal::NameMap<std::shared_ptr<DeploymentState>> states;
    for (const auto& member : before->members) states.emplace(member.deployment->id, member.state);
    state_->snapshot.store(internal::make_snapshot(std::move(table), states, state_->registry));
}

void Router::publish(std::vector<Route> routes) {
    RoutingTable table;
    for (auto& route : routes) {
        const auto same = [&](const Deployment& deployment) { return deployment.info.id == route.info.id; };
        if (std::ranges::any_of(table.deployments, same)) continue;
        Deployment deployment;
        deployment.local = route.info.owned_by.empty() || route.info.owned_by == "atrium";
        deployment.upstream_name = deployment.local ? "local" : route.info.owned_by;
        deployment.id = deployment.upstream_name + "/" + route.info.id;
        deployment.info = std::move(route.info);
        deployment.upstream = std::move(route.upstream);
        deployment.upstream_model = std::move(route.upstream_model);
        table.deployments.push_back(std::move(deployment));
    }
    publish(std::move(table));
}

Result<Router::Found> Router::find(std::string_view model) const {
    auto snapshot = state_->snapshot.load();
    const auto found = snapshot->by_name.find(model);
    if (found == snapshot->by_name.end()) return fail(unknown_model(*snapshot, model));
    const Entry* entry = found->second;
    return Found{std::move(snapshot), entry};
}

Result<Route> Router::resolve(std::string_view model) const {
    TRY_ASSIGN(const auto found, find(model));
    Route route;
    route.info = found.second->info;
    const Member* member = state_->refresh(*this, *found.second, route.info);
    if (!route.info.ready) {
        const std::string& reason = route.info.not_ready_reason;
        return fail(unavailable(fmt::format("The model '{}' is not ready{}{}. Please retry shortly.", route.info.id,
                                            reason.empty() ? "" : ": ", reason))
                        .with_reason("model_not_ready"));
    }
    route.upstream = member->deployment->upstream;
    route.upstream_model = member->deployment->upstream_model;
    return route;
}

std::vector<ModelInfo> Router::models() const {
    const auto snapshot = state_->snapshot.load();
    std::vector<ModelInfo> models;
    models.reserve(snapshot->listed.size());
    for (const auto* entry : snapshot->listed) state_->refresh(*this, *entry, models.emplace_back(entry->info));
    return models;
}

Result<std::string> Router::default_model(bool embedding) const {
    const auto all = models();
    const auto fits = [&](const ModelInfo& info) { return info.embedding == embedding && info.ready; };
    if (const auto found = std::find_if(all.begin(), all.end(), fits); found != all.end()) return found->id;
    const auto kind = embedding ? "embedding" : "chat";
    const bool starting =
        std::any_of(all.begin(), all.end(), [&](const ModelInfo& info) { return info.embedding == embedding; });
    if (starting)
        return fail(unavailable(fmt::format("No {} model is ready yet. Please retry shortly.", kind))
                        .with_reason("model_not_ready"));
    return fail(not_found(fmt::format("No {0} model is installed; 'atrium pull' or the configuration adds one.", kind))
                    .with_reason("model_not_found"));
}

void Router::set_readiness(std::function<std::optional<std::string>(std::string_view model)> not_ready_reason) {
    state_->readiness.store(std::make_shared<const Readiness>(std::move(not_ready_reason)));
}

std::optional<std::string> Router::not_ready(const Deployment& deployment) const {
    if (deployment.local) {
        const auto readiness = state_->readiness.load();
        if (readiness && *readiness) return (*readiness)(deployment.info.id);
    }
    return deployment.info.ready ? std::nullopt : std::optional(deployment.info.not_ready_reason);
}

std::vector<DeploymentStatus> Router::status() const {
    const auto snapshot = state_->snapshot.load();
    const auto now = steady_ms(state_->clock);
    std::vector<DeploymentStatus> all;
    for (const auto& member : snapshot->members) {
        const auto& deployment = *member.deployment;
        const auto& state = *member.state;
        DeploymentStatus status;
        status.id = deployment.id;
        status.upstream = deployment.upstream_name;
        status.model = deployment.info.id;
        status.state = not_ready(deployment) ? "not_ready" : state_name(state.refusal(now, deployment.max_concurrent));
        status.breaker = phase_name(state.breaker().phase());
        status.weight = deployment.weight;
        status.slow_start = state.slow_start_share(now);
        status.outstanding = state.outstanding();
        status.outstanding_tokens = state.outstanding_tokens();
        status.ttft_ms = state.latency_ms(true);
        status.answer_ms = state.latency_ms(false);
        status.back_in_ms = state.back_in(now);
        all.push_back(std::move(status));
    }
    return all;
}

std::vector<std::string> Router::missing_targets() const {
    return state_->snapshot.load()->missing_targets;
}

void Router::eject_outliers() {
    const auto snapshot = state_->snapshot.load();
    const auto now = steady_ms(state_->clock);
    internal::NameMap<OutlierInput> inputs;
    for (const auto& member : snapshot->members)
        inputs.emplace(member.deployment->id, member.state->take_interval(now));
    // Peers are the deployments of one model: they answer the same questions.
    for (const auto* entry : snapshot->listed) {
        if (entry->alias) continue;
        std::vector<OutlierInput> pool;
        for (const auto* member : entry->arms.front().members) pool.push_back(inputs[member->deployment->id]);
        for (const auto index : find_outliers(pool)) entry->arms.front().members[index]->state->eject_outlier(now);
    }
}

void Router::checked(std::string_view upstream, bool healthy) {
    const auto snapshot = state_->snapshot.load();
    const auto now = steady_ms(state_->clock);
    for (const auto& member : snapshot->members) {
        if (member.deployment->upstream_name == upstream) member.state->checked(healthy, now);
    }
}

}  // namespace atrium::model
