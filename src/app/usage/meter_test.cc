#include "app/usage/meter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/usage/schema.h"
#include "platform/async/runtime.h"

namespace atrium::app {
namespace {

using ::testing::HasSubstr;

TEST(Estimate, ReadsEveryDialect) {
    const auto chat =
        estimate_call(R"({"model":"m","messages":[{"role":"user","content":"0123456789"}],"max_tokens":50,"n":2})");
    ASSERT_TRUE(chat);
    EXPECT_EQ(chat->model, "m");
    EXPECT_EQ(chat->output_tokens, 100);
    EXPECT_NEAR(static_cast<double>(chat->prompt_tokens), 10, 4);
    EXPECT_EQ(estimate_call(R"({"model":"m","messages":[]})")->output_tokens, -1);
    EXPECT_EQ(estimate_call(R"({"model":"e","input":["a"]})")->output_tokens, 0);
    EXPECT_EQ(estimate_call(R"({"model":"m","input":"a","max_output_tokens":7})")->output_tokens, 7);
    EXPECT_FALSE(estimate_call(R"({"messages":[]})"));
    EXPECT_FALSE(estimate_call("not json"));
    const auto chinese = estimate_call(R"({"model":"m","prompt":"你好你好你好你好你好"})");
    EXPECT_NEAR(static_cast<double>(chinese->prompt_tokens), 10, 2);
    const auto image =
        estimate_call(R"({"model":"m","messages":[{"content":")" + std::string(1 << 20, 'A') + R"("}]})");
    EXPECT_LT(image->prompt_tokens, 2000);
}

TEST(Durations, AreWrittenAsOpenAiDoes) {
    using std::chrono::milliseconds;
    EXPECT_EQ(duration_text(milliseconds(12)), "12ms");
    EXPECT_EQ(duration_text(milliseconds(-3)), "0ms");
    EXPECT_EQ(duration_text(milliseconds(1500)), "1.5s");
    EXPECT_EQ(duration_text(milliseconds(6000)), "6s");
    EXPECT_EQ(duration_text(milliseconds(360'000)), "6m0s");
    EXPECT_EQ(duration_text(std::chrono::hours(25)), "25h0m0s");
}

class MeterTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(database_->migrate(usage_migrations()));
        config::ModelPriceSettings price;
        price.model = "paid*";
        price.input = 1'000'000;    // 1 millionth of a dollar per token
        price.output = 10'000'000;  // 10
        ASSERT_TRUE(prices_.synchronise({price}));
    }
    Meter& meter() {
        if (!meter_)
            meter_ = std::make_unique<Meter>(Meter::Parts{*limiter_, budgets_, prices_, log_, clock_}, policy_);
        return *meter_;
    }
    Principal caller(std::string key = "key_1") {
        Principal principal;
        principal.key_id = std::move(key);
        principal.key_name = "laptop";
        principal.project = "proj_1";
        principal.organisation = "org_1";
        return principal;
    }
    Result<> admit(Meter::Ticket& ticket, const Principal& who) { return run_blocking(meter().admit(who, ticket)); }
    Result<> admit(Meter::Ticket& ticket) { return admit(ticket, caller()); }
    Result<> reserve(Meter::Ticket& ticket, std::string model, std::int64_t prompt, std::int64_t output) {
        return run_blocking(meter().reserve(caller(), {std::move(model), prompt, output}, ticket));
    }
    std::int64_t settle(Meter::Ticket& ticket, std::string model, std::int64_t input, std::int64_t output) {
        UsageRecord record;
        record.request_id = "req_" + std::to_string(++number_);
        record.organisation = "org_1";
        record.project = "proj_1";
        record.key_id = "key_1";
        record.operation = "chat";
        record.model = std::move(model);
        record.upstream = "u";
        record.tokens.fresh_input = input;
        record.tokens.output = output;
        record.status = 200;
        return meter().settle(std::move(record), ticket);
    }
    static std::string header(Meter::Ticket::Headers headers, std::string_view name) {
        for (const auto& [key, value] : headers) {
            if (key == name) return value;
        }
        return "(none)";
    }
    void store() {
        log_.on_stored([this](const std::vector<UsageRecord>& records) { budgets_.stored(records); });
        ASSERT_TRUE(run_blocking(log_.flush()));
    }

    int number_ = 0;
    ManualClock clock_;
    metrics::Registry metrics_;
    std::unique_ptr<sql::Database> database_ = sql::Database::open("sqlite://:memory:").value();
    PriceBook prices_{*database_, clock_};
    UsageLog log_{*database_, clock_};
    BudgetLedger budgets_{*database_, clock_, metrics_};
    std::unique_ptr<RateLimiter> limiter_ = make_embedded_rate_limiter(clock_);
    Meter::Policy policy_{{0, 0, 0, 100}, {}, {}};
    std::unique_ptr<Meter> meter_;
};

TEST_F(MeterTest, SaysWhichLimitWhoseAndWhen) {
    policy_.defaults.requests_per_minute = 2;
    Meter::Ticket ticket;
    ASSERT_TRUE(admit(ticket));
    const auto headers = ticket.take_headers();
    EXPECT_EQ(header(headers, "x-ratelimit-limit-requests"), "2");
    EXPECT_EQ(header(headers, "x-ratelimit-remaining-requests"), "1");
    EXPECT_EQ(header(headers, "x-ratelimit-reset-requests"), "30s");
    ASSERT_TRUE(admit(ticket));
    Meter::Ticket third;
    const auto refused = admit(third);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason(), "rate_limit_exceeded");
    EXPECT_THAT(refused.error().message(), HasSubstr("key 'laptop' (key_1): 2 requests per minute"));
    const auto why = third.take_headers();
    EXPECT_EQ(header(why, "retry-after"), "30");
    EXPECT_EQ(header(why, "retry-after-ms"), "30000");
    EXPECT_EQ(header(why, "x-ratelimit-remaining-requests"), "0");
    EXPECT_TRUE(admit(third, caller("key_2")));
    clock_.advance(std::chrono::seconds(30));
    EXPECT_TRUE(admit(third));
}

TEST_F(MeterTest, ZeroSwitchesLimitsOff) {
    Meter::Ticket tickets[100];
    for (auto& ticket : tickets) ASSERT_TRUE(admit(ticket));
    EXPECT_TRUE(tickets[0].take_headers().empty());
}

TEST_F(MeterTest, LimitsOfAProjectAreSharedByItsKeys) {
    policy_.rate_limits = {{"project:proj_1", 2, 0, 0}};
    Meter::Ticket ticket;
    ASSERT_TRUE(admit(ticket, caller("key_1")));
    ASSERT_TRUE(admit(ticket, caller("key_2")));
    const auto refused = admit(ticket, caller("key_3"));
    EXPECT_THAT(refused.error().message(), HasSubstr("project proj_1: 2 requests per minute"));
}

TEST_F(MeterTest, ThePolicyOfTheKeyComesFirst) {
    policy_.defaults.requests_per_minute = 100;
    KeyPolicy policy;
    policy.subjects = {{SubjectKind::kKey, "key_1", {1, 0, 0}, {}}, {SubjectKind::kUser, "user_1", {5, 0, 0}, {}}};
    auto who = caller();
    who.policy = std::make_shared<const KeyPolicy>(policy);
    Meter::Ticket ticket;
    ASSERT_TRUE(admit(ticket, who));
    EXPECT_THAT(admit(ticket, who).error().message(), HasSubstr("1 requests per minute"));
}

TEST_F(MeterTest, PlacesAreFreeWhenTheTicketGoes) {
    policy_.defaults.concurrent = 1;
    auto first = std::make_unique<Meter::Ticket>();
    ASSERT_TRUE(admit(*first));
    Meter::Ticket second;
    EXPECT_EQ(admit(second).error().reason(), "concurrency_limit_exceeded");
    Meter::Ticket moved = std::move(*first);
    first.reset();
    EXPECT_FALSE(admit(second));
    moved.release();
    EXPECT_TRUE(admit(second));
}

TEST_F(MeterTest, TokensAreReservedAndSettled) {
    policy_.defaults.tokens_per_minute = 1000;
    Meter::Ticket first;
    ASSERT_TRUE(admit(first));
    ASSERT_TRUE(reserve(first, "m", 100, 500));
    EXPECT_EQ(header(first.take_headers(), "x-ratelimit-remaining-tokens"), "400");
    Meter::Ticket second;
    ASSERT_TRUE(admit(second));
    const auto refused = reserve(second, "m", 100, 500);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason(), "token_limit_exceeded");
    EXPECT_THAT(refused.error().message(), HasSubstr("1000 tokens per minute; this request may need 600"));
    settle(first, "m", 100, 50);  // 450 come back
    Meter::Ticket third;
    ASSERT_TRUE(admit(third));
    EXPECT_TRUE(reserve(third, "m", 350, 500));
    // A second reservation of one request, by a retry say, changes nothing.
    EXPECT_TRUE(reserve(third, "m", 1000, 1000));
}

TEST_F(MeterTest, AModelHasItsOwnLimit) {
    policy_.rate_limits = {{"model:big-*", 1, 0, 0}};
    Meter::Ticket tickets[3];
    for (auto& ticket : tickets) ASSERT_TRUE(admit(ticket));
    EXPECT_TRUE(reserve(tickets[0], "big-one", 1, 1));
    EXPECT_THAT(reserve(tickets[1], "big-two", 1, 1).error().message(), HasSubstr("model big-*: 1 requests"));
    EXPECT_TRUE(reserve(tickets[2], "small", 1, 1));
}

TEST_F(MeterTest, ABudgetIsNeverOverspent) {
    policy_.budgets = {{"project:proj_1", 10'000, 0, 0}};
    // 100 in and 100 out cost 1,100: nine fit at once, the tenth would not.
    std::vector<Meter::Ticket> running(9);
    for (auto& ticket : running) {
        ASSERT_TRUE(admit(ticket));
        ASSERT_TRUE(reserve(ticket, "paid", 100, 100));
    }
    Meter::Ticket tenth;
    ASSERT_TRUE(admit(tenth));
    const auto refused = reserve(tenth, "paid", 100, 100);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason(), "insufficient_quota");
    EXPECT_EQ(header(tenth.take_headers(), "x-should-retry"), "false");
    std::int64_t cost = 0;
    for (auto& ticket : running) cost += settle(ticket, "paid", 100, 100);
    EXPECT_EQ(cost, 9900);
    EXPECT_TRUE(reserve(tenth, "free", 100, 100));
    Meter::Ticket last;
    ASSERT_TRUE(admit(last));
    ASSERT_TRUE(reserve(last, "paid", 50, 5));
    settle(last, "paid", 50, 5);
    Meter::Ticket over;
    EXPECT_THAT(admit(over).error().message(), HasSubstr("budget per day of project proj_1"));
}

TEST_F(MeterTest, ABudgetBeginsAnewTheNextDay) {
    policy_.budgets = {{"key:key_1", 1000, 0, 50}};
    Meter::Ticket ticket;
    ASSERT_TRUE(admit(ticket));
    settle(ticket, "paid", 1000, 0);
    EXPECT_FALSE(admit(ticket));
    clock_.advance(std::chrono::hours(24));
    EXPECT_TRUE(admit(ticket));
}

TEST_F(MeterTest, SpendingSurvivesARestart) {
    policy_.budgets = {{"organization:org_1", 0, 1000, 50}};
    Meter::Ticket ticket;
    ASSERT_TRUE(admit(ticket));
    settle(ticket, "paid", 1000, 0);
    store();
    ASSERT_TRUE(run_blocking(budgets_.refresh()));
    EXPECT_FALSE(admit(ticket));  // neither lost nor double
    BudgetLedger next_run(*database_, clock_, metrics_);
    ASSERT_TRUE(next_run.load());
    const auto refusal = next_run.reserve({{"organization:org_1", "org_1", Period::kMonth, 1000, 50}}, 0);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->spent_micros, 1000);
}

TEST_F(MeterTest, AlertsAreWrittenOnce) {
    policy_.budgets = {{"project:proj_1", 1000, 0, 50}};
    for (int i = 0; i < 4; ++i) {
        Meter::Ticket ticket;
        ASSERT_TRUE(admit(ticket));
        settle(ticket, "paid", 200, 0);
    }
    ASSERT_TRUE(run_blocking(budgets_.refresh()));
    ASSERT_TRUE(run_blocking(budgets_.refresh()));
    const auto rows = database_->read_now<std::vector<sql::Row>>(
        [](sql::Session& session) { return session.query("SELECT * FROM alerts"); });
    ASSERT_EQ(rows->size(), 1u);
    EXPECT_EQ(rows->front().text("kind"), "budget_alert");
    EXPECT_EQ(rows->front().text("organization_id"), "org_1");
    EXPECT_THAT(rows->front().text("message"), HasSubstr("60 % of the budget per day of project:proj_1"));
}

TEST_F(MeterTest, WhatComesFromTheCacheCostsNothing) {
    UsageRecord record;
    record.request_id = "r";
    record.model = "paid";
    record.tokens.fresh_input = 100;
    record.cache_hit = true;
    Meter::Ticket ticket;
    ASSERT_TRUE(admit(ticket));
    EXPECT_EQ(meter().settle(record, ticket), 0);
    EXPECT_EQ(meter().cost("u", "paid", record.tokens), 100);
    EXPECT_FALSE(meter().cost("u", "free", record.tokens));
}

}  // namespace
}  // namespace atrium::app
