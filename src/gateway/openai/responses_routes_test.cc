// Responses and conversations through a real server and client, on a scripted model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/responses/schema.h"
#include "gateway/live_gateway.h"
#include "gateway/openai/responses.h"

namespace atrium::gateway {
namespace {

using ::testing::AllOf;
using testing::event;
using ::testing::HasSubstr;
using testing::LiveGateway;
using testing::Reply;
using ::testing::StartsWith;

constexpr const char* kAnswer =
    R"({"id":"c1","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Hello"}}],
    "usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}})";

struct Responses : LiveGateway {
    Responses() {
        EXPECT_TRUE(own->migrate(app::response_migrations()));
        add_response_routes(gateway->routes(), service, chat);
        add_conversation_routes(gateway->routes(), service.conversations());
        script({{{kAnswer}}});
    }
    std::unique_ptr<sql::Database> own = sql::Database::open("sqlite://:memory:").value();
    app::ResponseService service{*own, chat, system_clock(), {}};
};

std::string id_of(const Reply& reply) {
    const auto body = reply.json();
    return std::string(json::string_or(body, "id"));
}

TEST(ResponsesRoute, CreateGetDelete) {
    Responses live;
    const auto made = live.post("/v1/responses", R"({"model":"model-a","input":"hi"})");
    ASSERT_EQ(made.status, 200) << made.body;
    EXPECT_THAT(made.body, HasSubstr(R"("object":"response")"));
    const auto path = "/v1/responses/" + id_of(made);
    EXPECT_EQ(live.get(path).body, made.body);
    EXPECT_THAT(live.get(path + "/input_items").body, HasSubstr(R"("text":"hi")"));
    const auto other = LiveGateway::bearer(live.make_key(std::string(app::Tenancy::kDefaultProject)));
    EXPECT_EQ(live.get(path, other).status, 200);
    EXPECT_EQ(live.get(path + "?stream=true").error("param"), "stream");
    EXPECT_EQ(live.get(path + "?starting_after=x").status, 400);
    EXPECT_EQ(live.post(path + "/cancel", "").status, 400);
    EXPECT_EQ(live.send(live.prepare(http::Method::kDelete, path)).body,
              R"({"id":")" + id_of(made) + R"(","object":"response.deleted","deleted":true})");
    EXPECT_EQ(live.get(path).status, 404);
}

TEST(ResponsesRoute, StreamsNamedEvents) {
    Responses live;
    live.script({{{event(R"({"choices":[{"index":0,"delta":{"content":"He"}}]})"),
                   event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"), event("[DONE]")}}});
    const auto reply = live.post("/v1/responses", R"({"model":"model-a","input":"hi","stream":true})");
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(
        reply.body,
        AllOf(StartsWith("event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"),
              HasSubstr("event: response.completed\n")));
}

TEST(ResponsesRoute, Conversations) {
    Responses live;
    const auto made =
        live.post("/v1/conversations", R"({"metadata":{"a":"b"},"items":[{"role":"user","content":"hi"}]})");
    ASSERT_EQ(made.status, 200) << made.body;
    const auto path = "/v1/conversations/" + id_of(made);
    EXPECT_EQ(live.get(path).body, made.body);
    const auto added = live.post(path + "/items", R"({"items":[{"role":"user","content":"more"}]})");
    ASSERT_EQ(added.status, 200) << added.body;
    const auto item = path + "/items/" + std::string(json::string_or(added.json(), "first_id"));
    EXPECT_THAT(live.get(item).body, HasSubstr("more"));
    EXPECT_EQ(live.get(path + "/items").json().at("data").as_array().size(), 2u);
    EXPECT_EQ(live.send(live.prepare(http::Method::kDelete, item)).status, 200);
    EXPECT_EQ(live.get(item).status, 404);
    EXPECT_THAT(live.post(path, R"({"metadata":{"c":"d"}})").body, HasSubstr(R"("metadata":{"c":"d"})"));
    EXPECT_EQ(live.post(path + "/items", R"({"items":[{"type":"item_reference","id":"x"}]})").error("param"),
              "items[0].type");
    EXPECT_EQ(live.post(path + "/items", R"({})").error("param"), "items");
    EXPECT_EQ(live.post(path, R"({"metadata":7})").error("param"), "metadata");
    EXPECT_EQ(live.send(live.prepare(http::Method::kDelete, path)).json().at("deleted"), true);
    EXPECT_EQ(live.get(path).status, 404);
}

}  // namespace
}  // namespace atrium::gateway
