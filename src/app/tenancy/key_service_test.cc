#include "app/tenancy/key_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "app/tenancy/grant.h"
#include "app/tenancy/member_service.h"
#include "app/tenancy/policy_service.h"
#include "app/tenancy/project_service.h"
#include "app/tenancy/tenancy_fixture.h"

namespace atrium::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class KeyServiceTest : public testing::TenancyFixture {
protected:
    NewKey make(const Administrator& by, KeySpec spec) {
        auto made = run_blocking(keys_.create(by, std::move(spec)));
        EXPECT_TRUE(made) << made.error().to_string();
        return made.value_or(NewKey{});
    }
    Result<NewKey> attempt(const Administrator& by, KeySpec spec) {
        return run_blocking(keys_.create(by, std::move(spec)));
    }
    /// The administrator that calls with this secret.
    Administrator as(const std::string& secret) { return {tenancy_->authenticate(secret).value(), "req_1", "::1"}; }
    static KeySpec in(std::string project, std::string name = "k") {
        KeySpec spec;
        spec.name = std::move(name);
        spec.project = std::move(project);
        return spec;
    }

    KeyService keys_{*tenancy_};
    const std::string project_{Tenancy::kDefaultProject};
};

TEST_F(KeyServiceTest, APrincipalCarriesScopesOwnerAndPolicy) {
    auto spec = in(project_);
    spec.scopes = ScopeSet::parse({"inference"}).value();
    spec.models = ModelPatterns{"gpt-*"};
    spec.limits.requests_per_minute = 7;
    const auto made = make({}, spec);
    ASSERT_TRUE(run_blocking(PolicyService(*tenancy_).update({}, SubjectKind::kProject, project_, "limits.updated",
                                                             [](SubjectPolicy& policy) {
                                                                 policy.limits.concurrent = 3;
                                                                 policy.models = ModelPatterns{"*-mini"};
                                                             })));
    const auto caller = tenancy_->authenticate(made.secret).value();
    EXPECT_EQ(caller.organisation, Tenancy::kDefaultOrganisation);
    EXPECT_EQ(caller.scopes.text(), "inference");
    ASSERT_EQ(caller.policy->subjects.size(), 3u);
    EXPECT_EQ(caller.policy->subjects[0].limits.requests_per_minute, 7);
    EXPECT_EQ(caller.policy->subjects[1].kind, SubjectKind::kProject);
    EXPECT_EQ(caller.policy->subjects[1].limits.concurrent, 3);
    EXPECT_TRUE(check_model(caller, "gpt-5-mini"));
    EXPECT_FALSE(check_model(caller, "gpt-5"));
    EXPECT_FALSE(check_model(caller, "o5-mini"));
}

TEST_F(KeyServiceTest, AnExpiredKeyIsToldApart) {
    auto spec = in(project_);
    spec.expires_at = now() + 60;
    const auto made = make({}, spec);
    ASSERT_TRUE(tenancy_->authenticate(made.secret));
    clock_.advance(std::chrono::seconds(61));
    const auto refused = tenancy_->authenticate(made.secret);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::kUnauthenticated);
    EXPECT_EQ(refused.error().reason(), "key_expired");
    spec.expires_at = now();
    EXPECT_EQ(attempt({}, spec).error().field(), "expires_at");
}

TEST_F(KeyServiceTest, RotationKeepsTheOldSecretForAWhile) {
    const auto made = make({}, in(project_));
    const auto rotated = run_blocking(keys_.rotate({}, made.key.id, 60)).value();
    EXPECT_EQ(rotated.key.id, made.key.id);
    EXPECT_NE(rotated.secret, made.secret);
    EXPECT_EQ(tenancy_->authenticate(made.secret)->key_id, made.key.id);
    EXPECT_EQ(tenancy_->authenticate(rotated.secret)->key_id, made.key.id);
    clock_.advance(std::chrono::seconds(61));
    EXPECT_EQ(tenancy_->authenticate(made.secret).error().reason(), "key_expired");
    EXPECT_TRUE(tenancy_->authenticate(rotated.secret));

    const auto again = run_blocking(keys_.rotate({}, made.key.id, 0)).value();
    EXPECT_EQ(tenancy_->authenticate(rotated.secret).error().reason(), "invalid_api_key");
    EXPECT_TRUE(tenancy_->authenticate(again.secret));
    ASSERT_TRUE(run_blocking(keys_.rotate({}, made.key.id, 600)));
    ASSERT_TRUE(run_blocking(keys_.revoke({}, made.key.id)));
    EXPECT_FALSE(tenancy_->authenticate(again.secret)) << "revocation ends the grace period too";
    EXPECT_FALSE(run_blocking(keys_.rotate({}, made.key.id, -1)));
}

