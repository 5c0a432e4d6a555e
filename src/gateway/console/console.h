#pragma once

#include <string_view>

#include "platform/http/message.h"
#include "platform/http/server.h"

namespace atrium::gateway {

/// What the console needs of a request.
struct ConsoleRequest {
    std::string_view path;             ///< decoded and normalised, as in http::RequestHead
    std::string_view accept_encoding;  ///< empty: none given
    std::string_view if_none_match;
};

/// Whether a GET of this path is for the console: everything but the prefixes of the API (/v1, /v2, /api, /atrium, /mcp,
/// /otlp) and /healthz, /readyz, /metrics.
bool is_console_path(std::string_view path);

/// A file of the console, or its page for any address inside it (the page finds the way by itself), 404 for a file that
/// is not there, 304 when the browser has it. A build without the console answers with a page that says how to get it.
/// Public by nature: there is nothing in it but code. Does no I/O; thread-safe.
http::Response console_response(const ConsoleRequest& request);

/// A handler that answers GET and HEAD of console paths and leaves everything else to `api`.
http::Handler with_console(http::Handler api);

}  // namespace atrium::gateway
