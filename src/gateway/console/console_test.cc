#include "gateway/console/console.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "gateway/console/internal/site.h"
#include "platform/async/runtime.h"

namespace atrium::gateway {
namespace {

constexpr std::array kAssets{
    Asset{.path = "/assets/app-1a2b.js", .type = "text/javascript", .tag = "aa", .body = "let a;", .gzip = "GZ"},
    Asset{.path = "/favicon.svg", .type = "image/svg+xml", .tag = "bb", .body = "<svg/>", .gzip = {}},
    Asset{.path = "/index.html", .type = "text/html; charset=utf-8", .tag = "cc", .body = "<html>", .gzip = "GZPAGE"},
};

http::Response get(std::string_view path, std::string_view accept_encoding = {}, std::string_view if_none_match = {}) {
    return Site(kAssets).respond({.path = path, .accept_encoding = accept_encoding, .if_none_match = if_none_match});
}

std::string header(const http::Response& response, std::string_view name) {
    return std::string(response.headers.get(name).value_or("(none)"));
}

TEST(ConsolePath, LeavesTheApiAlone) {
    for (const auto* path : {"/", "/chat", "/knowledge/vs_1", "/assets/app.js", "/v1x", "/metricsx", "/apiary"}) {
        EXPECT_TRUE(is_console_path(path)) << path;
    }
    for (const auto* path : {"/v1", "/v1/models", "/v2/health", "/api/tags", "/atrium/openapi.json", "/mcp", "/otlp/v1/traces", "/healthz",
                             "/readyz", "/metrics"}) {
        EXPECT_FALSE(is_console_path(path)) << path;
    }
}

TEST(Site, HashedFilesAreKeptForGood) {
    const auto response = get("/assets/app-1a2b.js");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "let a;");
    EXPECT_EQ(header(response, "content-type"), "text/javascript");
    EXPECT_EQ(header(response, "cache-control"), "public, max-age=31536000, immutable");
    EXPECT_EQ(header(response, "etag"), "\"aa\"");
    EXPECT_EQ(header(response, "vary"), "accept-encoding");
    EXPECT_EQ(header(response, "content-encoding"), "(none)");
}

TEST(Site, CompressesForThoseWhoAcceptIt) {
    for (const auto* accept : {"gzip", "br, gzip;q=0.5", "deflate, x-gzip", "*", "identity, *;q=0.1"}) {
        const auto response = get("/assets/app-1a2b.js", accept);
        EXPECT_EQ(header(response, "content-encoding"), "gzip") << accept;
        EXPECT_EQ(response.body, "GZ") << accept;
        EXPECT_EQ(header(response, "etag"), "\"aa-gz\"") << accept;
    }
    for (const auto* accept : {"", "br", "gzip;q=0", "*, gzip; q=0.000", "*;q=0", "gzipped"}) {
        EXPECT_EQ(get("/assets/app-1a2b.js", accept).body, "let a;") << accept;
    }
    EXPECT_EQ(get("/favicon.svg", "gzip").body, "<svg/>");
}

TEST(Site, AnswersNotModified) {
    for (const auto* known : {"\"cc\"", "W/\"cc\"", "\"x\", \"cc\"", "*"}) {
        const auto response = get("/", "", known);
        EXPECT_EQ(response.status, 304) << known;
        EXPECT_TRUE(response.body.empty());
        EXPECT_EQ(header(response, "etag"), "\"cc\"");
        EXPECT_EQ(header(response, "cache-control"), "no-cache");
    }
    EXPECT_EQ(get("/", "gzip", "\"cc\"").status, 200);  // it has the other representation
    EXPECT_EQ(get("/", "gzip", "\"cc-gz\"").status, 304);
    EXPECT_EQ(get("/", "", "\"c\", \"ccc\"").status, 200);
}

TEST(Site, PlacesInsideTheConsoleGetItsPage) {
    for (const auto* path : {"/", "/chat/abc", "/knowledge/vs_1", "/nowhere/at/all"}) {
        const auto response = get(path);
        EXPECT_EQ(response.body, "<html>") << path;
        EXPECT_EQ(header(response, "cache-control"), "no-cache") << path;
    }
}

TEST(Site, MissingFilesAreNotThePage) {
    // A browser with yesterday's page must not run HTML as a script.
    for (const auto* path : {"/assets/app-old.js", "/robots.txt", "/a/../index.htm", "/assets/app-1a2b.js/x.y"}) {
        const auto response = get(path);
        EXPECT_EQ(response.status, 404) << path;
        EXPECT_EQ(header(response, "content-type"), "text/plain; charset=utf-8") << path;
        EXPECT_EQ(header(response, "cache-control"), "no-store") << path;
    }
}

TEST(Site, ProtectsThePage) {
    for (const auto* path : {"/", "/assets/app-1a2b.js", "/gone.js"}) {
        const auto response = get(path);
        const auto policy = header(response, "content-security-policy");
        EXPECT_NE(policy.find("script-src 'self';"), std::string::npos) << path;
        EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos) << path;
        EXPECT_EQ(policy.find("unsafe-eval"), std::string::npos) << path;
        EXPECT_EQ(header(response, "x-content-type-options"), "nosniff") << path;
        EXPECT_EQ(header(response, "referrer-policy"), "no-referrer") << path;
    }
}

