#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/settings.h"
#include "platform/http/message.h"

namespace atrium::gateway {

/// From which web pages this server may be used. Two questions: may the browser show the answer to the page (CORS), and
/// is the request aimed at us at all. A server on a loopback address without TLS is open to DNS rebinding: a foreign
/// page whose name suddenly resolves to 127.0.0.1. Such a request carries the foreign name in Host and Origin, so on a
/// loopback listener both must be local or configured. Immutable, thread-safe.
class OriginPolicy {
public:
    explicit OriginPolicy(const config::ServerSettings& settings);

    /// kPermissionDenied when Host or Origin belong to a page that has no business here.
    Result<> check(const http::RequestHead& head) const;

    /// The CORS fields for a response to this request; none for a foreign origin.
    http::Headers cors_headers(const http::RequestHead& head) const;

    /// The answer to a CORS preflight; nothing when this is none.
    std::optional<http::Response> preflight(const http::RequestHead& head) const;

    bool on_loopback() const { return on_loopback_; }

private:
    bool is_allowed(std::string_view origin) const;
    bool is_local_or_configured(std::string_view host) const;

    bool on_loopback_;
    std::vector<std::string> origins_;  ///< as configured, lower case, no slash at the end; "*" allows all
};

}  // namespace atrium::gateway