TEST_F(KeyServiceTest, ANewKeyInheritsWhatIsNotSaid) {
    auto spec = in(project_);
    spec.admin = true;
    spec.scopes = ScopeSet::parse({"admin.read", "admin.write", "files"}).value();
    spec.expires_at = now() + 100;
    spec.models = ModelPatterns{"a*"};
    spec.limits.tokens_per_minute = 9;
    const auto maker = make({}, spec);
    const auto child = make(as(maker.secret), in(project_)).key;
    EXPECT_EQ(child.scopes.text(), "files");
    EXPECT_EQ(child.expires_at, spec.expires_at);
    EXPECT_EQ(child.models, spec.models);
    EXPECT_EQ(child.limits.tokens_per_minute, 9);
}

TEST_F(KeyServiceTest, AProjectsAdministratorStaysInTheProject) {
    const auto other = run_blocking(tenancy_->create_project("other")).value().id;
    auto spec = in(other, "project admin");
    spec.scopes = ScopeSet::all();
    const auto admin = as(make({}, spec).secret);
    EXPECT_FALSE(admin.principal.admin);
    EXPECT_FALSE(admin.principal.organisation_admin);

    EXPECT_TRUE(attempt(admin, in(other)));
    EXPECT_EQ(attempt(admin, in(project_)).error().code(), Code::kNotFound);
    spec.admin = true;
    EXPECT_EQ(attempt(admin, spec).error().field(), "admin");
    const auto first = tenancy_->authenticate(testing::kAdminKey)->key_id;
    EXPECT_EQ(run_blocking(keys_.find(admin, first)).error().code(), Code::kNotFound);
    EXPECT_EQ(run_blocking(keys_.rotate(admin, first, 0)).error().code(), Code::kNotFound);
    EXPECT_EQ(run_blocking(keys_.revoke(admin, first)).error().code(), Code::kNotFound);
    EXPECT_EQ(run_blocking(keys_.list(admin, {.project = project_}, {})).error().code(), Code::kNotFound);
    EXPECT_EQ(run_blocking(keys_.list(admin, {}, {}))->items.size(), 2u);

    // An organisation's key inside the project stays out of reach as well.
    auto wide = in(other, "wide");
    wide.admin = true;
    const auto above = make({}, wide).key.id;
    EXPECT_EQ(run_blocking(keys_.rotate(admin, above, 0)).error().code(), Code::kNotFound);
    EXPECT_EQ(run_blocking(keys_.update(admin, above, {.name = "mine"})).error().code(), Code::kNotFound);
}

TEST_F(KeyServiceTest, RotatingAStrongerKeyIsRefused) {
    auto weak = in(project_, "weak");
    weak.admin = true;
    weak.scopes = ScopeSet::admin();
    const auto maker = as(make({}, weak).secret);
    const auto strong = make({}, in(project_, "strong")).key.id;
    EXPECT_EQ(run_blocking(keys_.rotate(maker, strong, 0)).error().reason(), "exceeds_creator");
    EXPECT_TRUE(run_blocking(keys_.update(maker, strong, {.name = "renamed"})));
    EXPECT_TRUE(run_blocking(keys_.revoke(maker, strong)));
}

