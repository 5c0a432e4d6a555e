#include "app/governance/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace atrium::app {
namespace {

using testing::HasSubstr;
using testing::Not;

class AuditLogTest : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(database_->migrate(audit_migrations())); }

    void append(const std::string& type, const std::string& object, const std::string& organisation = "org_a",
                json::value after = nullptr) {
        const AuditActor actor{
            .organisation = organisation, .key_id = "key_1", .key_name = "ops", .request_id = "req_1", .ip = "::1"};
        const AuditEvent event{type, "proj_1", object, nullptr, std::move(after)};
        const auto done =
            database_->write_now<void>([&](sql::Session& session) { return log_.append(session, actor, event); });
        ASSERT_TRUE(done) << done.error().to_string();
        clock_.advance(std::chrono::seconds(1));
    }
    void tamper(std::string_view sql) {
        ASSERT_TRUE(database_->write_now<void>([&](sql::Session& session) -> Result<> {
            TRY(session.execute(sql));
            return {};
        }));
    }
    std::string problem() { return run_blocking(log_.verify()).value().problem; }
    std::vector<std::string> objects(AuditQuery query) {
        std::vector<std::string> found;
        for (const auto& record : run_blocking(log_.list(std::move(query))).value().items) {
            found.emplace_back(json::string_or(record.content, "object"));
        }
        return found;
    }

    ManualClock clock_;
    std::unique_ptr<sql::Database> database_ = sql::Database::open("sqlite://:memory:").value();
    AuditLog log_{*database_, clock_};
};

TEST_F(AuditLogTest, AWholeLogVerifies) {
    EXPECT_EQ(problem(), "");
    for (int i = 0; i < 1200; ++i) append("project.created", std::to_string(i));
    const auto report = run_blocking(log_.verify()).value();
    EXPECT_EQ(report.records, 1200);
    EXPECT_EQ(report.problem, "");
    EXPECT_EQ(report.head.size(), 64u);
}

TEST_F(AuditLogTest, FlippedDeletedAndReorderedRowsAreNoticed) {
    const std::vector<std::string_view> attacks{
        "UPDATE audit_log SET record = replace(record, 'ops', 'opz') WHERE number = 2",
        "UPDATE audit_log SET type = 'user.added' WHERE number = 2",
        "UPDATE audit_log SET organization_id = 'org_b' WHERE number = 2",
        "UPDATE audit_log SET at = at + 1 WHERE number = 2",
        "UPDATE audit_log SET hash = previous_hash WHERE number = 2",
        "DELETE FROM audit_log WHERE number = 1",
        "DELETE FROM audit_log WHERE number = 2",
        "DELETE FROM audit_log WHERE number = 3",
        "DELETE FROM audit_log",
        "UPDATE audit_log SET number = CASE number WHEN 1 THEN -2 WHEN 2 THEN -1 ELSE number END",
        "UPDATE audit_head SET number = 2",
        "DELETE FROM audit_head",
    };
    for (const auto attack : attacks) {
        database_ = sql::Database::open("sqlite://:memory:").value();
        ASSERT_TRUE(database_->migrate(audit_migrations()));
        AuditLog log(*database_, clock_);
        for (const char* object : {"a", "b", "c"}) {
            ASSERT_TRUE(database_->write_now<void>([&](sql::Session& session) {
                return log.append(session, {.key_id = "key_1", .key_name = "ops"},
                                  {"project.created", "", object, {}, {}});
            }));
        }
        ASSERT_EQ(run_blocking(log.verify())->problem, "");
        tamper(attack);
        EXPECT_NE(run_blocking(log.verify())->problem, "") << attack;
    }
}

TEST_F(AuditLogTest, ARolledBackChangeLeavesNoRecord) {
    const auto failed = database_->write_now<void>([&](sql::Session& session) -> Result<> {
        TRY(log_.append(session, {}, {"project.created", "", "p", {}, {}}));
        return fail(aborted("no"));
    });
    ASSERT_FALSE(failed);
    EXPECT_EQ(run_blocking(log_.verify())->records, 0);
    EXPECT_EQ(problem(), "");
}

TEST_F(AuditLogTest, SecretsStayOut) {
    append("api_key.created", "key_9", "org_a",
           json::object{{"name", "k"}, {"secret", "sk-1"}, {"list", {{{"value", "sk-2"}}}}});
    const auto page = run_blocking(log_.list({.organisation = "org_a"})).value();
    ASSERT_EQ(page.items.size(), 1u);
    EXPECT_THAT(page.items[0].link.record, Not(HasSubstr("sk-")));
    EXPECT_THAT(page.items[0].link.record, HasSubstr("\"name\":\"k\""));
}

TEST_F(AuditLogTest, ListsAreFilteredAndPaged) {
    append("project.created", "a");
    append("project.archived", "b");
    append("api_key.created", "c");
    append("project.created", "x", "org_b");
    EXPECT_EQ(objects({.organisation = "org_a"}), (std::vector<std::string>{"c", "b", "a"}));
    EXPECT_EQ(objects({.organisation = "org_a", .types = {"project.created", "api_key.created"}}),
              (std::vector<std::string>{"c", "a"}));
    EXPECT_EQ(objects({.organisation = "org_a", .actors = {"key_2"}}), std::vector<std::string>{});
    EXPECT_EQ(objects({.organisation = "org_a", .objects = {"b"}}), std::vector<std::string>{"b"});
    const auto start = unix_seconds(ManualClock().system());
    EXPECT_EQ(objects({.organisation = "org_a", .from = start + 1, .to = start + 2}), std::vector<std::string>{"b"});

    const auto first = run_blocking(log_.list({.organisation = "org_a", .limit = 1})).value();
    EXPECT_TRUE(first.has_more);
    const auto id = first.items.front().id;
    EXPECT_EQ(objects({.organisation = "org_a", .after = id}), (std::vector<std::string>{"b", "a"}));
    EXPECT_EQ(run_blocking(log_.list({.organisation = "org_b", .after = id})).error().field(), "after");
    const auto last = run_blocking(log_.list({.organisation = "org_a", .after = id, .limit = 5})).value();
    EXPECT_FALSE(last.has_more);
    EXPECT_EQ(objects({.organisation = "org_a", .before = last.items.back().id, .limit = 1}),
              std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace atrium::app