TEST(Site, SaysHowToBuildTheConsole) {
    const Site site({});
    const auto response = site.respond({.path = "/", .accept_encoding = "gzip", .if_none_match = "*"});
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(header(response, "cache-control"), "no-store");
    EXPECT_NE(response.body.find("make build"), std::string::npos);
    EXPECT_EQ(site.respond({.path = "/favicon.ico", .accept_encoding = {}, .if_none_match = {}}).status, 404);
}

TEST(EmbeddedAssets, AreSortedAndComplete) {
    const auto assets = embedded_assets();
    for (std::size_t i = 1; i < assets.size(); ++i) EXPECT_LT(assets[i - 1].path, assets[i].path);
    for (const auto& asset : assets) {
        EXPECT_FALSE(asset.body.empty()) << asset.path;
        if (!asset.gzip.empty()) EXPECT_EQ(asset.gzip.substr(0, 2), "\x1f\x8b") << asset.path;
    }
    const auto page = console_response({.path = "/chat", .accept_encoding = {}, .if_none_match = {}});
    EXPECT_EQ(page.status, 200);
    EXPECT_NE(page.body.find("<!doctype html>"), std::string::npos);
}

/// Just enough of an exchange to see who answered.
class FakeExchange : public http::Exchange {
public:
    FakeExchange(http::Method method, std::string path) { head_.method = method, head_.path = std::move(path); }
    const http::RequestHead& head() const override { return head_; }
    Task<Result<std::string>> read_body(std::size_t) override { co_return std::string(); }
    Task<Result<std::string>> read_some() override { co_return std::string(); }
    void add_response_header(std::string, std::string) override {}
    Task<Result<>> respond(http::Response response) override {
        status_ = response.status;
        co_return Result<>();
    }
    Task<Result<>> start(http::ResponseHead) override { co_return Result<>(); }
    Task<Result<>> write(std::string_view) override { co_return Result<>(); }
    Task<Result<>> finish() override { co_return Result<>(); }
    bool response_started() const override { return status_ != 0; }
    int status() const override { return status_; }
    std::uint64_t bytes_sent() const override { return 0; }
    bool client_gone() const override { return false; }
    StopToken stop_token() const override { return {}; }

private:
    http::RequestHead head_;
    int status_ = 0;
};

Task<> teapot(http::Exchange& exchange) {
    const auto sent = co_await exchange.respond(http::Response::text(418, ""));
    EXPECT_TRUE(sent);
}

TEST(WithConsole, AnswersReadsOfItsPathsOnly) {
    const auto handler = with_console(teapot);
    const auto status = [&](http::Method method, std::string path) {
        FakeExchange exchange(method, std::move(path));
        run_until_complete(handler(exchange));
        return exchange.status();
    };
    EXPECT_EQ(status(http::Method::kGet, "/"), 200);
    EXPECT_EQ(status(http::Method::kHead, "/chat"), 200);
    EXPECT_EQ(status(http::Method::kPost, "/chat"), 418);
    EXPECT_EQ(status(http::Method::kGet, "/v1/models"), 418);
    EXPECT_EQ(status(http::Method::kGet, "/healthz"), 418);
}

}  // namespace
}  // namespace atrium::gateway
