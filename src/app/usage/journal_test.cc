#include "app/usage/journal.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cerrno>
#include <fstream>

#include "platform/fs/fault_fs.h"

namespace atrium::app {
namespace {

UsageRecord record(int number) {
    UsageRecord made;
    made.request_id = "req_" + std::to_string(number);
    made.organisation = "org_1";
    made.project = "proj_1";
    made.key_id = "key_1";
    made.user_id = "user_1";
    made.operation = "chat";
    made.model = "模型 \"x\"\n";
    made.upstream = "local";
    made.tokens = {1, 2, 3, 4, 5};
    made.cost_micros = 6;
    made.price_version = 7;
    made.cache_hit = true;
    made.attempts = 2;
    made.status = 499;
    made.duration_ms = 8;
    made.at = 9;
    return made;
}

class JournalTest : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "journal-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::unique_ptr<UsageJournal> open(std::uint64_t segment = 1 << 20, std::uint64_t max = 1 << 30) {
        return UsageJournal::open(fs_, {folder_, segment, max}).value();
    }
    std::size_t files() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
    }

    FaultFs fs_{machine_fs()};
    Path folder_;
};

TEST_F(JournalTest, WhatWasWrittenIsReadAgainUntilReleased) {
    auto journal = open();
    const std::vector<UsageRecord> two{record(1), record(2)};
    ASSERT_TRUE(journal->append(two));
    auto batch = journal->read(10).value();
    ASSERT_EQ(batch.records.size(), 2u);
    const auto& read = batch.records[0];
    EXPECT_EQ(read.request_id, "req_1");
    EXPECT_EQ(read.model, two[0].model);
    EXPECT_EQ(read.tokens, two[0].tokens);
    EXPECT_EQ(read.cost_micros, 6);
    EXPECT_EQ(read.price_version, 7);
    EXPECT_TRUE(read.cache_hit);
    EXPECT_FALSE(read.batch);
    EXPECT_EQ(read.status, 499);
    EXPECT_EQ(journal->read(10)->records.size(), 2u);
    ASSERT_TRUE(journal->release(batch.end));
    EXPECT_TRUE(journal->read(10)->records.empty());
    EXPECT_EQ(journal->bytes(), 0u);
}

TEST_F(JournalTest, AnotherRunFindsWhatWasLeft) {
    ASSERT_TRUE(open()->append(std::vector{record(1), record(2), record(3)}));
    auto journal = open();
    auto batch = journal->read(2).value();
    EXPECT_EQ(batch.records.size(), 2u);
    ASSERT_TRUE(journal->release(batch.end));
    ASSERT_TRUE(journal->append(std::vector{record(4)}));
    batch = journal->read(10).value();
    ASSERT_EQ(batch.records.size(), 2u);
    EXPECT_EQ(batch.records[1].request_id, "req_4");
    ASSERT_TRUE(journal->release(batch.end));
    EXPECT_EQ(files(), 1u);  // the one in use
}

TEST_F(JournalTest, FullFilesAreFollowedByOthersAndRemoved) {
    auto journal = open(500);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(journal->append(std::vector{record(i)}));
    EXPECT_GT(files(), 3u);
    std::size_t seen = 0;
    while (true) {
        auto batch = journal->read(3).value();
        if (batch.records.empty()) break;
        seen += batch.records.size();
        ASSERT_TRUE(journal->release(batch.end));
    }
    EXPECT_EQ(seen, 10u);
    EXPECT_LE(files(), 1u);
}

TEST_F(JournalTest, AHalfWrittenLineIsSkipped) {
    ASSERT_TRUE(open()->append(std::vector{record(1)}));
    for (const auto& file : std::filesystem::directory_iterator(folder_)) {
        std::ofstream(file.path(), std::ios::app) << "deadbeef {\"id\":\"req_9\"}\n0123";
    }
    auto journal = open();
    ASSERT_TRUE(journal->append(std::vector{record(2)}));
    const auto batch = journal->read(10).value();
    ASSERT_EQ(batch.records.size(), 2u);
    EXPECT_EQ(batch.records[1].request_id, "req_2");
    EXPECT_EQ(batch.damaged, 2u);
}

TEST_F(JournalTest, ADiskThatRefusesCostsOneFile) {
    auto journal = open();
    ASSERT_TRUE(journal->append(std::vector{record(1)}));
    fs_.fail_at(FaultFs::Op::kSync, 0, ENOSPC);
    EXPECT_FALSE(journal->append(std::vector{record(2)}));
    ASSERT_TRUE(journal->append(std::vector{record(3)}));
    const auto batch = journal->read(10).value();
    ASSERT_EQ(batch.records.size(), 2u);
    EXPECT_EQ(batch.records[1].request_id, "req_3");
}

TEST_F(JournalTest, ItIsBounded) {
    auto journal = open(1 << 20, 400);
    ASSERT_TRUE(journal->append(std::vector{record(1), record(2)}));
    EXPECT_EQ(journal->append(std::vector{record(3)}).error().code(), Code::kResourceExhausted);
}

}  // namespace
}  // namespace atrium::app
