#pragma once

#include "app/tenancy/tenancy.h"
#include "gateway/route_table.h"
#include "platform/http/message.h"

/// The first two stages of the pipeline. Both decide from the head alone, before a byte of the body is read.
namespace atrium::gateway {

/// authenticate: whose key is in Authorization, x-api-key or api-key, which are equals. kUnauthenticated (reason
/// invalid_api_key or key_expired), also when one of them comes twice or two differ.
Result<app::Principal> authenticate(const http::RequestHead& head, const app::Tenancy& tenancy);

/// authorize: whether this caller may use the matched route. kPermissionDenied that names what is missing (reason
/// missing_scope when it is a scope); kNotFound for another project's administration.
Result<> authorize(const app::Principal& principal, const RouteTable::Match& match);

}  // namespace atrium::gateway
