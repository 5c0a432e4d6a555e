#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/routing/routing_store.h"
#include "app/routing/table_builder.h"
#include "base/clock.h"
#include "base/stop.h"
#include "config/settings.h"
#include "model/routing/router.h"
#include "platform/async/runtime.h"
#include "platform/http/client.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// One upstream as administrators see it.
struct UpstreamView {
    config::UpstreamSettings settings;  ///< the key is a reference, or "configured" where it came from the file
    bool from_configuration = false;
    std::int64_t created_at = 0;  ///< unix seconds; 0 from the file
    std::vector<model::DeploymentStatus> deployments;
};
struct AliasView {
    config::AliasSettings settings;
    bool from_configuration = false;
    std::int64_t created_at = 0;
    std::int64_t updated_at = 0;
    std::optional<std::vector<config::ArmSettings>> previous;  ///< what rollback returns to
    std::vector<std::string> problems;                         ///< targets that do not exist
};

/// What the names of this installation lead to: local engines, upstreams and aliases from the configuration, and those
/// made through the API. Every change — file, API, another gateway on the same database — ends in publish(), which
/// makes a whole new table and swaps it in; calls in work go on with the old one. An entry of the file stands before a
/// stored one of the same name. Thread-safe. Owned by main.
///
/// Changing what the file says is kFailedPrecondition (reason managed_by_configuration).
class RoutingService {
public:
    struct Parts {
        sql::Database& database;
        model::Router& router;
        http::Client& client;
        const Clock& clock;
        TableBuilder::MakeUpstream make_upstream;
        std::map<std::string, std::string> environment;  ///< for references in keys
    };
    explicit RoutingService(Parts parts);
    ~RoutingService();

    /// Reads the stored entries and publishes the first table. Blocking; at start.
    Result<> start(std::vector<model::Deployment> local, std::vector<config::UpstreamSettings> upstreams,
                   std::vector<config::AliasSettings> aliases);
    /// New settings from the file, from any thread. On an error the old table stays.
    Result<> reload(std::vector<config::UpstreamSettings> upstreams, std::vector<config::AliasSettings> aliases);
    /// Health checks, outliers, and changes by other gateways, until `stop` fires. On the io thread of `context`.
    Task<> run(boost::asio::io_context& context, StopToken stop);

    std::vector<UpstreamView> upstreams() const;
    Result<UpstreamView> upstream(const std::string& name) const;
    /// In force when the task is done. kAlreadyExists, kInvalidArgument.
    Task<Result<UpstreamView>> create_upstream(config::UpstreamSettings settings);
    Task<Result<UpstreamView>> replace_upstream(config::UpstreamSettings settings);
    Task<Result<>> remove_upstream(std::string name);

    std::vector<AliasView> aliases() const;
    Result<AliasView> alias(const std::string& name) const;
    Task<Result<AliasView>> create_alias(config::AliasSettings settings);
    Task<Result<AliasView>> replace_alias(config::AliasSettings settings);
    /// A step of a rollout: new weights for targets that the alias has. The old ones are kept for rollback.
    Task<Result<AliasView>> set_weights(std::string name, std::vector<config::ArmSettings> weights);
    /// Back to the weights before the last change, at once. kFailedPrecondition when there are none.
    Task<Result<AliasView>> rollback(std::string name);
    Task<Result<>> remove_alias(std::string name);

    struct State;

private:
    std::shared_ptr<State> state_;
};

}  // namespace atrium::app
