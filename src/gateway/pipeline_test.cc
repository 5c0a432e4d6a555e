// The stages, seen from outside: through a real server and client.
#include "gateway/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/live_gateway.h"

namespace atrium::gateway {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::LiveGateway;
using ::testing::Not;
using testing::Reply;
using ::testing::StartsWith;

constexpr const char* kChat = R"({"model":"model-a","messages":[{"role":"user","content":"the secret prompt"}]})";
constexpr const char* kAnswer =
    R"({"id":"c1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})";

void add_route(LiveGateway& live, std::string pattern, Access access, RouteHandler handler) {
    RouteSpec route;
    route.pattern = std::move(pattern);
    route.access = access;
    route.tag = "test";
    route.summary = "test";
    route.handler = std::move(handler);
    live.gateway->routes().add(std::move(route));
}

TEST(Authenticate, EveryRouteThatIsNotPublicNeedsAKey) {
    LiveGateway live;
    std::vector<std::string> open;
    for (const auto& route : live.gateway->routes().routes()) {
        std::string path = route.pattern;
        for (std::size_t at = 0; (at = path.find('{')) != std::string::npos;)
            path.replace(at, path.find('}') - at + 1, "x");
        const auto reply = live.send(live.prepare(route.method, path, route.method == http::Method::kPost ? "{}" : "",
                                                  LiveGateway::anonymous()));
        if (reply.status != 401) {
            open.push_back(path);
            continue;
        }
        if (route.dialect == Dialect::kOpenAi || route.dialect == Dialect::kAtrium) {
            EXPECT_EQ(reply.error("code"), "invalid_api_key") << path;
            EXPECT_EQ(reply.error("param"), "null") << path;
        } else {
            EXPECT_THAT(reply.body, ::testing::HasSubstr("error")) << path;
        }
        EXPECT_THAT(reply.header("x-request-id"), StartsWith("req_")) << path;
    }
    EXPECT_THAT(open, ::testing::UnorderedElementsAre("/healthz", "/readyz", "/metrics", "/atrium/openapi.json"));
}

TEST(Authenticate, BothHeadersWork) {
    LiveGateway live;
    EXPECT_EQ(live.get("/v1/models").status, 200);
    http::Headers headers = LiveGateway::anonymous();
    headers.add("x-api-key", live.user_key);
    EXPECT_EQ(live.get("/v1/models", headers).status, 200);
    for (const auto* wrong : {"wrong", "sk-atrium-short", ""}) {
        EXPECT_EQ(live.get("/v1/models", LiveGateway::bearer(wrong)).status, 401) << wrong;
    }
    EXPECT_EQ(live.get("/v1/models", LiveGateway::with("Authorization", "Basic abc")).status, 401);
}

TEST(Authenticate, DecidesBeforeTheBodyIsRead) {
    LiveGateway live;
    // A body that never comes: were it read first, this would wait for the body deadline.
    auto request = live.prepare(http::Method::kPost, "/v1/chat/completions", std::string(8 << 20, ' '),
                                LiveGateway::bearer("wrong"));
    EXPECT_EQ(live.send(std::move(request)).status, 401);
}

TEST(Authorize, AdministrationNeedsAnAdminKey) {
    LiveGateway live;
    const auto refused = live.get("/atrium/v1/projects");
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.error("type"), "permission_error");
    EXPECT_EQ(live.get("/atrium/v1/projects", LiveGateway::bearer(LiveGateway::kAdmin)).status, 200);
}

TEST(Admit, RefusesWith429AndHeaders) {
    LiveGateway live({2, 10});
    EXPECT_EQ(live.get("/v1/models").header("x-ratelimit-remaining-requests"), "1");
    EXPECT_EQ(live.get("/v1/models").status, 200);
    const auto refused = live.get("/v1/models");
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.error("code"), "rate_limit_exceeded");
    EXPECT_EQ(refused.error("type"), "requests");
    EXPECT_NE(refused.header("retry-after"), "");
    EXPECT_NE(refused.header("retry-after-ms"), "");
    EXPECT_EQ(refused.header("x-ratelimit-limit-requests"), "2");
    EXPECT_EQ(live.get("/healthz", LiveGateway::anonymous()).status, 200);
}

TEST(Routes, UnknownPathsAndMethodsAreHelpful) {
    LiveGateway live;
    const auto unknown = live.post("/v1/chat/completion", "{}");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(unknown.error("code"), "unknown_url");
    EXPECT_THAT(unknown.error("message"), HasSubstr("Did you mean /v1/chat/completions?"));
    EXPECT_THAT(live.post("/chat/completions", "{}").error("message"), HasSubstr("ends in /v1"));
    const auto wrong = live.get("/v1/chat/completions");
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.header("allow"), "POST");
    EXPECT_EQ(wrong.error("code"), "method_not_allowed");
}

