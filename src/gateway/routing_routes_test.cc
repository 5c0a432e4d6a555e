#include "gateway/admin/routing_routes.h"

#include <gmock/gmock.h>

#include "app/routing/migrations.h"
#include "gateway/live_gateway.h"

namespace atrium::gateway {
namespace {

using ::testing::HasSubstr;
using testing::LiveGateway;
using ::testing::Not;

class RoutingRoutes : public ::testing::Test {
protected:
    RoutingRoutes() {
        EXPECT_TRUE(database_->migrate(app::routing_migrations()));
        config::UpstreamSettings fixed;
        fixed.name = "fixed";
        fixed.url = "http://127.0.0.1:9/v1";
        fixed.key = "resolved-secret";
        fixed.models = {"m"};
        EXPECT_TRUE(service_.start({}, {fixed}, {}));
        add_routing_routes(live_.gateway->routes(), service_);
    }
    testing::Reply send(http::Method method, const std::string& path, std::string body = {}) {
        return live_.send(
            live_.prepare(method, "/atrium/v1" + path, std::move(body), LiveGateway::bearer(LiveGateway::kAdmin)));
    }

    std::unique_ptr<sql::Database> database_ = sql::Database::open("sqlite://:memory:").value();
    http::Client client_;
    model::Router router_;
    app::RoutingService service_{
        {.database = *database_,
         .router = router_,
         .client = client_,
         .clock = system_clock(),
         .make_upstream = [this](model::UpstreamOptions o) { return model::make_upstream(client_, std::move(o)); },
         .environment = {{"KEY", "s3cret"}}}};
    LiveGateway live_;
};

TEST_F(RoutingRoutes, OnlyAdministratorsSeeThem) {
    EXPECT_EQ(live_.get("/atrium/v1/upstreams").status, 403);
    EXPECT_EQ(live_.post("/atrium/v1/aliases", "{}").status, 403);
    EXPECT_EQ(live_.get("/atrium/v1/aliases", LiveGateway::anonymous()).status, 401);
}

TEST_F(RoutingRoutes, UpstreamsAreListedWithHealthAndWithoutSecrets) {
    const auto list = send(http::Method::kGet, "/upstreams");
    EXPECT_EQ(list.status, 200);
    EXPECT_THAT(list.body, Not(HasSubstr("resolved-secret")));
    EXPECT_THAT(list.body, HasSubstr(R"("origin":"configuration")"));
    EXPECT_THAT(list.body, HasSubstr(R"("id":"fixed/m")"));
    EXPECT_THAT(list.body, HasSubstr(R"("state":"ready")"));
    const auto edit = send(http::Method::kDelete, "/upstreams/fixed");
    EXPECT_EQ(edit.status, 409);
    EXPECT_EQ(edit.error("code"), "managed_by_configuration");
}

TEST_F(RoutingRoutes, AnUpstreamIsCreatedReplacedAndRemoved) {
    EXPECT_EQ(send(http::Method::kPost, "/upstreams", R"({"name":"a","url":"http://h/v1","key":"sk-clear"})").status,
              400);
    const auto made = send(http::Method::kPost, "/upstreams",
                           R"({"name":"a","url":"http://h/v1","key":"${env:KEY}","models":["n"]})");
    EXPECT_EQ(made.status, 200) << made.body;
    EXPECT_THAT(made.body, HasSubstr("${env:KEY}"));
    EXPECT_THAT(made.body, Not(HasSubstr("s3cret")));
    EXPECT_EQ(send(http::Method::kPost, "/upstreams", R"({"name":"a","url":"http://h/v1"})").status, 409);
    EXPECT_EQ(send(http::Method::kPut, "/upstreams/a", R"({"url":"http://h/v1","weight":3})").status, 200);
    EXPECT_EQ(send(http::Method::kPut, "/upstreams/a", R"({"name":"b","url":"http://h/v1"})").error("param"), "name");
    const auto wrong = send(http::Method::kPut, "/upstreams/a", R"({"url":"http://h/v1","wieght":3})");
    EXPECT_EQ(wrong.status, 400);
    EXPECT_THAT(wrong.body, HasSubstr("did you mean 'weight'"));
    EXPECT_EQ(send(http::Method::kDelete, "/upstreams/a").status, 200);
    EXPECT_EQ(send(http::Method::kGet, "/upstreams/a").status, 404);
}

TEST_F(RoutingRoutes, ARolloutOverTheApi) {
    ASSERT_EQ(send(http::Method::kPost, "/upstreams", R"({"name":"a","url":"http://h/v1","models":["n"]})").status,
              200);
    EXPECT_EQ(send(http::Method::kPost, "/aliases", R"({"name":"x","arms":[{"target":"nn"}]})").status, 400);
    const auto made = send(http::Method::kPost, "/aliases",
                           R"({"name":"x","arms":[{"target":"m","weight":99},{"target":"n","weight":1}]})");
    ASSERT_EQ(made.status, 200) << made.body;
    EXPECT_TRUE(router_.resolve("x"));
    const auto step = send(http::Method::kPut, "/aliases/x/weights", R"({"weights":{"m":50,"n":50}})");
    EXPECT_EQ(step.status, 200) << step.body;
    EXPECT_THAT(step.body, HasSubstr(R"("previous_arms":[{"target":"m","weight":9.9E1})"));
    EXPECT_EQ(send(http::Method::kPut, "/aliases/x/weights", R"({"weights":{"m":-1}})").status, 400);
    EXPECT_EQ(send(http::Method::kPost, "/aliases/x/rollback", "{}").status, 200);
    EXPECT_EQ(send(http::Method::kPost, "/aliases/x/rollback", "{}").status, 409);
    EXPECT_EQ(send(http::Method::kGet, "/aliases").json().at("data").as_array().size(), 1u);
    EXPECT_EQ(send(http::Method::kDelete, "/aliases/x").status, 200);
    EXPECT_EQ(send(http::Method::kGet, "/aliases/x").error("code"), "alias_not_found");
}

}  // namespace
}  // namespace atrium::gateway
