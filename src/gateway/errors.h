#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "platform/http/message.h"

/// The one place where an Error finds its words on the wire.
namespace atrium::gateway {

/// http_status() of its code, except for what only HTTP knows: 405, 415, 507. Trouble of the machine is never the
/// client's mistake: 5xx, whatever its code.
int error_status(const Error& error);

/// {"error":{"message","type","param","code"}}, always all four keys. Defects (kInternal, kDataLoss) show a general
/// sentence with the request id, trouble of the machine a neutral one (base/machine_error.h); causes are never shown.
json::object error_body(const Error& error, std::string_view request_id);

/// The same as a response, with retry advice: retry-after where a retry makes sense, "x-should-retry: false" where it
/// cannot help before an operator acted.
http::Response error_response(const Error& error, std::string_view request_id);

}  // namespace atrium::gateway
