#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "app/chat/scripted_upstream.h"
#include "app/tenancy/migrations.h"
#include "app/usage/meter.h"
#include "app/usage/prices.h"
#include "app/usage/schema.h"
#include "app/usage/usage_log.h"
#include "app/usage/usage_report.h"
#include "gateway/gateway.h"
#include "platform/http/client.h"
#include "platform/http/server.h"

/// For tests only: the whole gateway behind a real server on a free port, on SQLite in memory and a scripted model.
namespace atrium::gateway::testing {

using app::testing::Script;

struct Reply {
    int status = 0;
    http::Headers headers;
    std::string body;

    std::string header(std::string_view name) const { return std::string(headers.get(name).value_or("")); }
    json::object json() const { return json::parse_object(body).value_or(json::object{}); }
    /// A member of the error object; "null" for null.
    std::string error(std::string_view key) const {
        const auto parsed = json();
        const auto* error = parsed.if_contains("error");
        const auto* value = error != nullptr && error->is_object() ? error->get_object().if_contains(key) : nullptr;
        if (value == nullptr) return "(missing)";
        return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
    }
};

class LiveGateway {
public:
    static constexpr std::string_view kAdmin = "the-admin-key";

    explicit LiveGateway(config::LimitSettings limits = {100'000, 100},
                         std::chrono::milliseconds heartbeat = std::chrono::seconds(15),
                         config::ServerSettings server_settings = {}) {
        std::vector<sql::Migration> migrations;
        for (const auto& migration : app::tenancy_migrations()) migrations.push_back(migration);
        for (const auto& migration : app::usage_migrations()) migrations.push_back(migration);
        for (const auto& migration : app::audit_migrations()) migrations.push_back(migration);
        EXPECT_TRUE(database->migrate(migrations));
        EXPECT_TRUE(tenancy.bootstrap(kAdmin));
        user_key = make_key(std::string(app::Tenancy::kDefaultProject));
        script({{}});
        meter = std::make_unique<app::Meter>(app::Meter::Parts{*limiter, budgets, prices, usage, system_clock()},
                                             app::Meter::Policy{limits, {}, {}});
        gateway = std::make_unique<Gateway>(Gateway::Dependencies{.server = std::move(server_settings),
                                                                  .tenancy = tenancy,
                                                                  .chat = chat,
                                                                  .meter = *meter,
                                                                  .limits = limits,
                                                                  .usage_report = usage_report,
                                                                  .prices = prices,
                                                                  .metrics = metrics,
                                                                  .spans = spans,
                                                                  .clock = system_clock(),
                                                                  .version = "1.2.3",
                                                                  .not_ready = [this] { return not_ready; },
                                                                  .heartbeat = heartbeat});
    }
    ~LiveGateway() {
        if (!server_) return;
        runtime_.stop();
        thread_.join();
    }

    /// What the model "model-a" (chat) or "e5" (embeddings) answers from now on.
    void script(std::vector<Script> scripts) {
        upstream = std::make_shared<app::testing::ScriptedUpstream>(std::move(scripts));
        serve(upstream);
    }
    void serve(std::shared_ptr<model::Upstream> by) {
        router.publish({app::testing::scripted_route(by), app::testing::scripted_route(by, "e5", true)});
    }

    std::string make_key(std::string project, bool admin = false) {
        return run_blocking(tenancy.create_key(std::move(project), "test", admin)).value().secret;
    }

    void start() {
        if (server_) return;
        server_ = std::make_unique<http::Server>(runtime_, http::ServerLimits{}, gateway->handler());
        address_ = server_->listen("127.0.0.1:0").value();
        thread_ = std::thread([this] { runtime_.run(); });
    }
    std::string address() {
        start();
        return address_;
    }
    /// Fires the stop tokens of what is running after `deadline`.
    void drain(std::chrono::milliseconds deadline) { run_blocking(drained(server_.get(), deadline)); }

    http::ClientRequest prepare(http::Method method, const std::string& target, std::string body = {},
                                http::Headers headers = {}) {
        http::ClientRequest request;
        request.method = method;
        request.url = http::Url::parse("http://" + address() + target).value();
        request.headers = std::move(headers);
        if (!request.headers.get("authorization") && !request.headers.get("x-test-anonymous")) {
            request.headers.add("Authorization", "Bearer " + user_key);
        }
        if (!body.empty() && !request.headers.get("content-type"))
            request.headers.add("Content-Type", "application/json");
        request.body = std::move(body);
        return request;
    }
    Reply send(http::ClientRequest request) {
        auto reply = run_blocking(exchange(&client, std::move(request)));
        EXPECT_TRUE(reply) << reply.error().to_string();
        return reply.value_or(Reply{});
    }
    Reply get(const std::string& target, http::Headers headers = {}) {
        return send(prepare(http::Method::kGet, target, {}, std::move(headers)));
    }
    Reply post(const std::string& target, std::string body, http::Headers headers = {}) {
        return send(prepare(http::Method::kPost, target, std::move(body), std::move(headers)));
    }
    static http::Headers bearer(std::string_view key) {
        http::Headers headers;
        headers.add("Authorization", "Bearer " + std::string(key));
        return headers;
    }
    static http::Headers with(std::string name, std::string value) {
        http::Headers headers;
        headers.add(std::move(name), std::move(value));
        return headers;
    }
    static http::Headers anonymous() { return with("x-test-anonymous", "1"); }

    std::unique_ptr<sql::Database> database = sql::Database::open("sqlite://:memory:").value();
    app::Tenancy tenancy{*database, system_clock()};
    app::UsageLog usage{*database, system_clock()};
    app::UsageReport usage_report{*database};
    app::PriceBook prices{*database, system_clock()};
    model::Router router;
    trace::SpanStore spans;
    metrics::Registry metrics;
    app::BudgetLedger budgets{*database, system_clock(), metrics};
    std::unique_ptr<app::RateLimiter> limiter = app::make_embedded_rate_limiter(system_clock());
    std::unique_ptr<app::Meter> meter;
    model::Dispatcher dispatcher{router, system_clock(), metrics};
    app::ChatService chat{router, dispatcher, spans, system_clock()};
    std::shared_ptr<app::testing::ScriptedUpstream> upstream;
    std::vector<NotReady> not_ready;
    std::string user_key;
    std::unique_ptr<Gateway> gateway;
    http::Client client;

private:
    static Task<Result<Reply>> exchange(http::Client* client, http::ClientRequest request) {
        CO_TRY_ASSIGN(auto response, co_await client->send(std::move(request)));
        Reply reply{response->status(), response->headers(), {}};
        CO_TRY_ASSIGN(reply.body, co_await response->read_all(64u << 20));
        co_return reply;
    }
    static Task<Result<>> drained(http::Server* server, std::chrono::milliseconds deadline) {
        co_await server->drain(deadline);
        co_return Result<>{};
    }

    Runtime runtime_{1};
    std::unique_ptr<http::Server> server_;
    std::string address_;
    std::thread thread_;
};

/// tests/golden/gateway/<name>; the tests run in the repository's root.
inline std::string golden(const std::string& name) {
    std::ifstream file("tests/golden/gateway/" + name, std::ios::binary);
    EXPECT_TRUE(file) << name;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

inline std::string event(std::string_view data) {
    return "data: " + std::string(data) + "\n\n";
}

}  // namespace atrium::gateway::testing
