#include "gateway/authenticate.h"

#include <fmt/format.h>

#include "base/text.h"
#include "security/tokens/api_key.h"

namespace atrium::gateway {
namespace {

/// A header that comes twice is read differently by different parsers; a credential must not be.
Result<std::string_view> single(const http::RequestHead& head, std::string_view name) {
    if (head.headers.count(name) > 1) {
        return fail(unauthenticated(fmt::format("The {} header must come once.", name)).with_reason("invalid_api_key"));
    }
    return head.headers.get(name).value_or("");
}

Result<> check_reach(const app::Principal& principal, const RouteTable::Match& match) {
    switch (match.route->access) {
        case Access::kPublic:
        case Access::kKey: return {};
        case Access::kAdmin:
            if (principal.admin) return {};
            return fail(
                permission_denied("This needs an admin key; the key in use may call models and its own project only."));
        case Access::kOrganisation:
            if (principal.organisation_admin) return {};
            return fail(permission_denied("This needs an admin key of the organization."));
        case Access::kProject: break;
    }
    const auto project = match.parameters.find("project_id");
    if (principal.organisation_admin || project == match.parameters.end() || project->second == principal.project)
        return {};
    return fail(
        not_found(fmt::format("There is no project '{}'.", text::shorten(text::to_valid_utf8(project->second), 64)))
            .with_reason("project_not_found"));
}

}  // namespace

Result<app::Principal> authenticate(const http::RequestHead& head, const app::Tenancy& tenancy) {
    TRY_ASSIGN(const auto authorization, single(head, "authorization"));
    TRY_ASSIGN(const auto x_api_key, single(head, "x-api-key"));
    TRY_ASSIGN(const auto api_key, single(head, "api-key"));
    TRY_ASSIGN(const auto key, tokens::api_key_from_headers(authorization, x_api_key, api_key));
    return tenancy.authenticate(key);
}

Result<> authorize(const app::Principal& principal, const RouteTable::Match& match) {
    const RouteSpec& route = *match.route;
    // Whoever administers nothing learns that first: the scope alone would not help.
    if (route.access == Access::kAdmin || route.access == Access::kOrganisation) TRY(check_reach(principal, match));
    if (route.scope && !principal.scopes.has(*route.scope)) {
        return fail(permission_denied(fmt::format("This API key lacks the scope '{}', which {} {} needs.",
                                                  app::scope_name(*route.scope), http::method_name(route.method),
                                                  route.pattern))
                        .with_reason("missing_scope"));
    }
    return check_reach(principal, match);
}

}  // namespace atrium::gateway
