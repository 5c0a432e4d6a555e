#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/routing/routing_table.h"
#include "observability/metrics/metrics.h"

namespace atrium::model {

namespace internal {
struct Entry;
struct Snapshot;
}  // namespace internal

/// One model on one upstream, for tables without weights and aliases.
struct Route {
    ModelInfo info;
    std::shared_ptr<Upstream> upstream;
    std::string upstream_model;
};

/// The names that can be called and what stands behind them. The table is an immutable snapshot swapped as a whole (no
/// lock on the request path); what is known about a deployment stays when a new table holds the same id. Thread-safe.
/// Owned by main. Calls are made by the Dispatcher.
class Router {
public:
    explicit Router(const Clock& clock = system_clock(), metrics::Registry* registry = nullptr);
    ~Router();

    void publish(RoutingTable table);
    /// The simple form: every route is a deployment "<owner>/<model>" ("local" where the owner is "atrium" or nobody);
    /// of two routes with one name the first counts.
    void publish(std::vector<Route> routes);

    /// kNotFound (reason model_not_found) that suggests a near name; kUnavailable when it is known but not ready.
    /// Accepts models, "name@version", deployment ids and aliases. The upstream is the first that is ready.
    Result<Route> resolve(std::string_view model) const;
    std::vector<ModelInfo> models() const;
    /// The first ready model of that kind, for callers that name none.
    Result<std::string> default_model(bool embedding) const;
    /// Asked per call for local deployments: why the model is not ready, or nothing when it is. From then on it decides
    /// alone; before, `ready` is as published. Called on any io thread, so it must not block.
    void set_readiness(std::function<std::optional<std::string>(std::string_view model)> not_ready_reason);

    /// How every deployment is doing now.
    std::vector<DeploymentStatus> status() const;
    /// Targets of aliases that do not exist, one sentence each.
    std::vector<std::string> missing_targets() const;
    /// Compares the deployments of each pool and takes outliers out. Called every ten seconds or so by one task.
    void eject_outliers();
    /// The result of one active check of an upstream.
    void checked(std::string_view upstream, bool healthy);

    /// For the Dispatcher. The snapshot keeps the entry alive.
    using Found = std::pair<std::shared_ptr<const internal::Snapshot>, const internal::Entry*>;
    Result<Found> find(std::string_view model) const;
    /// Why this deployment is not ready; nothing when it is.
    std::optional<std::string> not_ready(const Deployment& deployment) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace atrium::model
