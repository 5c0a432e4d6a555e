#include "app/responses/response_service.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "app/chat/scripted_upstream.h"
#include "app/responses/schema.h"
#include "model/routing/dispatcher.h"
#include "platform/http/sse.h"

namespace atrium::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Script;

constexpr const char* kAnswer =
    R"({"id":"c1","model":"served","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Hello"}}],
    "usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}})";

std::string chunk(std::string_view text) {
    return fmt::format("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", text);
}
const std::string kStop = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const std::string kDone = "data: [DONE]\n\n";

class ResponseServiceTest : public ::testing::Test {
protected:
    ResponseServiceTest() {
        EXPECT_TRUE(database->migrate(response_migrations()));
        script({{{kAnswer}}});
    }
    ~ResponseServiceTest() override {
        if (!thread.joinable()) return;
        run_blocking(stopped(&service));
        runtime.stop();
        thread.join();
    }

    static Task<Result<>> stopped(ResponseService* service) {
        Event over;
        co_await service->stop();
        co_return Result<>{};
    }
    void script(std::vector<Script> scripts) {
        upstream = std::make_shared<testing::ScriptedUpstream>(std::move(scripts));
        router.publish({testing::scripted_route(upstream)});
    }
    void start() {
        EXPECT_TRUE(service.start(runtime.context(0)));
        thread = std::thread([this] { runtime.run(); });
    }
    CallContext context(std::string project = "proj_a") {
        CallContext made;
        made.principal.project = std::move(project);
        made.request_id = "req_1";
        return made;
    }
    ResponseRequest request(std::string_view text) {
        auto made = ResponseRequest::parse(json::parse_object(text).value());
        EXPECT_TRUE(made) << made.error().to_string();
        return std::move(*made);
    }
    Result<json::object> create(std::string_view text, std::string project = "proj_a") {
        return run_blocking(service.create(context(std::move(project)), request(text), nullptr));
    }
    static Task<Result<>> collect(std::vector<http::SseEvent>* into, http::SseEvent event) {
        into->push_back(std::move(event));
        co_return Result<>{};
    }
    Result<> stream(std::string_view text, std::vector<http::SseEvent>& events) {
        auto* into = &events;
        return run_blocking(service.stream(
            context(), request(text), [into](const http::SseEvent& event) { return collect(into, event); }, nullptr));
    }
    std::string sent_messages() { return json::serialize(upstream->bodies.back().at("messages")); }
    static std::string id_of(const json::object& response) { return std::string(json::string_or(response, "id")); }

    std::unique_ptr<sql::Database> database = sql::Database::open("sqlite://:memory:").value();
    model::Router router;
    trace::SpanStore spans;
    metrics::Registry metrics;
    model::Dispatcher dispatcher{router, system_clock(), metrics};
    ChatService chat{router, dispatcher, spans, system_clock()};
    std::shared_ptr<testing::ScriptedUpstream> upstream;
    ResponseService service{*database, chat, system_clock(), {}};
    Runtime runtime{1};
    std::thread thread;
};

TEST_F(ResponseServiceTest, StoresAndContinues) {
    const auto first = create(R"({"model":"model-a","input":"hi","instructions":"be kind"})");
    ASSERT_TRUE(first) << first.error().to_string();
    EXPECT_EQ(first->at("status"), "completed");
    EXPECT_EQ(sent_messages(), R"([{"role":"system","content":"be kind"},{"role":"user","content":"hi"}])");
    const auto stored = run_blocking(service.get("proj_a", id_of(*first)));
    ASSERT_TRUE(stored);
    EXPECT_EQ(json::serialize(*stored), json::serialize(*first));
    EXPECT_EQ(run_blocking(service.get("proj_b", id_of(*first))).error().code(), Code::kNotFound);

    const auto second = create(R"({"model":"model-a","input":"more","previous_response_id":")" + id_of(*first) + "\"}");
    ASSERT_TRUE(second) << second.error().to_string();
    EXPECT_EQ(
        sent_messages(),
        R"([{"role":"user","content":"hi"},{"role":"assistant","content":"Hello"},{"role":"user","content":"more"}])");
    EXPECT_EQ(create(R"({"model":"model-a","input":"x","previous_response_id":")" + id_of(*first) + "\"}", "proj_b")
                  .error()
                  .code(),
              Code::kNotFound);

    const auto items = run_blocking(service.input_items("proj_a", id_of(*second), {}));
    ASSERT_TRUE(items);
    EXPECT_EQ(items->at("data").as_array().size(), 1u);
    ASSERT_TRUE(run_blocking(service.remove("proj_a", id_of(*first))));
    EXPECT_FALSE(run_blocking(service.get("proj_a", id_of(*first))));
    EXPECT_EQ(
        create(R"({"model":"model-a","input":"x","previous_response_id":")" + id_of(*second) + "\"}").error().field(),
        "previous_response_id");
}

