#include "app/routing/routing_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "app/routing/migrations.h"
#include "model/routing/dispatcher.h"
#include "platform/http/server.h"

namespace atrium::app {
namespace {

using testing::HasSubstr;

config::UpstreamSettings upstream(std::string name, std::vector<std::string> models) {
    config::UpstreamSettings settings;
    settings.name = std::move(name);
    settings.url = "http://127.0.0.1:9/v1";
    settings.models = std::move(models);
    return settings;
}

config::AliasSettings alias(std::string name, std::vector<config::ArmSettings> arms) {
    config::AliasSettings settings;
    settings.name = std::move(name);
    settings.arms = std::move(arms);
    return settings;
}

class RoutingServiceTest : public testing::Test {
protected:
    RoutingServiceTest() {
        EXPECT_TRUE(database_->migrate(routing_migrations()));
        service_ = make();
    }
    std::unique_ptr<RoutingService> make() {
        return std::make_unique<RoutingService>(RoutingService::Parts{.database = *database_,
                                                                      .router = router_,
                                                                      .client = client_,
                                                                      .clock = clock_,
                                                                      .make_upstream =
                                                                          [this](model::UpstreamOptions options) {
                                                                              keys_.push_back(options.api_key);
                                                                              return model::make_upstream(
                                                                                  client_, std::move(options));
                                                                          },
                                                                      .environment = {{"KEY", "s3cret"}}});
    }
    bool callable(std::string_view name) const { return router_.resolve(name).has_value(); }

