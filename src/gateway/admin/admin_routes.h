#pragma once

#include "app/chat/chat_service.h"
#include "app/governance/audit_log.h"
#include "app/tenancy/tenancy.h"
#include "app/usage/prices.h"
#include "app/usage/usage_report.h"
#include "base/clock.h"
#include "config/settings.h"
#include "gateway/route_table.h"

/// Administration: OpenAI's /v1/organization/… and Atrium's own /atrium/v1/…. Each adds its routes to the table; the
/// services outlive the table.
namespace atrium::gateway {

/// All of tenancy: projects, keys, members, policies, audit.
void add_admin_routes(RouteTable& routes, app::Tenancy& tenancy, const app::ChatService& chat,
                      config::LimitSettings limits);

/// Projects and their keys; organizations.
void add_project_routes(RouteTable& routes, app::Tenancy& tenancy);
/// /atrium/v1/keys, projects' api_keys, admin_api_keys.
void add_key_routes(RouteTable& routes, app::Tenancy& tenancy);
/// Users, users of projects, service accounts.
void add_member_routes(RouteTable& routes, app::Tenancy& tenancy);
/// rate_limits, model_permissions, spend_limit, spend_alerts, and /atrium/v1/…/policy. `limits` are the installation's
/// defaults, shown where a project has none of its own.
void add_policy_routes(RouteTable& routes, app::Tenancy& tenancy, const app::ChatService& chat,
                       config::LimitSettings limits);
/// audit_logs; verify and export under /atrium/v1/audit.
void add_audit_routes(RouteTable& routes, app::Tenancy& tenancy);

struct UsageServices {
    app::UsageReport& report;
    app::PriceBook& prices;
    const Clock& clock;
};
/// /atrium/v1/usage: the caller's own project, or with an admin key any `project`, "*" for all. And the two below.
void add_usage_routes(RouteTable& routes, const UsageServices& services);
/// /v1/organization/usage/… and /v1/organization/costs, as OpenAI has them; admin keys only.
void add_organization_usage_routes(RouteTable& routes, const UsageServices& services);
/// /atrium/v1/prices; admin keys only.
void add_price_routes(RouteTable& routes, app::PriceBook& prices);

}  // namespace atrium::gateway
