#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gateway/console/internal/site.h"

namespace atrium::gateway {
namespace {

// The console runs no code and loads nothing but what this server gives it. Styles are the exception: Ant Design writes its
// rules into style elements at run time.
constexpr std::string_view kPolicy =
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

constexpr std::string_view kNotBuilt = R"(<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Atrium · 中庭</title></head>
<body style="font:16px/1.7 system-ui,sans-serif;max-width:34em;margin:12vh auto;padding:0 1.5em;color:#1f2421;background:#f7f5f0">
<h1 style="font-size:1.4em">Atrium is running, without its console</h1>
<p>This program was built before the console was. Run <code>make build</code> in the source tree and start it again.
The API works as usual: see <a href="/atrium/openapi.json">its description</a>.</p>
<h1 style="font-size:1.4em" lang="zh">中庭正在运行，但没有控制台</h1>
<p lang="zh">这个程序在编译时还没有构建控制台。请在源码目录运行 <code>make build</code>，然后重新启动。API 可以正常使用，参见<a href="/atrium/openapi.json">接口说明</a>。</p>
</body>
</html>
)";

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// The members of a comma separated header field.
std::vector<std::string_view> members(std::string_view list) {
    std::vector<std::string_view> found;
    while (!list.empty()) {
        const auto comma = list.find(',');
        if (const auto member = trim(list.substr(0, comma)); !member.empty()) found.push_back(member);
        list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    }
    return found;
}

/// "q=0", "q=0.000": not acceptable (RFC 9110 §12.4.2).
bool is_refused(std::string_view parameters) {
    const auto q = trim(parameters);
    if (!q.starts_with("q=") && !q.starts_with("Q=")) return false;
    return q.size() > 2 && q[2] == '0' && q.find_first_not_of("0.", 2) == std::string_view::npos;
}

bool accepts_gzip(std::string_view accept_encoding) {
    std::optional<bool> any;
    for (const auto member : members(accept_encoding)) {
        const auto semicolon = member.find(';');
        const auto coding = trim(member.substr(0, semicolon));
        const bool refused = semicolon != std::string_view::npos && is_refused(member.substr(semicolon + 1));
        if (coding == "gzip" || coding == "GZIP" || coding == "x-gzip") return !refused;
        if (coding == "*") any = !refused;
    }
    return any.value_or(false);
}

bool matches(std::string_view if_none_match, std::string_view tag) {
    return std::ranges::any_of(members(if_none_match), [&](std::string_view member) {
        if (member.starts_with("W/")) member.remove_prefix(2);
        return member == "*" || member == tag;
    });
}

/// "/assets/x.js" names a file; "/chat/abc" is a place inside the console.
bool names_a_file(std::string_view path) { return path.substr(path.rfind('/') + 1).find('.') != std::string_view::npos; }

void add_protection(http::Headers& headers) {
    headers.add("content-security-policy", std::string(kPolicy));
    headers.add("x-content-type-options", "nosniff");
    headers.add("x-frame-options", "DENY");
    headers.add("referrer-policy", "no-referrer");
    headers.add("cross-origin-opener-policy", "same-origin");
    headers.add("cross-origin-resource-policy", "same-origin");
    headers.add("permissions-policy", "camera=(), microphone=(), geolocation=()");
}

}  // namespace

const Asset* Site::find(std::string_view path) const {
    const auto at = std::ranges::lower_bound(assets_, path, {}, &Asset::path);
    return at != assets_.end() && at->path == path ? &*at : nullptr;
}

http::Response Site::respond(const ConsoleRequest& request) const {
    http::Response response;
    add_protection(response.headers);
    const Asset* asset = find(request.path);
    if (asset == nullptr && !names_a_file(request.path)) asset = find("/index.html");
    if (asset == nullptr) {
        const bool built = !assets_.empty();
        response.status = built || names_a_file(request.path) ? 404 : 200;
        response.headers.add("cache-control", "no-store");
        response.headers.add("content-type", built ? "text/plain; charset=utf-8" : "text/html; charset=utf-8");
        response.body = built ? "There is no such file in the console.\n" : std::string(kNotBuilt);
        return response;
    }
    const bool compressed = !asset->gzip.empty() && accepts_gzip(request.accept_encoding);
    const std::string tag = '"' + std::string(asset->tag) + (compressed ? "-gz\"" : "\"");
    response.headers.add("etag", tag);
    // Names below /assets/ carry a hash of the content; the others are asked for again each time, and answered with 304.
    const bool hashed = asset->path.starts_with("/assets/");
    response.headers.add("cache-control", hashed ? "public, max-age=31536000, immutable" : "no-cache");
    if (!asset->gzip.empty()) response.headers.add("vary", "accept-encoding");
    if (matches(request.if_none_match, tag)) {
        response.status = 304;
        return response;
    }
    response.headers.add("content-type", std::string(asset->type));
    if (compressed) response.headers.add("content-encoding", "gzip");
    response.body = compressed ? asset->gzip : asset->body;
    return response;
}

}  // namespace atrium::gateway
