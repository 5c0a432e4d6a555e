#include <gtest/gtest.h>

#include <filesystem>

#include "app/tenancy/key_service.h"
#include "app/tenancy/tenancy_fixture.h"
#include "base/id.h"
#include "platform/sql/test_postgresql.h"

namespace atrium::app {
namespace {

/// Two gateways with a connection each to one database. What each promises must hold for the other within a second; the
/// poll is half of one, so one turn of it must do.
void one_learns_from_the_other(const std::string& url) {
    auto database_a = sql::Database::open(url).value();
    auto database_b = sql::Database::open(url).value();
    const auto migrated = database_a->migrate(testing::migrations());
    ASSERT_TRUE(migrated) << migrated.error().to_string();
    Tenancy a(*database_a, system_clock());
    Tenancy b(*database_b, system_clock());
    ASSERT_TRUE(a.bootstrap(testing::kAdminKey));
    ASSERT_TRUE(b.bootstrap("sk-atrium-a-second-first-key"));
    EXPECT_TRUE(b.authenticate(testing::kAdminKey)) << "the second one found the first one's key";
    EXPECT_FALSE(run_blocking(b.refresh()).value()) << "nothing has changed";

    const auto made = run_blocking(a.create_key(std::string(Tenancy::kDefaultProject), "k", false)).value();
    EXPECT_TRUE(run_blocking(b.refresh()).value());
    EXPECT_TRUE(b.authenticate(made.secret));
    EXPECT_FALSE(run_blocking(b.refresh()).value());

    ASSERT_TRUE(run_blocking(KeyService(b).revoke({}, made.key.id)));
    EXPECT_FALSE(b.authenticate(made.secret)) << "at once where it was done";
    EXPECT_TRUE(run_blocking(a.refresh()).value());
    EXPECT_FALSE(a.authenticate(made.secret));

    // Both change at once: nothing is lost, and the audit log stays one chain.
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(run_blocking(a.create_project("of a")));
        ASSERT_TRUE(run_blocking(b.create_project("of b")));
    }
    EXPECT_EQ(run_blocking(a.list_projects())->size(), 11u);
    EXPECT_EQ(run_blocking(b.audit().verify())->problem, "");
}

TEST(TwoGateways, OnOneSqliteFile) {
    const auto folder = std::filesystem::temp_directory_path() / new_id("atrium-tenancy-");
    std::filesystem::create_directory(folder);
    one_learns_from_the_other("sqlite:///" + (folder / "atrium.db").string());
    std::filesystem::remove_all(folder);
}

TEST(TwoGateways, OnOnePostgresql) {
    std::string why_not;
    const auto server = sql::TestPostgresql::start(why_not);
    if (!server) GTEST_SKIP() << why_not;
    one_learns_from_the_other(server->url());
}

}  // namespace
}  // namespace atrium::app
