#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/settings.h"

namespace atrium::config {
namespace {

using testing::HasSubstr;

class RoutingSettings : public testing::Test {
protected:
    void SetUp() override {
        home_ = testing::TempDir() + "atrium_routing_" + std::to_string(getpid());
        std::filesystem::create_directories(home_);
        options_.environment["ATRIUM_HOME"] = home_;
    }
    void TearDown() override { std::filesystem::remove_all(home_); }

    void write(const std::string& yaml) { std::ofstream(home_ + "/atrium.yaml") << yaml; }
    std::string problem(const std::string& yaml) {
        write(yaml);
        const auto settings = load(options_);
        return settings ? "" : settings.error().message();
    }

    std::string home_;
    LoadOptions options_;
};

TEST_F(RoutingSettings, AnUpstreamHasDefaultsAndNestedObjects) {
    write(
        "upstreams:\n"
        "  - { name: a, url: 'http://a/v1' }\n"
        "  - name: b\n"
        "    url: http://b/v1\n"
        "    weight: 2.5\n"
        "    retries: 0\n"
        "    max_concurrent: 8\n"
        "    deadlines: { connect: 250ms, ttft: 20s, idle: 30, total: 10m }\n"
        "    health_check: { path: /health, interval: 2s }\n"
        "    price: { input: 0.15, output: 0.6 }\n");
    const auto settings = load(options_).value();
    EXPECT_EQ(settings.upstreams.at(0).weight, 1);
    EXPECT_EQ(settings.upstreams.at(0).deadlines.connect.count(), 3'000);
    EXPECT_FALSE(settings.upstreams.at(0).price);
    const auto& b = settings.upstreams.at(1);
    EXPECT_EQ(b.weight, 2.5);
    EXPECT_EQ(b.retries, 0);
    EXPECT_EQ(b.deadlines.connect.count(), 250);
    EXPECT_EQ(b.deadlines.idle.count(), 30'000);
    EXPECT_EQ(b.deadlines.total.count(), 600'000);
    EXPECT_EQ(b.health_check.path, "/health");
    EXPECT_EQ(b.health_check.interval.count(), 2'000);
    EXPECT_EQ(b.price->output, 0.6);
}

TEST_F(RoutingSettings, AnAliasHasArmsFallbacksAndShadows) {
    write(
        "aliases:\n"
        "  - name: fast\n"
        "    arms: [ { target: gemma, weight: 90 }, { target: vllm-a/qwen3-32b, weight: 10 } ]\n"
        "    strategy: least_outstanding\n"
        "    sticky: false\n"
        "    fallbacks: { rate_limit: [gemma], context_length: [long, longer] }\n"
        "    shadow: [ { target: next, percent: 5 } ]\n");
    const auto alias = load(options_).value().aliases.at(0);
    EXPECT_EQ(alias.arms.at(1).target, "vllm-a/qwen3-32b");
    EXPECT_EQ(alias.arms.at(1).weight, 10);
    EXPECT_EQ(alias.strategy, "least_outstanding");
    EXPECT_FALSE(alias.sticky);
    EXPECT_EQ(alias.fallbacks.context_length.size(), 2u);
    EXPECT_TRUE(alias.fallbacks.outage.empty());
    EXPECT_EQ(alias.shadow.at(0).percent, 5);
}

TEST_F(RoutingSettings, MistakesNameLineAndNeighbour) {
    const auto text = problem(
        "upstreams:\n  - { name: a, url: u, wieght: 1 }\n  - { name: local, url: u }\n"
        "  - { name: b, url: u, deadlines: { tfft: 1s }, health_check: yes }\n"
        "aliases:\n  - { name: x, arms: [ { target: m, weigth: 2 } ], strategy: fastest }\n  - { name: y }\n");
    EXPECT_THAT(text, HasSubstr("atrium.yaml:2: unknown key 'wieght' in 'upstreams', did you mean 'weight'?"));
    EXPECT_THAT(text, HasSubstr("atrium.yaml:3: 'name' must be"));
    EXPECT_THAT(text, HasSubstr("unknown key 'deadlines.tfft' in 'upstreams', did you mean 'deadlines.ttft'?"));
    EXPECT_THAT(text, HasSubstr("'health_check' must be a mapping"));
    EXPECT_THAT(text, HasSubstr("unknown key 'weigth' in 'arms', did you mean 'weight'?"));
    EXPECT_THAT(text, HasSubstr("'strategy' must be one of weighted, "));
    EXPECT_THAT(text, HasSubstr("atrium.yaml:7: 'arms' must be 1 to 32 targets"));
}

TEST_F(RoutingSettings, RangesAreChecked) {
    for (const char* fields :
         {"weight: -1", "weight: many", "retries: 11", "max_concurrent: -1", "deadlines: { ttft: soon }",
          "deadlines: { idle: 0 }", "deadlines: { total: 999h }", "health_check: { path: health }",
          "health_check: { path: /h, interval: 1ms }", "price: { input: free }", "deadlines: 3s"}) {
        EXPECT_NE(problem(std::string("upstreams: [ { name: a, url: u, ") + fields + " } ]"), "") << fields;
    }
    EXPECT_THAT(problem("upstreams: [ { name: a, url: u }, { name: a, url: v } ]"), HasSubstr("'a' twice"));
    EXPECT_THAT(problem("aliases: [ { name: a, arms: [ { target: m, weight: 0 } ] } ]"), HasSubstr("'arms'"));
    EXPECT_NE(problem("aliases: [ { name: a, arms: 3 } ]"), "");
}

TEST_F(RoutingSettings, ExplainShowsNestedKeys) {
    write("");
    std::vector<std::string> keys;
    for (const auto& row : explain(options_).value()) {
        keys.push_back(row.key);
        EXPECT_FALSE(row.description.empty()) << row.key;
    }
    EXPECT_THAT(keys, testing::IsSupersetOf({"upstreams[].deadlines.ttft", "aliases[].arms[].weight",
                                             "aliases[].fallbacks.outage", "aliases[].shadow[].percent"}));
}

TEST(RoutingSettingsJson, TheApiReadsTheSameKeys) {
    const auto upstream = upstream_from_json(json::parse_object(R"({"name":"a","url":"http://a/v1","key":"${env:K}",
        "models":["m","n"],"deadlines":{"ttft":"2s"},"price":{"input":1}})")
                                                 .value());
    ASSERT_TRUE(upstream) << upstream.error().message();
    EXPECT_EQ(upstream->key, "${env:K}");
    EXPECT_EQ(upstream->models.size(), 2u);
    EXPECT_EQ(upstream->deadlines.ttft.count(), 2'000);
    EXPECT_EQ(upstream_from_json(to_json(*upstream))->deadlines.ttft.count(), 2'000);
    EXPECT_EQ(resolve_secret(upstream->key, {{"K", "s"}}).value(), "s");

    const auto alias =
        alias_from_json(json::parse_object(R"({"name":"x","arms":[{"target":"m","weight":3}]})").value());
    ASSERT_TRUE(alias) << alias.error().message();
    EXPECT_EQ(json::serialize(to_json(alias_from_json(to_json(*alias)).value())), json::serialize(to_json(*alias)));
}

TEST(RoutingSettingsJson, ASecretInClearIsRefused) {
    const auto clear = upstream_from_json({{"name", "a"}, {"url", "http://a/v1"}, {"key", "sk-123"}});
    ASSERT_FALSE(clear);
    EXPECT_THAT(clear.error().message(), HasSubstr("must be a reference"));
    EXPECT_THAT(clear.error().message(), testing::Not(HasSubstr("sk-123")));
    EXPECT_FALSE(upstream_from_json({{"name", "a"}, {"url", "u"}, {"key", "${env:A}sk-123${env:B}"}}));
    EXPECT_THAT(alias_from_json({{"name", "a"}, {"arm", "x"}}).error().message(), HasSubstr("did you mean 'arms'"));
}

}  // namespace
}  // namespace atrium::config
