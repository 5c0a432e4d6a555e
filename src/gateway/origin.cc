#include "gateway/origin.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace atrium::gateway {
namespace {

constexpr std::string_view kExposedHeaders =
    "x-request-id, request-id, openai-processing-ms, openai-poll-after-ms, x-atrium-model, x-atrium-upstream, "
    "x-atrium-trace-id, x-atrium-overhead-us, x-atrium-warning, x-should-retry, "
    "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, retry-after, "
    "retry-after-ms";

/// "http://Host:1/…" → "host": what stands between the scheme and port.
std::string host_of(std::string_view authority) {
    if (const auto scheme = authority.find("://"); scheme != std::string_view::npos)
        authority.remove_prefix(scheme + 3);
    authority = authority.substr(0, authority.find('/'));
    const auto bracket = authority.find(']');
    if (bracket != std::string_view::npos) return text::to_lower_ascii(authority.substr(0, bracket + 1));
    return text::to_lower_ascii(authority.substr(0, authority.rfind(':')));
}

/// 127.0.0.0/8, and only in figures: a name such as 127.example.com is anybody's.
bool is_loopback_ipv4(std::string_view host) {
    const auto parts = text::split(host, '.');
    return parts.size() == 4 && parts[0] == "127" && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
               const auto number = part.size() <= 3 ? text::to_int(part) : std::nullopt;
               return number && *number >= 0 && *number <= 255;
           });
}

bool is_loopback(std::string_view host) {
    return host == "localhost" || host.ends_with(".localhost") || host == "[::1]" || is_loopback_ipv4(host);
}

bool listens_on_loopback(std::string_view address) {
    return address.starts_with("unix:") || is_loopback(host_of(address));
}

}  // namespace

OriginPolicy::OriginPolicy(const config::ServerSettings& settings)
    : on_loopback_(listens_on_loopback(settings.listen)) {
    for (const auto& configured : settings.allowed_origins) {
        auto origin = text::to_lower_ascii(text::trim(configured));
        if (origin.ends_with('/')) origin.pop_back();
        origins_.push_back(std::move(origin));
    }
}

bool OriginPolicy::is_allowed(std::string_view origin) const {
    const auto wanted = text::to_lower_ascii(origin);
    return std::any_of(origins_.begin(), origins_.end(),
                       [&](const auto& known) { return known == "*" || known == wanted; });
}

bool OriginPolicy::is_local_or_configured(std::string_view host) const {
    return is_loopback(host) ||
           std::any_of(origins_.begin(), origins_.end(), [&](const auto& origin) { return host_of(origin) == host; });
}

Result<> OriginPolicy::check(const http::RequestHead& head) const {
    if (!on_loopback_ || head.peer == "unix") return {};
    const auto refuse = [](std::string_view field, std::string_view value) {
        return fail(
            permission_denied(fmt::format("This server listens on a loopback address and does not answer requests "
                                          "with {} '{}'. Add that origin to server.allowed_origins to allow it.",
                                          field, text::shorten(text::to_valid_utf8(value), 200)))
                .with_reason("origin_not_allowed"));
    };
    if (const auto host = head.headers.get("host"); host && !is_local_or_configured(host_of(*host)))
        return refuse("Host", *host);
    const auto origin = head.headers.get("origin");
    if (origin && !is_allowed(*origin) && !is_local_or_configured(host_of(*origin))) return refuse("Origin", *origin);
    return {};
}

http::Headers OriginPolicy::cors_headers(const http::RequestHead& head) const {
    http::Headers headers;
    if (!origins_.empty()) headers.add("Vary", "Origin");
    const auto origin = head.headers.get("origin");
    if (!origin || !is_allowed(*origin)) return headers;
    headers.add("Access-Control-Allow-Origin", std::string(*origin));
    headers.add("Access-Control-Expose-Headers", std::string(kExposedHeaders));
    return headers;
}

std::optional<http::Response> OriginPolicy::preflight(const http::RequestHead& head) const {
    const auto origin = head.headers.get("origin");
    const auto method = head.headers.get("access-control-request-method");
    if (head.method != http::Method::kOptions || !origin || !method) return std::nullopt;
    // For a foreign origin the answer simply lacks the permission; the browser then tells its developer so.
    http::Response response;
    response.status = 204;
    if (!is_allowed(*origin)) return response;
    response.headers.add("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE");
    // Credentials travel in a header, never in a cookie, so any header may come.
    const auto wanted = head.headers.get("access-control-request-headers").value_or("authorization, content-type");
    response.headers.add("Access-Control-Allow-Headers", std::string(wanted));
    response.headers.add("Access-Control-Max-Age", "600");
    return response;
}

}  // namespace atrium::gateway
