#include "app/usage/usage_report.h"

#include <gtest/gtest.h>

#include "app/usage/internal/record_writer.h"
#include "app/usage/schema.h"

namespace atrium::app {
namespace {

constexpr std::int64_t kDay = 1'800'057'600;  // 2027-01-16 00:00:00

class UsageReportTest : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(database_->migrate(usage_migrations())); }

    void add(std::int64_t second, std::string project, std::string model, std::int64_t tokens,
             std::string organisation = "org_1", int status = 200, std::string operation = "chat") {
        UsageRecord record;
        record.request_id = "r" + std::to_string(++number_);
        record.organisation = std::move(organisation);
        record.project = std::move(project);
        record.key_id = "key_1";
        record.operation = std::move(operation);
        record.model = std::move(model);
        record.tokens.fresh_input = tokens;
        record.cost_micros = tokens;
        record.status = status;
        record.at = second * 1000 + 999;
        RecordWriter writer;
        const auto written = database_->write_now<std::size_t>(
            [&](sql::Session& session) { return writer.write(session, std::span(&record, 1)); });
        ASSERT_TRUE(written) << written.error().to_string();
    }
    std::int64_t total(std::int64_t from, std::int64_t to, UsageFilter filter = {}) {
        const auto rows = run_blocking(report_.totals(from, to, std::move(filter), {})).value();
        return rows.empty() ? 0 : rows[0].sums.tokens.fresh_input;
    }

    int number_ = 0;
    std::unique_ptr<sql::Database> database_ = sql::Database::open("sqlite://:memory:").value();
    UsageReport report_{*database_};
};

TEST_F(UsageReportTest, BucketsOfEveryWidthAgree) {
    for (int minute = 0; minute < 3 * 24 * 60; minute += 30) add(kDay + minute * 60, "p", "m", 1);
    for (const auto width : {BucketWidth::kMinute, BucketWidth::kHour, BucketWidth::kDay}) {
        const auto rows = run_blocking(report_.buckets(width, kDay, kDay + 86400, {}, {})).value();
        std::int64_t sum = 0;
        for (const auto& row : rows) {
            EXPECT_EQ(row.bucket % bucket_seconds(width), 0);
            EXPECT_GE(row.bucket, kDay);
            EXPECT_LT(row.bucket, kDay + 86400);
            sum += row.sums.requests;
        }
        EXPECT_EQ(sum, 48);
        EXPECT_EQ(rows.size(), width == BucketWidth::kMinute ? 48u : width == BucketWidth::kHour ? 24u : 1u);
    }
}

TEST_F(UsageReportTest, TotalsOfAnyPeriodAreExact) {
    for (int minute = 0; minute < 4 * 24 * 60; minute += 10) add(kDay + minute * 60, "p", "m", 1);
    for (const auto& [from, to] : std::vector<std::pair<int, int>>{
             {0, 4 * 1440}, {5, 4 * 1440 - 5}, {61, 119}, {119, 121}, {30, 1440}, {1439, 1441}, {1500, 4500}, {7, 7}}) {
        std::int64_t expected = 0;
        for (int minute = 0; minute < 4 * 1440; minute += 10) expected += minute >= from && minute < to;
        EXPECT_EQ(total(kDay + from * 60, kDay + to * 60), expected) << from << " " << to;
    }
}

TEST_F(UsageReportTest, FiltersByEveryDimensionAndGroups) {
    add(kDay, "p1", "small", 1);
    add(kDay, "p1", "large", 10);
    add(kDay, "p2", "small", 100, "org_1", 503);
    add(kDay, "p3", "small", 1000, "org_2", 200, "embeddings");
    const auto of = [](UsageDimension dimension, std::vector<std::string> values) {
        return UsageFilter{std::nullopt, {{dimension, std::move(values)}}};
    };
    EXPECT_EQ(total(kDay, kDay + 1), 1111);
    EXPECT_EQ(total(kDay, kDay + 1, {std::string("org_1"), {}}), 111);
    EXPECT_EQ(total(kDay, kDay + 1, of(UsageDimension::kProject, {"p1", "p2", "p4"})), 111);
    EXPECT_EQ(total(kDay, kDay + 1, of(UsageDimension::kStatusClass, {"5"})), 100);
    EXPECT_EQ(total(kDay, kDay + 1, of(UsageDimension::kOperation, {"embeddings"})), 1000);
    EXPECT_EQ(total(kDay, kDay + 1, of(UsageDimension::kBatch, {"1"})), 0);
    EXPECT_EQ(total(kDay, kDay + 1, of(UsageDimension::kModel, {"' OR 1=1 --"})), 0);
    const auto rows = run_blocking(report_.totals(kDay, kDay + 1, {std::string("org_1"), {}},
                                                  {UsageDimension::kModel, UsageDimension::kStatusClass}))
                          .value();
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].group, (std::vector<std::string>{"small", "5"}));
    EXPECT_EQ(rows[0].sums.cost_micros, 100);
}

TEST_F(UsageReportTest, SingleCallsComeLatestFirst) {
    for (int i = 0; i < 5; ++i) add(kDay + i, "p1", "m", i);
    add(kDay + 9, "p2", "m", 9, "org_2");
    const auto calls = run_blocking(report_.calls(kDay, kDay + 100, {std::string("org_1"), {}}, 2)).value();
    ASSERT_EQ(calls.size(), 2u);
    EXPECT_EQ(calls[0].request_id, "r5");
    EXPECT_EQ(calls[0].project, "p1");
    EXPECT_EQ(calls[1].tokens.fresh_input, 3);
}

TEST_F(UsageReportTest, OldCallsGoAndTheirSumsStay) {
    add(kDay, "p", "m", 1);
    add(kDay + 86400, "p", "m", 10);
    EXPECT_EQ(run_blocking(report_.purge(kDay + 86400, kDay)).value(), 1);
    EXPECT_EQ(run_blocking(report_.calls(kDay, kDay + 2 * 86400, {}, 10))->size(), 1u);
    EXPECT_EQ(total(kDay, kDay + 2 * 86400), 11);
    EXPECT_EQ(run_blocking(report_.purge(kDay + 86400, kDay + 86400)).value(), 1);
    EXPECT_EQ(total(kDay, kDay + 2 * 86400), 11);
}

}  // namespace
}  // namespace atrium::app
