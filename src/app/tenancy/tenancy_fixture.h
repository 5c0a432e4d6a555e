#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/governance/audit_log.h"
#include "app/tenancy/migrations.h"
#include "app/tenancy/tenancy.h"

/// For tests only: tenancy on SQLite in memory, with one admin key.
namespace atrium::app::testing {

constexpr std::string_view kAdminKey = "sk-atrium-first-admin-key";

inline std::vector<sql::Migration> migrations() {
    std::vector<sql::Migration> all(tenancy_migrations().begin(), tenancy_migrations().end());
    all.insert(all.end(), audit_migrations().begin(), audit_migrations().end());
    return all;
}

class TenancyFixture : public ::testing::Test {
protected:
    TenancyFixture() {
        const auto migrated = database_->migrate(migrations());
        EXPECT_TRUE(migrated) << migrated.error().to_string();
        const auto started = tenancy_->bootstrap(kAdminKey);
        EXPECT_TRUE(started) << started.error().to_string();
    }
    std::int64_t now() const { return unix_seconds(clock_.system()); }

    ManualClock clock_;
    std::unique_ptr<sql::Database> database_ = sql::Database::open("sqlite://:memory:").value();
    std::unique_ptr<Tenancy> tenancy_ = std::make_unique<Tenancy>(*database_, clock_);
};

}  // namespace atrium::app::testing
