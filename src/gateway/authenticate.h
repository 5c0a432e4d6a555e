#pragma once

#include "app/tenancy/tenancy.h"
#include "gateway/route_table.h"
#include "platform/http/message.h"

/// The first two stages of the pipeline. Both decide from the head alone, before a byte of the body is read.
namespace atrium::gateway {

/// authenticate: whose key is in Authorization or x-api-key. kUnauthenticated (reason invalid_api_key).
Result<app::Principal> authenticate(const http::RequestHead& head, const app::Tenancy& tenancy);

/// authorize: whether this caller may use a route with that access. kPermissionDenied.
Result<> authorize(const app::Principal& principal, Access access);

}  // namespace atrium::gateway
