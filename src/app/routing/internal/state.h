#pragma once

#include <mutex>

#include "app/routing/routing_service.h"

namespace atrium::app {

/// What RoutingService guards; shared by its files only.
struct RoutingService::State {
    explicit State(Parts p) : parts(std::move(p)), builder(parts.make_upstream, parts.environment) {}

    Parts parts;

    // Administration only: calls read the router's snapshot and never come here.
    mutable std::mutex mutex;
    TableBuilder builder;
    std::vector<model::Deployment> local;
    std::vector<config::UpstreamSettings> upstreams;  ///< of the file
    std::vector<config::AliasSettings> aliases;       ///< of the file
    StoredRouting stored;

    /// Makes the table of the given entries and swaps it in, under the lock. On an error nothing changes.
    Result<> publish();
    Task<Result<>> refresh();  ///< reads the stored entries again and publishes
};

/// One round of upkeep: health checks that are due, outliers, changes by other gateways.
Task<> keep_up(std::shared_ptr<RoutingService::State> state, TaskGroup& checks, StopToken stop);

}  // namespace atrium::app
