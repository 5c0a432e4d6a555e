#include "app/tenancy/tenancy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/tenancy/tenancy_fixture.h"

namespace atrium::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using app::testing::kAdminKey;
using TenancyTest = app::testing::TenancyFixture;

TEST_F(TenancyTest, BootstrapMakesAnAdminOfTheDefaultProject) {
    const auto admin = tenancy_->authenticate(kAdminKey);
    ASSERT_TRUE(admin);
    EXPECT_EQ(admin->project, Tenancy::kDefaultProject);
    EXPECT_TRUE(admin->admin);
    EXPECT_TRUE(tenancy_->has_admin_key().value());
}

TEST_F(TenancyTest, BootstrapAgainChangesNothing) {
    Tenancy restarted(*database_, clock_);
    ASSERT_TRUE(restarted.bootstrap("sk-atrium-another"));
    EXPECT_TRUE(restarted.authenticate(kAdminKey));
    EXPECT_FALSE(restarted.authenticate("sk-atrium-another"));
    EXPECT_EQ(run_blocking(restarted.list_projects())->size(), 1u);
}

TEST_F(TenancyTest, AnUnknownKeyIsRefusedWithoutRepeatingIt) {
    const auto refused = tenancy_->authenticate("sk-atrium-0123456789012345678901234567890123456789abcdef");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::kUnauthenticated);
    EXPECT_EQ(refused.error().reason(), "invalid_api_key");
    EXPECT_THAT(refused.error().message(), Not(HasSubstr("01234567890123456789")));
}

TEST_F(TenancyTest, KeysBelongToTheirProject) {
    const auto project = run_blocking(tenancy_->create_project(" 研发 ")).value();
    EXPECT_EQ(project.name, "研发");
    const auto made = run_blocking(tenancy_->create_key(project.id, "ci", false)).value();
    const auto caller = tenancy_->authenticate(made.secret);
    ASSERT_TRUE(caller);
    EXPECT_EQ(caller->project, project.id);
    EXPECT_EQ(caller->key_id, made.key.id);
    EXPECT_FALSE(caller->admin);
    EXPECT_THAT(made.secret, Not(HasSubstr(made.key.redacted)));
    EXPECT_EQ(run_blocking(tenancy_->list_keys(project.id))->size(), 1u);

    Tenancy restarted(*database_, clock_);
    ASSERT_TRUE(restarted.bootstrap(kAdminKey));
    EXPECT_TRUE(restarted.authenticate(made.secret));
}

TEST_F(TenancyTest, TheSecretIsNotInTheDatabase) {
    const auto made = run_blocking(tenancy_->create_key(std::string(Tenancy::kDefaultProject), "k", false)).value();
    const auto count = database_->read_now<std::int64_t>([&](sql::Session& session) -> Result<std::int64_t> {
        TRY_ASSIGN(auto row, session.query_one("SELECT COUNT(*) AS n FROM api_keys WHERE hash = :s OR redacted = :s",
                                               {{"s", made.secret}}));
        return row->integer("n");
    });
    EXPECT_EQ(count.value(), 0);
}

TEST_F(TenancyTest, RevocationWorksAtOnce) {
    const std::string project(Tenancy::kDefaultProject);
    const auto made = run_blocking(tenancy_->create_key(project, "k", false)).value();
    ASSERT_TRUE(tenancy_->authenticate(made.secret));
    ASSERT_TRUE(run_blocking(tenancy_->revoke_key(project, made.key.id)));
    EXPECT_FALSE(tenancy_->authenticate(made.secret));
    EXPECT_EQ(run_blocking(tenancy_->revoke_key(project, made.key.id)).error().code(), Code::kNotFound);

    Tenancy restarted(*database_, clock_);
    ASSERT_TRUE(restarted.bootstrap(kAdminKey));
    EXPECT_FALSE(restarted.authenticate(made.secret));
}

TEST_F(TenancyTest, OneProjectCannotRevokeAnothersKey) {
    const auto other = run_blocking(tenancy_->create_project("other")).value();
    const auto made = run_blocking(tenancy_->create_key(std::string(Tenancy::kDefaultProject), "k", false)).value();
    EXPECT_EQ(run_blocking(tenancy_->revoke_key(other.id, made.key.id)).error().code(), Code::kNotFound);
    EXPECT_TRUE(tenancy_->authenticate(made.secret));
}

TEST_F(TenancyTest, TheLastAdminKeyStays) {
    const std::string project(Tenancy::kDefaultProject);
    const auto first = tenancy_->authenticate(kAdminKey)->key_id;
    EXPECT_EQ(run_blocking(tenancy_->revoke_key(project, first)).error().code(), Code::kFailedPrecondition);
    const auto second = run_blocking(tenancy_->create_key(project, "second", true));
    ASSERT_TRUE(second);
    EXPECT_TRUE(run_blocking(tenancy_->revoke_key(project, first)));
    EXPECT_FALSE(tenancy_->authenticate(kAdminKey));
}

TEST_F(TenancyTest, BadNamesAndUnknownProjectsAreRefused) {
    EXPECT_EQ(run_blocking(tenancy_->create_project("  ")).error().field(), "name");
    EXPECT_FALSE(run_blocking(tenancy_->create_project(std::string(201, 'x'))));
    EXPECT_FALSE(run_blocking(tenancy_->create_project("a\nb")));
    EXPECT_EQ(run_blocking(tenancy_->create_key("proj_nothere", "k", false)).error().code(), Code::kNotFound);
    EXPECT_EQ(run_blocking(tenancy_->list_keys("proj_nothere")).error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace atrium::app