    ManualClock clock_;
    http::Client client_;
    std::unique_ptr<sql::Database> database_ = sql::Database::open("sqlite://:memory:").value();
    model::Router router_{clock_};
    std::vector<std::string> keys_;
    std::unique_ptr<RoutingService> service_;
};

TEST_F(RoutingServiceTest, TheConfigurationIsCallableAndNotEditable) {
    ASSERT_TRUE(
        service_->start({}, {upstream("a", {"m"}), upstream("b", {"m", "n"})}, {alias("x", {{"m", 1}, {"b/n", 1}})}));
    for (const char* name : {"m", "n", "a/m", "b/m", "x"}) EXPECT_TRUE(callable(name)) << name;
    EXPECT_EQ(router_.models().size(), 3u);
    const auto views = service_->upstreams();
    ASSERT_EQ(views.size(), 2u);
    EXPECT_TRUE(views[0].from_configuration);
    EXPECT_EQ(views[1].deployments.size(), 2u);
    const auto refused = run_blocking(service_->remove_upstream("a"));
    EXPECT_EQ(refused.error().code(), Code::kFailedPrecondition);
    EXPECT_EQ(refused.error().reason(), "managed_by_configuration");
    EXPECT_EQ(run_blocking(service_->set_weights("x", {{"m", 3}})).error().reason(), "managed_by_configuration");
    EXPECT_EQ(run_blocking(service_->create_upstream(upstream("a", {}))).error().code(), Code::kAlreadyExists);
}

TEST_F(RoutingServiceTest, UpstreamsComeAndGoOverTheApiAndSurviveARestart) {
    ASSERT_TRUE(service_->start({}, {}, {}));
    auto settings = upstream("a", {"m"});
    settings.key = "${env:KEY}";
    const auto made = run_blocking(service_->create_upstream(settings));
    ASSERT_TRUE(made) << made.error().to_string();
    EXPECT_EQ(made->settings.key, "${env:KEY}") << "the reference, never the secret";
    EXPECT_EQ(keys_.back(), "s3cret");
    EXPECT_TRUE(callable("a/m"));
    EXPECT_EQ(run_blocking(service_->create_upstream(settings)).error().code(), Code::kAlreadyExists);

    service_ = make();
    ASSERT_TRUE(service_->start({}, {}, {}));
    EXPECT_TRUE(callable("m"));
    settings.models = {"n"};
    EXPECT_TRUE(run_blocking(service_->replace_upstream(settings)));
    EXPECT_FALSE(callable("m"));
    EXPECT_TRUE(callable("n"));
    EXPECT_TRUE(run_blocking(service_->remove_upstream("a")));
    EXPECT_FALSE(callable("n"));
    EXPECT_EQ(run_blocking(service_->remove_upstream("a")).error().code(), Code::kNotFound);
}

TEST_F(RoutingServiceTest, WhatCannotWorkIsRefusedBeforeItIsStored) {
    ASSERT_TRUE(service_->start({}, {upstream("a", {"m"})}, {}));
    auto settings = upstream("b", {"n"});
    settings.key = "${env:MISSING}";
    EXPECT_EQ(run_blocking(service_->create_upstream(settings)).error().code(), Code::kInvalidArgument);
    settings.key.clear();
    settings.url = "ftp://nowhere";
    EXPECT_EQ(run_blocking(service_->create_upstream(settings)).error().code(), Code::kInvalidArgument);
    const auto typo = run_blocking(service_->create_alias(alias("x", {{"mm", 1}})));
    EXPECT_EQ(typo.error().field(), "arms");
    EXPECT_TRUE(service_->aliases().empty());
    EXPECT_EQ(service_->upstreams().size(), 1u);
}

TEST_F(RoutingServiceTest, ARolloutStepAndItsRollback) {
    ASSERT_TRUE(service_->start({}, {upstream("a", {"old"}), upstream("b", {"new"})}, {}));
    ASSERT_TRUE(run_blocking(service_->create_alias(alias("x", {{"old", 99}, {"new", 1}}))));
    EXPECT_EQ(run_blocking(service_->rollback("x")).error().reason(), "nothing_to_roll_back");
    const auto step = run_blocking(service_->set_weights("x", {{"old", 50}, {"new", 50}})).value();
    EXPECT_EQ(step.settings.arms[1].weight, 50);
    ASSERT_TRUE(step.previous);
    EXPECT_EQ(step.previous->at(1).weight, 1);
    EXPECT_EQ(run_blocking(service_->set_weights("x", {{"other", 1}})).error().field(), "weights");
    EXPECT_EQ(run_blocking(service_->set_weights("x", {{"old", 0}, {"new", 0}})).error().field(), "weights");

    service_ = make();
    ASSERT_TRUE(service_->start({}, {upstream("a", {"old"}), upstream("b", {"new"})}, {}));
    const auto back = run_blocking(service_->rollback("x")).value();
    EXPECT_EQ(back.settings.arms[0].weight, 99);
    EXPECT_EQ(run_blocking(service_->rollback("x")).error().code(), Code::kFailedPrecondition)
        << "not back to the bad step";
    EXPECT_TRUE(run_blocking(service_->remove_alias("x")));
    EXPECT_FALSE(callable("x"));
}

TEST_F(RoutingServiceTest, AFailingReloadKeepsTheOldTable) {
    ASSERT_TRUE(service_->start({}, {upstream("a", {"m"})}, {}));
    auto broken = upstream("b", {"n"});
    broken.url = "gopher://x";
    const auto failed = service_->reload({broken}, {});
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message(), HasSubstr("'b'"));
    EXPECT_TRUE(callable("m"));
    ASSERT_TRUE(service_->reload({upstream("b", {"n"})}, {alias("x", {{"gone", 1}})}));
    EXPECT_FALSE(callable("m"));
    EXPECT_TRUE(callable("n"));
    EXPECT_THAT(service_->alias("x")->problems, testing::ElementsAre(HasSubstr("'gone'")));
}

TEST_F(RoutingServiceTest, AnUnchangedUpstreamKeepsItsConnections) {
    ASSERT_TRUE(service_->start({}, {upstream("a", {"m"})}, {}));
    const auto before = router_.resolve("m")->upstream;
    ASSERT_TRUE(service_->reload({upstream("a", {"m", "n"})}, {}));
    EXPECT_EQ(router_.resolve("n")->upstream, before);
    auto moved = upstream("a", {"m"});
    moved.url = "http://127.0.0.1:10/v1";
    ASSERT_TRUE(service_->reload({moved}, {}));
    EXPECT_NE(router_.resolve("m")->upstream, before);
}

/// Answers every model call.
class Provider {
public:
    Provider() : runtime_(1), server_(runtime_, {}, [](http::Exchange& exchange) { return answer(exchange); }) {
        address_ = server_.listen("127.0.0.1:0").value();
        thread_ = std::thread([this] { runtime_.run(); });
    }
    ~Provider() {
        runtime_.stop();
        thread_.join();
    }
    std::string url() const { return "http://" + address_ + "/v1"; }

private:
    static Task<> answer(http::Exchange& exchange) {
        (void)co_await exchange.read_body(1 << 20);
        (void)co_await exchange.respond(http::Response::json(200, R"({"id":"1","choices":[]})"));
    }
    Runtime runtime_;
    http::Server server_;
    std::string address_;
    std::thread thread_;
};

Task<Result<int>> calls_while(model::Dispatcher* dispatcher, const std::atomic<bool>* going) {
    int calls = 0;
    while (going->load()) {
        model::UpstreamCall call;
        auto request = std::make_shared<model::ModelRequest>();
        request->object = {{"model", "x"}, {"messages", json::array()}};
        call.request = std::move(request);
        model::RouteQuery query;
        query.model = "x";
        query.unit = std::to_string(calls);
        CO_TRY_ASSIGN(auto got, co_await dispatcher->open(std::move(query), std::move(call), {}));
        CO_TRY(co_await got.answer->read_all(1 << 20));
        got.lease.finished();
        ++calls;
    }
    co_return calls;
}

TEST_F(RoutingServiceTest, ReloadsUnderTrafficDropNothing) {
    const Provider one;
    const Provider two;
    const auto settings = [&](bool odd) {
        std::vector<config::UpstreamSettings> all{upstream("a", {"m"}), upstream(odd ? "b" : "c", {"n"})};
        all[0].url = one.url();
        all[1].url = two.url();
        return all;
    };
    const auto aliases = [](bool odd) {
        return std::vector{alias("x", {{"m", odd ? 10.0 : 90.0}, {"n", odd ? 90.0 : 10.0}})};
    };
    ASSERT_TRUE(service_->start({}, settings(false), aliases(false)));
    metrics::Registry registry;
    model::Dispatcher dispatcher(router_, system_clock(), registry);
    std::atomic<bool> going{true};
    Result<int> counts[2]{0, 0};
    {
        std::vector<std::jthread> callers;
        for (auto& count : counts)
            callers.emplace_back([&] { count = run_blocking(calls_while(&dispatcher, &going)); });
        // 20 a second for a second, and a broken one after each.
        for (int i = 0; i < 20; ++i) {
            EXPECT_TRUE(service_->reload(settings(i % 2 == 0), aliases(i % 2 == 0)));
            auto broken = settings(true);
            broken[1].url = "nonsense";
            EXPECT_FALSE(service_->reload(broken, {}));
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        going = false;
    }
    for (const auto& count : counts) {
        ASSERT_TRUE(count) << count.error().to_string();
        EXPECT_GT(*count, 10);
    }
}

}  // namespace
}  // namespace atrium::app
