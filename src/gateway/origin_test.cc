#include "gateway/origin.h"

#include <gtest/gtest.h>

namespace atrium::gateway {
namespace {

http::RequestHead head(std::string host, std::string origin = {}) {
    http::RequestHead made;
    made.peer = "127.0.0.1:5000";
    if (!host.empty()) made.headers.add("Host", std::move(host));
    if (!origin.empty()) made.headers.add("Origin", std::move(origin));
    return made;
}

OriginPolicy policy(std::string listen, std::vector<std::string> origins = {}) {
    config::ServerSettings settings;
    settings.listen = std::move(listen);
    settings.allowed_origins = std::move(origins);
    return OriginPolicy(settings);
}

TEST(OriginPolicy, OnLoopbackForeignNamesAreRefused) {
    for (const auto* listen : {"127.0.0.1:8080", "127.0.0.2:8080", "localhost:8080", "[::1]:8080"}) {
        const auto local = policy(listen);
        for (const auto* host :
             {"localhost:8080", "LOCALHOST", "127.0.0.1:8080", "127.0.0.2:8080", "[::1]:8080", "app.localhost:1", ""}) {
            EXPECT_TRUE(local.check(head(host))) << host;
        }
        for (const auto* host : {"evil.example", "evil.example:8080", "127.0.0.1.evil.example", "127.evil.example",
                                 "127.0.0.evil", "127.0.0.1000", "localhost.evil.example"}) {
            EXPECT_EQ(local.check(head(host)).error().reason(), "origin_not_allowed") << host;
        }
        EXPECT_FALSE(local.check(head("localhost:8080", "http://evil.example")));
        EXPECT_FALSE(local.check(head("localhost:8080", "null")));
        EXPECT_TRUE(local.check(head("localhost:8080", "http://localhost:5173")));
    }
}

TEST(OriginPolicy, ConfiguredOriginsAreLetIn) {
    const auto local = policy("127.0.0.1:8080", {"https://Console.example.com/"});
    EXPECT_TRUE(local.check(head("console.example.com")));
    EXPECT_TRUE(local.check(head("localhost", "https://console.example.com")));
    EXPECT_FALSE(local.check(head("localhost", "https://other.example.com")));
}

TEST(OriginPolicy, APublicListenerHasManyNames) {
    EXPECT_TRUE(policy("0.0.0.0:8080").check(head("any.example", "http://other")));
}

TEST(OriginPolicy, CorsFieldsForConfiguredOriginsOnly) {
    const auto open = policy("0.0.0.0:80", {"https://a.example"});
    EXPECT_EQ(open.cors_headers(head("h", "https://a.example")).get("access-control-allow-origin"),
              "https://a.example");
    EXPECT_FALSE(open.cors_headers(head("h", "https://b.example")).get("access-control-allow-origin"));
    EXPECT_EQ(open.cors_headers(head("h", "https://b.example")).get("vary"), "Origin");
    EXPECT_EQ(policy("0.0.0.0:80").cors_headers(head("h", "https://a.example")).size(), 0u);
    EXPECT_TRUE(
        policy("0.0.0.0:80", {"*"}).cors_headers(head("h", "https://x.example")).get("access-control-allow-origin"));
}

TEST(OriginPolicy, Preflight) {
    const auto open = policy("0.0.0.0:80", {"https://a.example"});
    auto request = head("h", "https://a.example");
    EXPECT_FALSE(open.preflight(request));
    request.method = http::Method::kOptions;
    EXPECT_FALSE(open.preflight(request));
    request.headers.add("Access-Control-Request-Method", "POST");
    request.headers.add("Access-Control-Request-Headers", "authorization");
    EXPECT_EQ(open.preflight(request)->headers.get("access-control-allow-headers"), "authorization");
    request.headers.set("Origin", "https://b.example");
    EXPECT_FALSE(open.preflight(request)->headers.get("access-control-allow-methods"));
}

}  // namespace
}  // namespace atrium::gateway
