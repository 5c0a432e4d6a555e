#include "app/tenancy/policy.h"

#include <gtest/gtest.h>

#include <random>

#include "app/tenancy/principal.h"

namespace atrium::app {
namespace {

TEST(ModelPatterns, MatchWholeNames) {
    EXPECT_TRUE(covers("gpt-*", "gpt-4o"));
    EXPECT_TRUE(covers("*", ""));
    EXPECT_TRUE(covers("a*c*e", "abcde"));
    EXPECT_TRUE(covers("*-mini", "o4-mini-mini"));
    EXPECT_FALSE(covers("gpt-*", "my-gpt-4o"));
    EXPECT_FALSE(covers("gpt", "gpt-4o"));
    EXPECT_FALSE(covers("", "a"));
}

TEST(ModelPatterns, OnePatternCoversAnother) {
    EXPECT_TRUE(covers("gpt-*", "gpt-4*"));
    EXPECT_TRUE(covers("*", "a*b"));
    EXPECT_FALSE(covers("gpt-4*", "gpt-*"));
    EXPECT_FALSE(covers("gpt-4", "gpt-*"));
    EXPECT_FALSE(covers("a*b", "a*"));
}

// If outer covers inner, every name that inner matches is matched by outer.
TEST(ModelPatterns, CoveringIsSound) {
    std::mt19937 random(7);
    const auto word = [&](std::string_view alphabet, int most) {
        std::string text;
        for (int n = static_cast<int>(random() % (most + 1)); n > 0; --n) text += alphabet[random() % alphabet.size()];
        return text;
    };
    int covered = 0;
    for (int round = 0; round < 20'000; ++round) {
        const auto outer = word("ab*", 5);
        const auto inner = word("ab*", 5);
        if (!covers(outer, inner)) continue;
        ++covered;
        for (int i = 0; i < 20; ++i) {
            const auto name = word("ab", 6);
            if (covers(inner, name)) EXPECT_TRUE(covers(outer, name)) << outer << ' ' << inner << ' ' << name;
        }
    }
    EXPECT_GT(covered, 1000);
}

TEST(ModelPatterns, AreChecked) {
    EXPECT_TRUE(check_patterns({"a/b:c@1", "模型*"}, "models"));
    EXPECT_EQ(check_patterns({""}, "models").error().field(), "models");
    EXPECT_FALSE(check_patterns({std::string(201, 'x')}, "models"));
    EXPECT_FALSE(check_patterns({"a b"}, "models"));
    EXPECT_FALSE(check_patterns(ModelPatterns(101, "x"), "models"));
}

TEST(KeyPolicy, AModelMustBeInEveryListAndNotDenied) {
    Principal principal;
    EXPECT_TRUE(check_model(principal, "anything"));
    KeyPolicy policy;
    policy.allow_models = {{"gpt-*", "fast"}, {"*4*", "fast"}};
    policy.deny_models = {"gpt-4-secret"};
    principal.policy = std::make_shared<const KeyPolicy>(policy);
    EXPECT_TRUE(check_model(principal, "gpt-4o"));
    EXPECT_TRUE(check_model(principal, "fast"));
    EXPECT_FALSE(check_model(principal, "gpt-3.5"));
    EXPECT_FALSE(check_model(principal, "gpt-4-secret"));
    const auto refused = check_model(principal, "other");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::kPermissionDenied);
    EXPECT_EQ(refused.error().reason(), "model_not_allowed");
}

TEST(ScopeSet, ParsesAndPrints) {
    EXPECT_EQ(ScopeSet::parse({"files", "inference"})->text(), "inference files");
    EXPECT_EQ(ScopeSet::parse({"root"}).error().field(), "scopes");
    EXPECT_TRUE(ScopeSet::ordinary().within(ScopeSet::all()));
    EXPECT_FALSE(ScopeSet::ordinary().has(Scope::kAdminRead));
    EXPECT_EQ(ScopeSet::ordinary() | ScopeSet::admin(), ScopeSet::all());
    EXPECT_EQ(ScopeSet::all().names().size(), static_cast<std::size_t>(kScopeCount));
}

}  // namespace
}  // namespace atrium::app
