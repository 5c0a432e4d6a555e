#include "gateway/route_table.h"

#include <gtest/gtest.h>

namespace atrium::gateway {
namespace {

using http::Method;

Task<Result<>> nothing(Call&) {
    co_return Result<>{};
}

RouteSpec route(Method method, std::string pattern) {
    RouteSpec made;
    made.method = method;
    made.pattern = std::move(pattern);
    made.handler = nothing;
    return made;
}

class RouteTableTest : public testing::Test {
protected:
    RouteTableTest() {
        for (const auto* pattern : {"/v1/files", "/v1/files/{file_id}", "/v1/files/{file_id}/content",
                                    "/v1/files/latest", "/v1/models", "/v1/models/{model...}"}) {
            table_.add(route(Method::kGet, pattern));
        }
        table_.add(route(Method::kPost, "/v1/files"));
        table_.add(route(Method::kDelete, "/v1/files/{file_id}"));
    }
    std::string pattern(Method method, std::string_view path) {
        const auto match = table_.match(method, path);
        return match.route != nullptr ? match.route->pattern : "none, allow: " + match.allow;
    }
    RouteTable table_;
};

TEST_F(RouteTableTest, FindsTheMostSpecific) {
    EXPECT_EQ(pattern(Method::kGet, "/v1/files"), "/v1/files");
    EXPECT_EQ(pattern(Method::kGet, "/v1/files/"), "/v1/files");
    EXPECT_EQ(pattern(Method::kGet, "/v1/files/latest"), "/v1/files/latest");
    EXPECT_EQ(pattern(Method::kGet, "/v1/files/file-1"), "/v1/files/{file_id}");
    EXPECT_EQ(pattern(Method::kHead, "/v1/files"), "/v1/files");
    EXPECT_EQ(pattern(Method::kGet, "/v1/files/file-1/content"), "/v1/files/{file_id}/content");
}

TEST_F(RouteTableTest, BindsParameters) {
    EXPECT_EQ(table_.match(Method::kGet, "/v1/files/file-1/content").parameters.at("file_id"), "file-1");
    EXPECT_EQ(table_.match(Method::kGet, "/v1/models/org/name").parameters.at("model"), "org/name");
}

TEST_F(RouteTableTest, KnowsWhatAPathAllows) {
    EXPECT_EQ(pattern(Method::kPut, "/v1/files"), "none, allow: GET, POST");
    EXPECT_EQ(pattern(Method::kDelete, "/v1/files/latest"), "/v1/files/{file_id}");
    EXPECT_EQ(pattern(Method::kGet, "/v1/nothing"), "none, allow: ");
    EXPECT_EQ(pattern(Method::kGet, "/v1/files//content"), "none, allow: ");
    EXPECT_EQ(pattern(Method::kGet, "/v1/models/"), "/v1/models");
    EXPECT_EQ(pattern(Method::kGet, "/"), "none, allow: ");
    EXPECT_EQ(pattern(Method::kGet, ""), "none, allow: ");
}

TEST_F(RouteTableTest, TheFallbackGetsPagesAndNeverApiPaths) {
    table_.set_fallback(nothing);
    EXPECT_EQ(pattern(Method::kGet, "/"), "/");
    EXPECT_EQ(pattern(Method::kGet, "/assets/app.js"), "/");
    EXPECT_EQ(pattern(Method::kGet, "/v1things"), "/");
    EXPECT_EQ(pattern(Method::kGet, "/v1/nothing"), "none, allow: ");
    EXPECT_EQ(pattern(Method::kGet, "/atrium"), "none, allow: ");
    EXPECT_EQ(pattern(Method::kPost, "/"), "none, allow: ");
    EXPECT_EQ(pattern(Method::kPut, "/v1/files"), "none, allow: GET, POST");
}

TEST_F(RouteTableTest, TwoRoutesForOnePatternAreADefect) {
    EXPECT_DEATH(table_.add(route(Method::kGet, "/v1/files")), "");
}

}  // namespace
}  // namespace atrium::gateway
