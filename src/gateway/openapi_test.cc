#include "gateway/openapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/text.h"
#include "gateway/live_gateway.h"

namespace atrium::gateway {
namespace {

using testing::LiveGateway;

TEST(OpenApi, DescribesExactlyTheRoutes) {
    LiveGateway live;
    const auto& routes = live.gateway->routes();
    const auto document = openapi_document(routes, "1");
    std::set<std::string> described;
    std::set<std::string> ids;
    for (const auto& [path, item] : document.at("paths").as_object()) {
        for (const auto& [method, operation] : item.as_object()) {
            described.insert(std::string(method) + " " + std::string(path));
            EXPECT_TRUE(ids.emplace(operation.at("operationId").as_string()).second) << path;
            EXPECT_FALSE(operation.at("summary").as_string().empty()) << path;
            EXPECT_TRUE(operation.at("responses").as_object().contains("default")) << path;
        }
    }
    std::set<std::string> known;
    for (const auto& route : routes.routes()) {
        known.insert(text::to_lower_ascii(http::method_name(route.method)) + " " + openapi_path(route.pattern));
    }
    EXPECT_EQ(described, known);
    EXPECT_EQ(described.size(), routes.routes().size());
}

TEST(OpenApi, TheRouterAnswersEverythingDescribed) {
    LiveGateway live;
    const auto served = live.get("/atrium/openapi.json", LiveGateway::anonymous());
    ASSERT_EQ(served.status, 200);
    const auto document = served.json();
    for (const auto& [path, item] : document.at("paths").as_object()) {
        std::string concrete(path);
        for (std::size_t at = 0; (at = concrete.find('{')) != std::string::npos;) {
            concrete.replace(at, concrete.find('}') - at + 1, "x");
        }
        for (const auto& [name, operation] : item.as_object()) {
            const auto method = name == "get"    ? http::Method::kGet
                                : name == "post" ? http::Method::kPost
                                                 : http::Method::kDelete;
            EXPECT_NE(live.gateway->routes().match(method, concrete).route, nullptr) << name << " " << path;
        }
    }
}

TEST(OpenApi, HasTheShapeThatToolsExpect) {
    LiveGateway live;
    const auto document = openapi_document(live.gateway->routes(), "1.2.3");
    EXPECT_EQ(document.at("openapi").as_string(), "3.1.0");
    EXPECT_EQ(document.at("info").at("version").as_string(), "1.2.3");
    EXPECT_EQ(json::serialize(document.at("security")), R"([{"key":[]}])");
    EXPECT_EQ(json::serialize(document.at("components").at("schemas").at("Error").at("required")), R"(["error"])");
    const auto& chat = document.at("paths").at("/v1/chat/completions").at("post").as_object();
    EXPECT_EQ(json::serialize(chat.at("tags")), R"(["chat"])");
    const auto& body = chat.at("requestBody").at("content").at("application/json").at("schema").as_object();
    EXPECT_EQ(json::serialize(body.at("required")), R"(["model","messages"])");
    const auto& health = document.at("paths").at("/healthz").at("get").as_object();
    EXPECT_EQ(json::serialize(health.at("security")), "[]");
    const auto& model = document.at("paths").at("/v1/models/{model}").at("get").as_object();
    EXPECT_EQ(json::serialize(model.at("parameters")),
              R"([{"name":"model","in":"path","required":true,"schema":{"type":"string"}}])");
}

}  // namespace
}  // namespace atrium::gateway
