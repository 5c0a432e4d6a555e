#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/chat/chat_service.h"
#include "app/tenancy/tenancy.h"
#include "gateway/readiness.h"
#include "gateway/route_table.h"
#include "observability/metrics/metrics.h"
#include "observability/trace/trace.h"

namespace atrium::gateway {

struct Operations {
    app::ChatService& chat;
    app::Tenancy& tenancy;
    metrics::Registry& metrics;
    trace::SpanStore& spans;
    const Clock& clock;
    std::string version;
    std::function<std::vector<NotReady>()> not_ready;
    bool public_metrics = false;  ///< else /metrics needs an admin key
};

/// /healthz, /readyz, /metrics, /atrium/openapi.json, and whoami, status and traces under /atrium/v1. The parts outlive
/// the table, and the table outlives its handlers (the API description reads it when asked).
void add_operations_routes(RouteTable& routes, Operations operations);

}  // namespace atrium::gateway