TEST_F(ResponseServiceTest, WithoutStoreNothingStays) {
    const auto made =
        create(R"({"model":"model-a","input":"hi","store":false,"include":["reasoning.encrypted_content"]})");
    ASSERT_TRUE(made);
    EXPECT_EQ(run_blocking(service.get("proj_a", id_of(*made))).error().code(), Code::kNotFound);
}

TEST_F(ResponseServiceTest, ReferencesAreResolved) {
    const auto first = create(R"({"model":"model-a","input":"hi"})");
    ASSERT_TRUE(first);
    const auto output = json::string_or(first->at("output").as_array()[0].as_object(), "id");
    const auto second = create(fmt::format(
        R"({{"model":"model-a","input":[{{"type":"item_reference","id":"{}"}},{{"role":"user","content":"more"}}]}})",
        output));
    ASSERT_TRUE(second) << second.error().to_string();
    EXPECT_EQ(sent_messages(), R"([{"role":"assistant","content":"Hello"},{"role":"user","content":"more"}])");
    EXPECT_EQ(create(R"({"model":"model-a","input":[{"type":"item_reference","id":"msg_none"}]})").error().code(),
              Code::kNotFound);
}

TEST_F(ResponseServiceTest, ConversationsGrow) {
    const auto made = run_blocking(service.conversations().create("proj_a", {}, {}));
    ASSERT_TRUE(made);
    const auto body = R"({"model":"model-a","input":"hi","conversation":")" + id_of(*made) + "\"}";
    ASSERT_TRUE(create(body));
    ASSERT_TRUE(create(body));
    EXPECT_EQ(
        sent_messages(),
        R"([{"role":"user","content":"hi"},{"role":"assistant","content":"Hello"},{"role":"user","content":"hi"}])");
    const auto items =
        run_blocking(service.conversations().list_items("proj_a", id_of(*made), {.limit = 3, .ascending = true}));
    ASSERT_TRUE(items);
    EXPECT_EQ(items->at("data").as_array().size(), 3u);
    EXPECT_EQ(items->at("has_more"), true);
    EXPECT_EQ(create(body, "proj_b").error().code(), Code::kNotFound);
}

TEST_F(ResponseServiceTest, StreamsInOrderAndStoresBeforeItsEnd) {
    script({{{chunk("He"), chunk("llo"), kStop, kDone}}});
    std::vector<http::SseEvent> events;
    ASSERT_TRUE(stream(R"({"model":"model-a","input":"hi","stream":true})", events));
    std::vector<std::string> types;
    for (std::size_t i = 0; i < events.size(); ++i) {
        types.push_back(events[i].event);
        EXPECT_EQ(json::parse_object(events[i].data).value().at("sequence_number").as_int64(),
                  static_cast<std::int64_t>(i));
    }
    EXPECT_THAT(types, ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                                   "response.content_part.added", "response.output_text.delta",
                                   "response.output_text.delta", "response.output_text.done",
                                   "response.content_part.done", "response.output_item.done", "response.completed"));
}

TEST_F(ResponseServiceTest, AnEarlyFailureIsAnErrorALateOneAnEvent) {
    script({{.pieces = {}, .error = resource_exhausted("full")}});
    std::vector<http::SseEvent> events;
    EXPECT_EQ(stream(R"({"model":"model-a","input":"hi","stream":true})", events).error().code(),
              Code::kResourceExhausted);
    EXPECT_TRUE(events.empty());
    script({{.pieces = {chunk("He")}, .breaks_with = unavailable("gone")}});
    ASSERT_TRUE(stream(R"({"model":"model-a","input":"hi","stream":true})", events));
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back().event, "response.failed");
}

