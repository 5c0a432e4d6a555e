#pragma once

#include <string_view>

#include "gateway/route_table.h"

namespace atrium::gateway {

/// The OpenAPI 3.1 description of exactly the routes in the table.
json::object openapi_document(const RouteTable& routes, std::string_view version);

/// The pattern as OpenAPI writes it: "/v1/models/{model...}" → "/v1/models/{model}".
std::string openapi_path(std::string_view pattern);

}  // namespace atrium::gateway
