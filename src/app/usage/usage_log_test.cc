#include "app/usage/usage_log.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cerrno>

#include "app/usage/schema.h"
#include "app/usage/usage_report.h"
#include "platform/fs/fault_fs.h"

namespace atrium::app {
namespace {

UsageRecord record(std::string id, std::string project, std::string model, std::int64_t tokens) {
    UsageRecord made;
    made.request_id = std::move(id);
    made.organisation = "org_1";
    made.project = std::move(project);
    made.key_id = "key_1";
    made.operation = "chat";
    made.model = std::move(model);
    made.upstream = "local";
    made.tokens.fresh_input = tokens;
    made.tokens.output = 1;
    made.cost_micros = tokens * 10;
    made.status = 200;
    return made;
}

class UsageLogTest : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "usage-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    void migrate() {
        const auto migrated = database_->migrate(usage_migrations());
        ASSERT_TRUE(migrated) << migrated.error().to_string();
    }
    std::unique_ptr<UsageLog> make(bool journal = false, std::size_t capacity = 3) {
        UsageLog::Options options;
        options.capacity = capacity;
        if (journal) options.journal = UsageJournal::open(fs_, {folder_}).value();
        return std::make_unique<UsageLog>(*database_, clock_, std::move(options));
    }
    std::vector<UsageRow> totals(std::string project) {
        const auto now = unix_seconds(clock_.system());
        return run_blocking(report_.totals(now - 10, now + 10,
                                           {std::string("org_1"), {{UsageDimension::kProject, {std::move(project)}}}},
                                           {UsageDimension::kModel}))
            .value();
    }
    std::int64_t spent(std::string subject) {
        return database_
            ->read_now<std::int64_t>([&](sql::Session& session) -> Result<std::int64_t> {
                TRY_ASSIGN(auto row, session.query_one("SELECT spent_micros FROM budget_spend WHERE subject = :s AND "
                                                       "period = 'day'",
                                                       {{"s", subject}}));
                return row ? row->integer("spent_micros") : 0;
            })
            .value();
    }

    ManualClock clock_;
    FaultFs fs_{machine_fs()};
    Path folder_;
    std::unique_ptr<sql::Database> database_ = sql::Database::open("sqlite://:memory:").value();
    UsageReport report_{*database_};
};

TEST_F(UsageLogTest, AddsUpPerProjectAndModel) {
    migrate();
    auto log = make();
    log->record(record("r1", "p1", "small", 5));
    log->record(record("r2", "p1", "large", 50));
    log->record(record("r3", "p2", "small", 500));
    EXPECT_EQ(run_blocking(log->flush()).value(), 3u);
    log->record(record("r4", "p1", "small", 6));
    EXPECT_EQ(run_blocking(log->flush()).value(), 1u);
    const auto sums = totals("p1");
    ASSERT_EQ(sums.size(), 2u);
    EXPECT_EQ(sums[0].group[0], "large");
    EXPECT_EQ(sums[1].sums.requests, 2);
    EXPECT_EQ(sums[1].sums.tokens.fresh_input, 11);
    EXPECT_EQ(sums[1].sums.tokens.output, 2);
    EXPECT_EQ(spent("project:p1"), 610);
    EXPECT_EQ(spent("organization:org_1"), 5610);
    EXPECT_EQ(spent("user:"), 0);
}

TEST_F(UsageLogTest, ARequestCountsOnce) {
    migrate();
    auto log = make();
    for (int i = 0; i < 2; ++i) {
        log->record(record("r1", "p1", "m", 5));
        ASSERT_TRUE(run_blocking(log->flush()));
    }
    EXPECT_EQ(totals("p1")[0].sums.requests, 1);
    EXPECT_EQ(spent("key:key_1"), 50);
}

TEST_F(UsageLogTest, WhatCannotBeWrittenWaitsInMemory) {
    auto log = make();
    log->record(record("r1", "p1", "m", 5));
    EXPECT_FALSE(run_blocking(log->flush()));  // no table yet
    EXPECT_EQ(log->queued(), 1u);
    migrate();
    EXPECT_EQ(run_blocking(log->flush()).value(), 1u);
    EXPECT_EQ(log->queued(), 0u);
}

TEST_F(UsageLogTest, TheJournalKeepsWhatTheDatabaseDoesNotTake) {
    {
        auto log = make(true);
        for (int i = 0; i < 10; ++i) {
            log->record(record("r" + std::to_string(i), "p1", "m", 1));
            EXPECT_FALSE(run_blocking(log->flush()));
        }
        EXPECT_EQ(log->queued(), 0u);
        EXPECT_EQ(log->dropped(), 0u);
    }
    migrate();
    auto next_run = make(true);
    next_run->recover();
    EXPECT_EQ(totals("p1")[0].sums.requests, 10);
    EXPECT_EQ(run_blocking(next_run->flush()).value(), 0u);
}

TEST_F(UsageLogTest, ACrashBetweenTableAndJournalCountsNothingTwice) {
    migrate();
    {
        auto log = make(true);
        log->record(record("r1", "p1", "m", 1));
        fs_.fail_at(FaultFs::Op::kRemove, 0, EIO);
        ASSERT_TRUE(run_blocking(log->flush()));
    }
    make(true)->recover();
    EXPECT_EQ(totals("p1")[0].sums.requests, 1);
}

TEST_F(UsageLogTest, WithoutADiskTheDatabaseStillGetsThem) {
    migrate();
    auto log = make(true);
    fs_.fail_at(FaultFs::Op::kSync, 0, ENOSPC);
    log->record(record("r1", "p1", "m", 1));
    EXPECT_FALSE(run_blocking(log->flush()));
    ASSERT_TRUE(run_blocking(log->flush()));
    EXPECT_EQ(totals("p1")[0].sums.requests, 1);
}

TEST_F(UsageLogTest, MemoryIsBounded) {
    auto log = make();
    for (int i = 0; i < 5; ++i) log->record(record("r" + std::to_string(i), "p1", "m", 1));
    EXPECT_EQ(log->queued(), 3u);
    EXPECT_EQ(log->dropped(), 2u);
}

TEST_F(UsageLogTest, RunFlushesWhenStopped) {
    migrate();
    auto log = make(true);
    log->record(record("r1", "p1", "m", 5));
    StopSource stop;
    stop.request_stop();
    run_until_complete(log->run(stop.get_token()));
    EXPECT_EQ(log->queued(), 0u);
    EXPECT_EQ(totals("p1")[0].sums.requests, 1);
}

}  // namespace
}  // namespace atrium::app
