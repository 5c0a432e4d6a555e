#pragma once

#include "app/tenancy/tenancy.h"
#include "app/usage/usage_log.h"
#include "gateway/route_table.h"

/// Administration. Each adds its routes to the table; the services outlive the table.
namespace atrium::gateway {

/// Projects and keys; admin keys only.
void add_admin_routes(RouteTable& routes, app::Tenancy& tenancy);
/// GET /atrium/v1/usage: the caller's own project, or with an admin key any `project`.
void add_usage_routes(RouteTable& routes, app::UsageLog& usage, const Clock& clock);

}  // namespace atrium::gateway