// CVE-2026-47101's class: whatever is asked for, on whichever route, a key never exceeds the one that made or changed
// it.
TEST_F(KeyServiceTest, NoKeyEverExceedsItsMaker) {
    std::mt19937 random(11);
    const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    const auto other = run_blocking(tenancy_->create_project("other")).value().id;
    const std::vector<std::string> projects{project_, other};
    const std::vector<ModelPatterns> lists{{"*"}, {"a*"}, {"ab", "c"}, {"b*", "a*"}, {"ab"}, {}};
    const auto scopes = [&] {
        std::vector<std::string> names;
        for (const auto& name : ScopeSet::all().names()) {
            if (pick(2) == 0) names.push_back(name);
        }
        return ScopeSet::parse(names).value();
    };
    const auto spec_of = [&](bool administrator) {
        auto spec = in(projects[pick(2)]);
        spec.admin = pick(3) == 0;
        if (pick(4) != 0 || administrator) spec.scopes = administrator ? scopes() | ScopeSet::admin() : scopes();
        if (pick(2) == 0) spec.expires_at = now() + 10 + static_cast<std::int64_t>(pick(100));
        if (pick(2) == 0) spec.models = lists[pick(lists.size())];
        if (pick(2) == 0) spec.limits.requests_per_minute = static_cast<std::int64_t>(1 + pick(5));
        if (pick(2) == 0) spec.budget.micros_per_day = static_cast<std::int64_t>(1 + pick(5));
        return spec;
    };
    int made = 0;
    int refused = 0;
    for (int round = 0; round < 60; ++round) {
        const auto maker = make({}, spec_of(true));
        const auto by = as(maker.secret);
        const auto limit = grant_of(maker.key);
        for (int i = 0; i < 8; ++i) {
            auto child = attempt(by, spec_of(false));
            child ? ++made : ++refused;
            if (!child) continue;
            EXPECT_TRUE(require_within(grant_of(child->key), limit)) << round;
            const auto wanted = spec_of(false);
            KeyChanges changes{.scopes = wanted.scopes,
                               .expires_at = wanted.expires_at,
                               .models = wanted.models,
                               .limits = wanted.limits,
                               .budget = wanted.budget};
            if (const auto changed = run_blocking(keys_.update(by, child->key.id, changes))) {
                EXPECT_TRUE(require_within(grant_of(*changed), limit)) << round;
            }
        }
        if (const auto self = run_blocking(keys_.update(
                by, maker.key.id, {.scopes = ScopeSet::all(), .models = std::optional<ModelPatterns>()}))) {
            EXPECT_TRUE(require_within(grant_of(*self), limit)) << "nobody widens their own key";
        }
    }
    EXPECT_GT(made, 20);
    EXPECT_GT(refused, 20);
}

TEST_F(KeyServiceTest, KeysGoWithTheirOwner) {
    MemberService members(*tenancy_);
    const auto user = run_blocking(members.add_user({}, "Li@Example.com", "Li", "reader")).value();
    EXPECT_EQ(user.email, "li@example.com");
    EXPECT_EQ(run_blocking(members.add_user({}, "li@example.com", "", "reader")).error().code(), Code::kAlreadyExists);
    auto spec = in(project_);
    spec.user_id = user.id;
    EXPECT_EQ(attempt({}, spec).error().field(), "user_id") << "not a member yet";
    ASSERT_TRUE(run_blocking(members.add_to_project({}, project_, "li@example.com", "member")));
    const auto personal = make({}, spec);
    EXPECT_EQ(tenancy_->authenticate(personal.secret)->user_id, user.id);
    ASSERT_TRUE(run_blocking(members.remove_user({}, user.id)));
    EXPECT_FALSE(tenancy_->authenticate(personal.secret));

    const auto account = run_blocking(members.create_account({}, project_, "robot", true)).value();
    ASSERT_TRUE(account.key);
    EXPECT_EQ(tenancy_->authenticate(account.key->secret)->service_account_id, account.account.id);
    ASSERT_TRUE(run_blocking(members.remove_account({}, project_, account.account.id)));
    EXPECT_FALSE(tenancy_->authenticate(account.key->secret));
}