TEST(Body, TooLargeIs413) {
    config::ServerSettings settings;
    settings.max_body_bytes = 1000;
    LiveGateway live({1000, 10}, std::chrono::seconds(15), settings);
    const auto reply = live.post("/v1/chat/completions", std::string(5000, ' '));
    EXPECT_EQ(reply.status, 413);
    EXPECT_EQ(reply.error("code"), "request_too_large");
    EXPECT_EQ(live.post("/v1/chat/completions", " ").status, 400);
}

Task<Result<>> throw_up(Call&) {
    throw std::runtime_error("the database password is 1234");
    co_return Result<>{};
}
Task<Result<>> say_nothing(Call&) {
    co_return Result<>{};
}

TEST(Dispatch, DefectsAre500WithoutDetails) {
    LiveGateway live;
    add_route(live, "/v1/throws", Access::kKey, throw_up);
    add_route(live, "/v1/silent", Access::kKey, say_nothing);
    for (const auto* path : {"/v1/throws", "/v1/silent"}) {
        const auto reply = live.get(path);
        EXPECT_EQ(reply.status, 500) << path;
        EXPECT_THAT(reply.body, AllOf(Not(HasSubstr("1234")), HasSubstr(reply.header("x-request-id")))) << path;
    }
    EXPECT_EQ(live.get("/v1/models").status, 200);
}

TEST(Origin, ForeignHostsAndPagesAreRefusedOnLoopback) {
    LiveGateway live;
    EXPECT_EQ(live.get("/healthz", LiveGateway::with("Origin", "http://evil.example")).status, 403);
    EXPECT_EQ(live.get("/healthz", LiveGateway::with("Origin", "http://localhost:3000")).status, 200);
}

TEST(Origin, CorsForConfiguredPages) {
    config::ServerSettings settings;
    settings.allowed_origins = {"https://app.example"};
    LiveGateway live({1000, 10}, std::chrono::seconds(15), settings);
    auto headers = LiveGateway::with("Origin", "https://app.example");
    EXPECT_EQ(live.get("/v1/models", headers).header("access-control-allow-origin"), "https://app.example");
    headers.add("Access-Control-Request-Method", "POST");
    headers.add("x-test-anonymous", "1");
    const auto preflight = live.send(live.prepare(http::Method::kOptions, "/v1/chat/completions", {}, headers));
    EXPECT_EQ(preflight.status, 204);
    EXPECT_THAT(preflight.header("access-control-allow-methods"), HasSubstr("POST"));
}

TEST(Settle, RecordsUsageMetricsAndTrace) {
    LiveGateway live;
    live.script({{{kAnswer}}});
    auto headers = LiveGateway::with("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    const auto reply = live.post("/v1/chat/completions", kChat, headers);
    ASSERT_EQ(reply.status, 200);
    EXPECT_EQ(reply.header("x-atrium-trace-id"), "0af7651916cd43dd8448eb211c80319c");
    EXPECT_THAT(live.upstream->calls.at(0).traceparent, StartsWith("00-0af7651916cd43dd8448eb211c80319c-"));
    for (int i = 0; i < 100 && live.usage.queued() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));

    ASSERT_TRUE(run_blocking(live.usage.flush()));
    const auto usage = live.get("/atrium/v1/usage").json();
    EXPECT_EQ(usage.at("data").as_array().at(0).at("prompt_tokens").as_int64(), 3);

    const auto metrics = live.get("/metrics", LiveGateway::anonymous());
    EXPECT_THAT(metrics.header("content-type"), StartsWith("text/plain; version=0.0.4"));
    EXPECT_THAT(metrics.body, HasSubstr(R"(atrium_tokens_total{model="model-a",type="input"} 3)"));
    EXPECT_THAT(metrics.body, HasSubstr(R"(route="/v1/chat/completions")"));
    EXPECT_THAT(metrics.body, HasSubstr("gen_ai_client_token_usage_bucket"));
    EXPECT_THAT(metrics.body, Not(HasSubstr("the secret prompt")));

    const auto trace = live.get("/atrium/v1/traces/0af7651916cd43dd8448eb211c80319c").json();
    const auto& spans = trace.at("spans").as_array();
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_EQ(spans[0].at("name").as_string(), "POST /v1/chat/completions");
    EXPECT_EQ(spans[0].at("kind").as_string(), "server");
    EXPECT_EQ(spans[0].at("parent_id").as_string(), "b7ad6b7169203331");
    EXPECT_EQ(spans[1].at("name").as_string(), "chat model-a");
    EXPECT_EQ(spans[1].at("parent_id"), spans[0].at("span_id"));
    EXPECT_EQ(spans[1].at("attributes").at("gen_ai.usage.input_tokens").as_int64(), 3);
}

