#include "app/usage/usage_log.h"

#include <gtest/gtest.h>

namespace atrium::app {
namespace {

UsageRecord record(std::string id, std::string project, std::string model, std::int64_t tokens) {
    UsageRecord made;
    made.request_id = std::move(id);
    made.project = std::move(project);
    made.key_id = "key_1";
    made.operation = "chat";
    made.model = std::move(model);
    made.upstream = "local";
    made.prompt_tokens = tokens;
    made.completion_tokens = 1;
    made.status = 200;
    return made;
}

class UsageLogTest : public testing::Test {
protected:
    void migrate() {
        const auto migrated = database_->migrate(usage_migrations());
        ASSERT_TRUE(migrated) << migrated.error().to_string();
    }
    std::vector<UsageTotal> totals(std::string project) {
        const auto now = unix_seconds(clock_.system());
        return run_blocking(log_.totals(std::move(project), now - 10, now + 10)).value();
    }

    ManualClock clock_;
    std::unique_ptr<sql::Database> database_ = sql::Database::open("sqlite://:memory:").value();
    UsageLog log_{*database_, clock_, 3};
};

TEST_F(UsageLogTest, AddsUpPerProjectAndModel) {
    migrate();
    log_.record(record("r1", "p1", "small", 5));
    log_.record(record("r2", "p1", "large", 50));
    log_.record(record("r3", "p2", "small", 500));
    EXPECT_EQ(run_blocking(log_.flush()).value(), 3u);
    log_.record(record("r4", "p1", "small", 6));
    EXPECT_EQ(run_blocking(log_.flush()).value(), 1u);
    const auto sums = totals("p1");
    ASSERT_EQ(sums.size(), 2u);
    EXPECT_EQ(sums[0].model, "large");
    EXPECT_EQ(sums[1].requests, 2);
    EXPECT_EQ(sums[1].prompt_tokens, 11);
    EXPECT_EQ(sums[1].completion_tokens, 2);
}

TEST_F(UsageLogTest, ARequestCountsOnce) {
    migrate();
    log_.record(record("r1", "p1", "m", 5));
    ASSERT_TRUE(run_blocking(log_.flush()));
    log_.record(record("r1", "p1", "m", 5));
    ASSERT_TRUE(run_blocking(log_.flush()));
    EXPECT_EQ(totals("p1")[0].requests, 1);
}

TEST_F(UsageLogTest, WhatCannotBeWrittenWaits) {
    log_.record(record("r1", "p1", "m", 5));
    EXPECT_FALSE(run_blocking(log_.flush()));  // no table yet
    EXPECT_EQ(log_.queued(), 1u);
    migrate();
    EXPECT_EQ(run_blocking(log_.flush()).value(), 1u);
    EXPECT_EQ(log_.queued(), 0u);
}

TEST_F(UsageLogTest, TheQueueIsBounded) {
    for (int i = 0; i < 5; ++i) log_.record(record("r" + std::to_string(i), "p1", "m", 1));
    EXPECT_EQ(log_.queued(), 3u);
    EXPECT_EQ(log_.dropped(), 2u);
}

TEST_F(UsageLogTest, RunFlushesWhenStopped) {
    migrate();
    log_.record(record("r1", "p1", "m", 5));
    StopSource stop;
    stop.request_stop();
    run_until_complete(log_.run(stop.get_token()));
    EXPECT_EQ(log_.queued(), 0u);
    EXPECT_EQ(totals("p1")[0].requests, 1);
}

}  // namespace
}  // namespace atrium::app