TEST_F(KeyServiceTest, ArchivingAProjectStopsItsKeys) {
    ProjectService projects(*tenancy_);
    const auto project = run_blocking(projects.create({}, "short")).value().id;
    const auto made = make({}, in(project));
    ASSERT_TRUE(run_blocking(projects.archive({}, project)));
    EXPECT_FALSE(tenancy_->authenticate(made.secret));
    EXPECT_EQ(attempt({}, in(project)).error().code(), Code::kFailedPrecondition);
    EXPECT_FALSE(run_blocking(projects.archive({}, project_)));
}

TEST_F(KeyServiceTest, OrganisationsDoNotSeeEachOther) {
    ProjectService projects(*tenancy_);
    const auto made = run_blocking(projects.create_organisation({}, "Beta")).value();
    const auto beta = as(made.key.secret);
    EXPECT_TRUE(beta.principal.organisation_admin);
    EXPECT_FALSE(beta.principal.admin) << "administers its organisation, not the installation";
    EXPECT_EQ(run_blocking(projects.list(beta, true, {}))->items.size(), 1u);
    EXPECT_EQ(run_blocking(projects.find(beta, project_)).error().code(), Code::kNotFound);
    EXPECT_EQ(run_blocking(projects.find({}, made.project.id)).error().code(), Code::kNotFound);
    EXPECT_EQ(attempt(beta, in(project_)).error().code(), Code::kNotFound);
    EXPECT_EQ(run_blocking(keys_.list(beta, {}, {}))->items.size(), 1u);
    EXPECT_EQ(run_blocking(projects.create_organisation(beta, "Gamma")).error().code(), Code::kPermissionDenied);
    EXPECT_EQ(run_blocking(keys_.revoke(beta, made.key.key.id)).error().code(), Code::kFailedPrecondition);
}

TEST_F(KeyServiceTest, UseIsRecordedWithoutSql) {
    const auto made = make({}, in(project_));
    EXPECT_FALSE(run_blocking(keys_.find({}, made.key.id))->last_used_at);
    ASSERT_TRUE(tenancy_->authenticate(made.secret));
    EXPECT_EQ(run_blocking(keys_.find({}, made.key.id))->last_used_at, now());
    EXPECT_EQ(run_blocking(tenancy_->flush_activity()).value(), 1u);
    EXPECT_EQ(run_blocking(tenancy_->flush_activity()).value(), 0u);
    Tenancy restarted(*database_, clock_);
    EXPECT_EQ(run_blocking(KeyService(restarted).find({}, made.key.id))->last_used_at, now());
}

TEST_F(KeyServiceTest, EveryChangeIsAudited) {
    const auto made = make(as(std::string(testing::kAdminKey)), in(project_));
    ASSERT_TRUE(run_blocking(keys_.update({}, made.key.id, {.name = "renamed"})));
    const auto rotated = run_blocking(keys_.rotate({}, made.key.id, 5)).value();
    ASSERT_TRUE(run_blocking(keys_.revoke({}, made.key.id)));
    const auto page =
        run_blocking(tenancy_->audit().list({.organisation = std::string(Tenancy::kDefaultOrganisation)})).value();
    std::vector<std::string> types;
    for (const auto& record : page.items) {
        types.emplace_back(json::string_or(record.content, "type"));
        EXPECT_THAT(record.link.record, Not(HasSubstr(made.secret)));
        EXPECT_THAT(record.link.record, Not(HasSubstr(rotated.secret)));
    }
    EXPECT_EQ(types,
              (std::vector<std::string>{"api_key.deleted", "api_key.rotated", "api_key.updated", "api_key.created"}));
    EXPECT_THAT(page.items.back().link.record, HasSubstr("\"request_id\":\"req_1\""));
    EXPECT_EQ(run_blocking(tenancy_->audit().verify())->problem, "");
    EXPECT_FALSE(run_blocking(keys_.create({}, in("proj_nothere"))));
    EXPECT_EQ(run_blocking(tenancy_->audit().verify())->records, 4) << "what failed leaves no record";
}

}  // namespace
}  // namespace atrium::app