TEST(Tenants, SeeNothingOfEachOther) {
    LiveGateway live;
    live.script({{{kAnswer}}});
    const auto admin = LiveGateway::bearer(LiveGateway::kAdmin);
    const auto project = live.post("/atrium/v1/projects", R"({"name":"other"})", admin);
    ASSERT_EQ(project.status, 200) << project.body;
    const std::string keys = "/atrium/v1/projects/" + std::string(project.json().at("id").as_string()) + "/keys";
    const auto made = live.post(keys, R"({"name":"theirs"})", admin);
    const auto theirs = LiveGateway::bearer(made.json().at("secret").as_string());
    EXPECT_EQ(made.header("cache-control"), "no-store");

    const auto mine = live.post("/v1/chat/completions", kChat);
    const std::string trace = "/atrium/v1/traces/" + mine.header("x-atrium-trace-id");
    for (int i = 0; i < 100 && live.usage.queued() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_TRUE(run_blocking(live.usage.flush()));
    EXPECT_EQ(live.get(trace).status, 200);
    EXPECT_EQ(live.get(trace, theirs).status, 404);
    EXPECT_EQ(live.get(trace, admin).status, 200);
    EXPECT_EQ(live.get("/atrium/v1/usage", theirs).json().at("data").as_array().size(), 0u);
    EXPECT_EQ(live.get("/atrium/v1/usage?project=proj_default", theirs).status, 403);
    EXPECT_EQ(live.get("/atrium/v1/whoami", theirs).json().at("project").at("name").as_string(), "other");

    const std::string id(made.json().at("id").as_string());
    EXPECT_EQ(live.send(live.prepare(http::Method::kDelete, keys + "/" + id, {}, admin)).status, 200);
    EXPECT_EQ(live.get("/atrium/v1/whoami", theirs).status, 401);
}

TEST(Operations, HealthReadinessStatus) {
    LiveGateway live;
    EXPECT_EQ(live.get("/healthz", LiveGateway::anonymous()).body, R"({"status":"ok"})");
    EXPECT_EQ(live.get("/readyz", LiveGateway::anonymous()).body, R"({"status":"ready"})");
    live.not_ready = {
        {.model = "model-a", .state = NotReady::State::kStarting, .detail = {}},
        {.model = "e5", .state = NotReady::State::kUnavailable, .detail = "cannot open /srv/atrium/models/e5"}};
    const auto starting = live.get("/readyz", LiveGateway::anonymous());
    EXPECT_EQ(starting.status, 503);
    EXPECT_EQ(starting.body, R"({"status":"starting","reasons":["model-a is starting","e5 is unavailable"]})")
        << "a public page holds no words of the engine";
    live.not_ready.clear();
    const auto status = live.get("/atrium/v1/status").json();
    EXPECT_EQ(status.at("version").as_string(), "1.2.3");
    EXPECT_EQ(status.at("models").as_array().at(0).at("state").as_string(), "ready");
    EXPECT_EQ(status.at("default_chat_model").as_string(), "model-a");
    EXPECT_EQ(status.at("default_embedding_model").as_string(), "e5");
    EXPECT_EQ(live.get("/atrium/v1/traces/nonsense").status, 400);
}

TEST(Operations, EnginesLastWordsAreForAdministrators) {
    LiveGateway live;
    const std::string words = "cannot open /srv/atrium/models/model-a";
    live.not_ready = {{.model = "model-a", .state = NotReady::State::kUnavailable, .detail = words}};
    live.router.set_readiness([&](std::string_view model) -> std::optional<std::string> {
        return model == "model-a" ? std::optional(live.not_ready[0].sentence()) : std::nullopt;
    });
    const auto of = [](const Reply& reply) { return reply.json().at("models").as_array().at(0).as_object(); };
    const auto seen = of(live.get("/atrium/v1/status"));
    EXPECT_EQ(seen.at("state").as_string(), "unavailable");
    EXPECT_EQ(seen.at("reason").as_string(), "model-a is unavailable");
    EXPECT_EQ(of(live.get("/atrium/v1/status", LiveGateway::bearer(LiveGateway::kAdmin))).at("reason").as_string(),
              words);
}

TEST(Admin, ValidatesNamesAndProjects) {
    LiveGateway live;
    const auto admin = LiveGateway::bearer(LiveGateway::kAdmin);
    EXPECT_EQ(live.post("/atrium/v1/projects", R"({"name":""})", admin).error("param"), "name");
    EXPECT_EQ(live.post("/atrium/v1/projects", R"({})", admin).error("param"), "name");
    EXPECT_EQ(live.post("/atrium/v1/projects/proj_none/keys", R"({"name":"k"})", admin).status, 404);
    EXPECT_EQ(live.get("/atrium/v1/projects/proj_default/keys", admin).json().at("data").as_array().size(), 2u);
    EXPECT_THAT(live.get("/atrium/v1/projects/proj_default/keys", admin).body, Not(HasSubstr(live.user_key)));
}

}  // namespace
}  // namespace atrium::gateway
