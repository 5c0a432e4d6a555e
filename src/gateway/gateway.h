#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/chat/chat_service.h"
#include "app/tenancy/tenancy.h"
#include "app/usage/meter.h"
#include "app/usage/prices.h"
#include "app/usage/usage_report.h"
#include "config/settings.h"
#include "gateway/readiness.h"
#include "gateway/route_table.h"
#include "observability/metrics/metrics.h"
#include "observability/trace/trace.h"
#include "platform/http/server.h"

namespace atrium::gateway {

/// The API gateway of one process: route table, pipeline and the routes of this room. The composition root builds it,
/// adds the routes of other rooms to `routes()`, then takes `handler()` for its http::Server:
///
///     Gateway gateway({...});
///     add_file_routes(gateway.routes(), …);
///     http::Server server(runtime, {}, gateway.handler());
///
/// Owned by main; outlives the server. The handler runs on every io thread.
class Gateway {
public:
    struct Dependencies {
        config::ServerSettings server;
        app::Tenancy& tenancy;
        app::ChatService& chat;
        app::Meter& meter;
        config::LimitSettings limits;  ///< the defaults, shown by the administration API; `meter` enforces them
        app::UsageReport& usage_report;
        app::PriceBook& prices;
        metrics::Registry& metrics;
        trace::SpanStore& spans;
        const Clock& clock;
        std::string version;
        /// Why the process should not get traffic yet, one sentence each; empty: ready. Asked on any io thread.
        std::function<std::vector<NotReady>()> not_ready;
        std::chrono::milliseconds heartbeat{15'000};
    };
    explicit Gateway(Dependencies dependencies);
    ~Gateway();
    Gateway(const Gateway&) = delete;
    Gateway& operator=(const Gateway&) = delete;

    /// For adding routes; not after the server has started.
    RouteTable& routes();
    http::Handler handler();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace atrium::gateway
