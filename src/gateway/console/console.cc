#include "gateway/console/console.h"

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/console/internal/site.h"

namespace atrium::gateway {
namespace {

Task<> serve(http::Exchange& exchange) {
    const http::RequestHead& head = exchange.head();
    const auto field = [&](std::string_view name) { return head.headers.get(name).value_or(std::string_view{}); };
    // A client that left meanwhile wants no answer; the server knows and closes.
    [[maybe_unused]] const auto sent = co_await exchange.respond(console_response(
        {.path = head.path, .accept_encoding = field("accept-encoding"), .if_none_match = field("if-none-match")}));
}

}  // namespace

bool is_console_path(std::string_view path) {
    static constexpr std::array<std::string_view, 9> kOthers{"/v1",   "/v2",      "/api",    "/atrium", "/mcp",
                                                             "/otlp", "/healthz", "/readyz", "/metrics"};
    return std::ranges::none_of(kOthers, [&](std::string_view prefix) {
        return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
    });
}

http::Response console_response(const ConsoleRequest& request) {
    static const Site site(embedded_assets());
    return site.respond(request);
}

http::Handler with_console(http::Handler api) {
    return [api = std::move(api)](http::Exchange& exchange) -> Task<> {
        const http::RequestHead& head = exchange.head();
        const bool reads = head.method == http::Method::kGet || head.method == http::Method::kHead;
        return reads && is_console_path(head.path) ? serve(exchange) : api(exchange);
    };
}

}  // namespace atrium::gateway
