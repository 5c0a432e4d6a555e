#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/chat/chat_service.h"
#include "app/knowledge/knowledge.h"
#include "app/responses/response_service.h"
#include "app/routing/routing_service.h"
#include "app/tenancy/tenancy.h"
#include "app/usage/meter.h"
#include "app/usage/prices.h"
#include "app/usage/usage_log.h"
#include "app/usage/usage_report.h"
#include "config/settings.h"
#include "gateway/gateway.h"
#include "main/home.h"
#include "model/engine/fleet.h"
#include "model/routing/router.h"
#include "observability/metrics/metrics.h"
#include "observability/trace/trace.h"
#include "platform/async/runtime.h"
#include "platform/http/client.h"
#include "platform/http/server.h"
#include "platform/sql/database.h"

namespace atrium {

/// The composition root: every long-lived object of one server, in the order in which they need each other; destroyed
/// in reverse. The only place that names concrete classes of every layer.
///
/// Made on the main thread before the runtime runs. `start`, `stop` run on io thread 0; everything between is the
/// objects' own business.
class Installation {
public:
    struct Options {
        config::Settings settings;
        std::string samples;    ///< folder of the sample documents, or empty
        std::string admin_key;  ///< ATRIUM_ADMIN_KEY: the secret of the first key, or empty
        std::map<std::string, std::string> environment = {};  ///< for references in keys of upstreams
    };
    static Result<std::unique_ptr<Installation>> open(Options options);
    ~Installation();

    /// Binds the listening socket; the address with its real port.
    Result<std::string> listen();
    /// Starts engines and workers.
    Result<> start();
    /// Stops accepting, lets requests finish up to the drain timeout, then ends workers and engines.
    Task<> stop();
    /// After stop(): a handler outlived the drain. It still refers to this object, so the process has to end without
    /// destroying it; what was acknowledged is on disk.
    bool has_stragglers() const { return server_ && server_->open_connections() > 0; }

    /// Puts the upstreams and aliases of new settings in force, all or none; on an error everything stays. Calls in
    /// work go on. Any thread, after start().
    Result<> reload(const config::Settings& settings);

    Runtime& runtime() { return runtime_; }
    const Home& home() const { return home_; }
    /// The first key, if this start made it; shown once.
    const std::string& new_admin_key() const { return new_admin_key_; }
    const std::vector<std::string>& model_names() const { return model_names_; }
    /// Why the installation is not ready; empty when it is.
    std::vector<gateway::NotReady> not_ready() const;

private:
    Installation(Options options, Home home);
    Result<> prepare();
    Result<> ensure_admin_key();
    app::ResponseService::Options response_options();
    Result<> start_models();
    Result<> open_usage();
    Task<> watch_engines(StopToken stop);
    Task<> keep_usage_tidy(StopToken stop);

    const Options options_;
    Home home_;
    std::string executable_;
    std::string new_admin_key_;
    std::vector<std::string> model_names_;

    Runtime runtime_;
    metrics::Registry metrics_;
    metrics::Counter bugs_;
    trace::SpanStore spans_;
    std::optional<ThreadPool> workers_;
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<data::BlobStore> blobs_;
    http::Client client_;
    std::unique_ptr<app::Tenancy> tenancy_;
    std::unique_ptr<app::PriceBook> prices_;
    std::unique_ptr<app::UsageLog> usage_;
    std::unique_ptr<app::UsageReport> usage_report_;
    std::unique_ptr<redis::RedisClient> redis_;
    std::unique_ptr<app::RateLimiter> limiter_;
    std::unique_ptr<app::BudgetLedger> budgets_;
    std::unique_ptr<app::Meter> meter_;
    std::unique_ptr<model::EngineFleet> fleet_;
    model::Router router_{system_clock(), &metrics_};
    std::unique_ptr<model::Dispatcher> dispatcher_;
    std::unique_ptr<app::RoutingService> routing_;
    std::unique_ptr<app::ChatService> chat_;
    std::unique_ptr<app::Knowledge> knowledge_;
    std::unique_ptr<app::ResponseService> responses_;
    std::unique_ptr<gateway::Gateway> gateway_;
    std::unique_ptr<http::Server> server_;
    std::unique_ptr<TaskGroup> tasks_;

    /// What keeps each local model from being ready; absent when it is. Written by watch_engines, read by every io
    /// thread.
    using Readiness = std::map<std::string, gateway::NotReady, std::less<>>;
    std::atomic<std::shared_ptr<const Readiness>> readiness_;
};

}  // namespace atrium
