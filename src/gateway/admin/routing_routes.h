#pragma once

#include "app/routing/routing_service.h"
#include "gateway/route_table.h"

namespace atrium::gateway {

/// /atrium/v1/upstreams and /atrium/v1/aliases: what names lead to, how it is doing, and rollouts. Admin keys only. The
/// service outlives the table.
void add_routing_routes(RouteTable& routes, app::RoutingService& service);

}  // namespace atrium::gateway