TEST_F(ResponseServiceTest, TruncationLeavesOutTheOldest) {
    const auto too_long = invalid_argument("too long").with_reason("context_length_exceeded");
    script({{.pieces = {}, .error = too_long}, {{kAnswer}}});
    const auto made = create(
        R"({"model":"model-a","truncation":"auto","input":[{"role":"user","content":"1"},{"role":"assistant","content":"2"},
        {"role":"user","content":"3"},{"role":"assistant","content":"4"},{"role":"user","content":"5"}]})");
    ASSERT_TRUE(made) << made.error().to_string();
    EXPECT_EQ(sent_messages(),
              R"([{"role":"user","content":"3"},{"role":"assistant","content":"4"},{"role":"user","content":"5"}])");
    script({{.pieces = {}, .error = too_long}});
    EXPECT_EQ(create(R"({"model":"model-a","input":"1"})").error().reason(), "context_length_exceeded");
}

TEST_F(ResponseServiceTest, BackgroundRunsWithoutItsCallerAndCanBeFollowed) {
    script({{{chunk("He"), chunk("llo"), kStop, kDone}}});
    start();
    const auto queued = create(R"({"model":"model-a","input":"hi","background":true,"stream":false})");
    ASSERT_TRUE(queued);
    EXPECT_EQ(queued->at("background"), true);
    std::vector<http::SseEvent> events;
    ASSERT_TRUE(stream(R"({"model":"model-a","input":"hi","background":true,"stream":true})", events));
    EXPECT_EQ(events.back().event, "response.completed");
    const auto id =
        std::string(json::string_or(json::parse_object(events.back().data).value().at("response").as_object(), "id"));
    std::vector<http::SseEvent> again;
    auto* into = &again;
    ASSERT_TRUE(run_blocking(
        service.follow("proj_a", id, 2, [into](const http::SseEvent& event) { return collect(into, event); }, {})));
    ASSERT_EQ(again.size() + 3, events.size());
    EXPECT_EQ(again.front().data, events[3].data);
    EXPECT_EQ(run_blocking(service.follow("proj_b", id, 0,
                                          [into](const http::SseEvent& event) { return collect(into, event); }, {}))
                  .error()
                  .code(),
              Code::kNotFound);
}

TEST_F(ResponseServiceTest, BackgroundCanBeCancelled) {
    script({{.pieces = {chunk("He")}, .hangs = true}});
    start();
    const auto queued = create(R"({"model":"model-a","input":"hi","background":true})");
    ASSERT_TRUE(queued);
    const auto cancelled = run_blocking(service.cancel("proj_a", id_of(*queued)));
    ASSERT_TRUE(cancelled);
    EXPECT_EQ(cancelled->at("status"), "cancelled");
    EXPECT_EQ(run_blocking(service.get("proj_a", id_of(*queued))).value().at("status"), "cancelled");
    script({{{kAnswer}}});
    const auto foreground = create(R"({"model":"model-a","input":"hi"})");
    EXPECT_EQ(run_blocking(service.cancel("proj_a", id_of(*foreground))).error().code(), Code::kInvalidArgument);
}

TEST_F(ResponseServiceTest, WhatWasInterruptedIsFailedAfterwards) {
    ResponseStore store(*database, system_clock());
    const json::object left{{"id", "resp_left"},  {"object", "response"},    {"status", "in_progress"},
                            {"background", true}, {"output", json::array{}}, {"previous_response_id", nullptr}};
    ASSERT_TRUE(run_blocking(store.insert("proj_a", left, {}, INT64_MAX / 2)));
    ASSERT_TRUE(run_blocking(store.sweep(0)));
    EXPECT_EQ(run_blocking(store.get("proj_a", "resp_left")).value().at("status"), "in_progress");
    ASSERT_TRUE(run_blocking(store.sweep(INT64_MAX)));
    const auto failed = run_blocking(store.get("proj_a", "resp_left")).value();
    EXPECT_EQ(failed.at("status"), "failed");
    EXPECT_THAT(json::serialize(failed.at("error")), HasSubstr("stopped"));
}

TEST_F(ResponseServiceTest, RefusesToStoreTooMuch) {
    const auto large = R"({"model":"model-a","input":")" + std::string(ResponseService::kMaxStoredInput, 'x') + "\"}";
    EXPECT_EQ(create(large).error().field(), "input");
}

}  // namespace
}  // namespace atrium::app
