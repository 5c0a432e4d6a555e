#include "model/routing/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace atrium::model {
namespace {

using testing::HasSubstr;

Route route(std::string id, bool embedding = false, bool ready = true) {
    Route made;
    made.info.id = std::move(id);
    made.info.embedding = embedding;
    made.info.ready = ready;
    made.upstream_model = "served";
    return made;
}

TEST(Router, FindsAPublishedModel) {
    Router router;
    router.publish({route("gemma-3-270m"), route("e5", true)});
    const auto found = router.resolve("gemma-3-270m");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->upstream_model, "served");
    EXPECT_EQ(router.models().size(), 2u);
}

TEST(Router, SuggestsANearName) {
    Router router;
    router.publish({route("gemma-3-270m")});
    const auto found = router.resolve("gemma-3-27om");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), Code::kNotFound);
    EXPECT_EQ(found.error().reason(), "model_not_found");
    EXPECT_EQ(found.error().field(), "model");
    EXPECT_THAT(found.error().message(), HasSubstr("Did you mean 'gemma-3-270m'?"));
}

TEST(Router, SaysWhatToDoWhenNothingIsInstalled) {
    Router router;
    EXPECT_THAT(router.resolve("any").error().message(), HasSubstr("atrium pull"));
    EXPECT_EQ(router.default_model(false).error().code(), Code::kNotFound);
}

TEST(Router, AModelThatIsNotReadyIsUnavailableWithTheReason) {
    Router router;
    router.publish({route("gemma")});
    router.set_readiness([](std::string_view) { return std::optional<std::string>("starting"); });
    const auto found = router.resolve("gemma");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), Code::kUnavailable);
    EXPECT_THAT(found.error().message(), HasSubstr("starting"));
    EXPECT_FALSE(router.models()[0].ready);
    EXPECT_EQ(router.default_model(false).error().code(), Code::kUnavailable);

    router.set_readiness([](std::string_view) { return std::optional<std::string>(); });
    EXPECT_TRUE(router.resolve("gemma"));
    EXPECT_TRUE(router.models()[0].ready);
}

TEST(Router, TheDefaultModelIsTheFirstReadyOneOfItsKind) {
    Router router;
    router.publish({route("slow", false, false), route("e5", true), route("quick")});
    EXPECT_EQ(router.default_model(false).value(), "quick");
    EXPECT_EQ(router.default_model(true).value(), "e5");
}

TEST(Router, TheFirstOfTwoRoutesWithOneNameCounts) {
    Router router;
    auto second = route("same");
    second.upstream_model = "other";
    router.publish({route("same"), second});
    EXPECT_EQ(router.resolve("same")->upstream_model, "served");
    EXPECT_EQ(router.models().size(), 1u);
}

TEST(Router, TablesAreSwappedUnderReaders) {
    Router router;
    router.publish({route("a")});
    std::jthread writer([&](std::stop_token stop) {
        while (!stop.stop_requested()) router.publish({route("a"), route("b")});
    });
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(router.resolve("a"));
}

}  // namespace
}  // namespace atrium::model
