#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "platform/http/message.h"

/// The one place where an Error finds its words on the wire.
namespace atrium::gateway {

enum class Dialect;  // route_table.h

/// http_status() of its code, except for what only HTTP knows: 405, 415, 507. Trouble of the machine is never the
/// client's mistake: 5xx, whatever its code.
int error_status(const Error& error);

/// {"error":{"message","type","param","code"}}, always all four keys. Defects (kInternal, kDataLoss) show a general
/// sentence with the request id, trouble of the machine a neutral one (base/machine_error.h); causes are never shown.
json::object error_body(const Error& error, std::string_view request_id);

/// The same in the words of a dialect: Anthropic's {"type":"error","error":{…},"request_id"}, Ollama's {"error":"…"}.
json::object error_body(const Error& error, std::string_view request_id, Dialect dialect);

/// The status of that dialect; differs from error_status() where Anthropic has a number of its own (529: overloaded).
int error_status(const Error& error, Dialect dialect);

/// The same as a response, with retry advice: retry-after where a retry makes sense, "x-should-retry: false" where it
/// cannot help before an operator acted.
http::Response error_response(const Error& error, std::string_view request_id);
http::Response error_response(const Error& error, std::string_view request_id, Dialect dialect);

}  // namespace atrium::gateway
