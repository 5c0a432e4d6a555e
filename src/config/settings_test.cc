#include "config/settings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace atrium::config {
namespace {

class SettingsTest : public testing::Test {
protected:
    void SetUp() override {
        home_ = testing::TempDir() + "atrium_config_" + std::to_string(getpid());
        std::filesystem::create_directories(home_);
        options_.environment["ATRIUM_HOME"] = home_;
    }
    void TearDown() override { std::filesystem::remove_all(home_); }

    void write(const std::string& yaml) { std::ofstream(home_ + "/atrium.yaml") << yaml; }
    std::string problem() {
        const Result<Settings> settings = load(options_);
        return settings ? "" : settings.error().message();
    }

    std::string home_;
    LoadOptions options_;
};

TEST_F(SettingsTest, DefaultsNeedNoFile) {
    const Settings settings = load(options_).value();
    EXPECT_EQ(settings.home, home_);
    EXPECT_EQ(settings.server.listen, "127.0.0.1:8080");
    EXPECT_EQ(settings.server.max_body_bytes, 32u << 20);
    EXPECT_EQ(settings.limits.concurrent, 32);
    EXPECT_TRUE(settings.models.empty());
}

TEST_F(SettingsTest, FileThenEnvironmentThenCommandLine) {
    write("server: { listen: '127.0.0.1:1', threads: 3, drain_timeout: 2m, allowed_origins: ['https://a.example', 'https://b.example'] }\n");
    EXPECT_EQ(load(options_)->server.listen, "127.0.0.1:1");
    EXPECT_EQ(load(options_)->server.allowed_origins.size(), 2u);
    EXPECT_EQ(load(options_)->server.drain_timeout, std::chrono::seconds(120));
    options_.environment["ATRIUM__SERVER__LISTEN"] = "127.0.0.1:2";
    EXPECT_EQ(load(options_)->server.listen, "127.0.0.1:2");
    options_.overrides["server.listen"] = "127.0.0.1:3";
    EXPECT_EQ(load(options_)->server.listen, "127.0.0.1:3");
    EXPECT_EQ(load(options_)->server.threads, 3);
}

TEST_F(SettingsTest, EveryMistakeIsReportedWithItsLineAndASuggestion) {
    write("server:\n  lisen: 1\n  threads: many\nsever:\n  x: 1\nmodels:\n  - { nam: a }\n");
    const std::string text = problem();
    EXPECT_NE(text.find("atrium.yaml:2: unknown key 'server.lisen', did you mean 'server.listen'?"), std::string::npos) << text;
    EXPECT_NE(text.find("atrium.yaml:3: 'server.threads' must be an integer from 1 to 256, not 'many'"), std::string::npos) << text;
    EXPECT_NE(text.find("atrium.yaml:4: unknown section 'sever', did you mean 'server'?"), std::string::npos) << text;
    EXPECT_NE(text.find("atrium.yaml:7: unknown key 'nam' in 'models', did you mean 'name'?"), std::string::npos) << text;
    EXPECT_NE(text.find("atrium.yaml:7: 'models' needs 'name'"), std::string::npos) << text;
}

TEST_F(SettingsTest, BrokenYamlMissingFileAndUnknownVariables) {
    write("server: [\n");
    EXPECT_NE(problem().find("atrium.yaml:"), std::string::npos);
    options_.file = home_ + "/nowhere.yaml";
    EXPECT_NE(problem().find("nowhere.yaml"), std::string::npos);
    options_.file.clear();
    write("");
    options_.environment["ATRIUM__SERVER__LISSEN"] = "x";
    EXPECT_NE(problem().find("did you mean 'server.listen'"), std::string::npos) << problem();
}

TEST_F(SettingsTest, SecretsAreReferencesAndStaySecret) {
    std::ofstream(home_ + "/key") << "s3cret\n";
    write("upstreams:\n  - { name: vllm, url: 'http://h/v1', key: '${file:" + home_ + "/key}', models: [a, b] }\n"
          "storage: { database: 'postgresql://u:${env:PGPASS}@h/d' }\n");
    EXPECT_NE(problem().find("PGPASS, which is not set"), std::string::npos) << problem();
    options_.environment["PGPASS"] = "hidden";
    const Settings settings = load(options_).value();
    EXPECT_EQ(settings.upstreams.at(0).key, "s3cret");
    EXPECT_EQ(settings.upstreams.at(0).models.size(), 2u);
    EXPECT_EQ(settings.storage.database, "postgresql://u:hidden@h/d");
    for (const Explanation& row : explain(options_).value()) EXPECT_EQ(row.value.find("hidden"), std::string::npos) << row.key;
}

TEST_F(SettingsTest, ExplainTellsWhereAValueComesFrom) {
    write("log:\n  level: debug\n");
    bool found = false;
    for (const Explanation& row : explain(options_).value()) {
        EXPECT_FALSE(row.description.empty()) << row.key;
        if (row.key == "log.level") {
            found = true;
            EXPECT_EQ(row.value, "debug");
            EXPECT_EQ(row.origin, "atrium.yaml:2");
            EXPECT_EQ(row.default_value, "info");
        }
    }
    EXPECT_TRUE(found);
}

TEST_F(SettingsTest, RangesAndShapesAreChecked) {
    for (const char* yaml : {"server: { listen: nonsense }", "server: { listen: '1.2.3.4:99999' }", "server: { max_body_bytes: 12 }",
                             "server: { max_body_bytes: 99999999999999999999GiB }", "server: { drain_timeout: soon }", "log: { level: loud }",
                             "storage: { database: 'oracle://x' }", "knowledge: { sample: maybe }", "server: 3", "models: 3",
                             "models: [ { name: a, slots: 0 } ]", "upstreams: [ { name: a, url: b, dialect: klingon } ]", "- a"}) {
        write(yaml);
        EXPECT_NE(problem(), "") << yaml;
    }
}

TEST_F(SettingsTest, AnUpstreamMaySpeakAnyDialect) {
    for (const char* dialect : {"openai", "openai-responses", "anthropic", "gemini", "azure", "ollama", "kserve", "cohere",
                                "jina", "tei"}) {
        write(std::string("upstreams: [ { name: a, url: 'https://host', api_version: 2024-10-21, dialect: ") + dialect +
              " } ]");
        EXPECT_EQ(problem(), "") << dialect;
    }
    write("upstreams: [ { name: a, url: 'https://host', api_version: 'a b' } ]");
    EXPECT_NE(problem(), "");
}

TEST_F(SettingsTest, LimitsBudgetsAndPrices) {
    write("storage: { cache: 'redis://h:6379/1' }\n"
          "limits: { tokens_per_minute: 5000 }\n"
          "rate_limits: [ { subject: 'model:gpt-*', requests_per_minute: 10 } ]\n"
          "budgets: [ { subject: 'project:proj_1', usd_per_day: 1.5, alert_percent: 50 } ]\n"
          "prices: [ { model: 'gpt-*', input: 2.50, output: 10, cached_input: 1.25, valid_from: 2026-01-31 } ]\n");
    const Settings settings = load(options_).value();
    EXPECT_EQ(settings.storage.cache, "redis://h:6379/1");
    EXPECT_EQ(settings.limits.tokens_per_minute, 5000);
    EXPECT_EQ(settings.rate_limits.at(0).requests_per_minute, 10);
    EXPECT_EQ(settings.budgets.at(0).micros_per_day, 1'500'000);
    EXPECT_EQ(settings.budgets.at(0).alert_percent, 50);
    const auto& price = settings.prices.at(0);
    EXPECT_EQ(price.input, 2'500'000);
    EXPECT_EQ(price.cached_input, 1'250'000);
    EXPECT_FALSE(price.cache_write);
    EXPECT_EQ(price.valid_from, 1'769'817'600);
    for (const char* yaml : {"storage: { cache: 'memcached://h' }", "rate_limits: [ { subject: gpt } ]",
                             "budgets: [ { subject: 'model:x' } ]", "prices: [ { model: x, input: much } ]",
                             "prices: [ { model: x, valid_from: 2026-02-31 } ]", "budgets: [ { subject: 'key:' } ]"}) {
        write(yaml);
        EXPECT_NE(problem(), "") << yaml;
    }
}

TEST(Home, FollowsTheEnvironment) {
    EXPECT_EQ(default_home({{"ATRIUM_HOME", "/srv/atrium"}}), "/srv/atrium");
    EXPECT_EQ(default_home({{"XDG_DATA_HOME", "/data"}, {"HOME", "/root"}}), "/data/atrium");
    EXPECT_EQ(default_home({{"HOME", "/root"}}), "/root/.local/share/atrium");
}

}  // namespace
}  // namespace atrium::config
