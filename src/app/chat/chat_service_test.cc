#include "app/chat/chat_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/chat/scripted_upstream.h"

namespace atrium::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Script;
using testing::scripted_route;
using testing::ScriptedUpstream;

std::string event(std::string_view data) {
    return "data: " + std::string(data) + "\n\n";
}

constexpr std::string_view kRole =
    R"({"id":"c1","model":"served","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})";
constexpr std::string_view kHello =
    R"({"id":"c1","model":"served","choices":[{"index":0,"delta":{"content":"Hello"}}]})";
constexpr std::string_view kStop =
    R"({"id":"c1","model":"served","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";
constexpr std::string_view kUsage =
    R"({"id":"c1","model":"served","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}})";

class ChatServiceTest : public ::testing::Test {
protected:
    void script(std::vector<Script> scripts) {
        upstream_ = std::make_shared<ScriptedUpstream>(std::move(scripts));
        router_.publish({scripted_route(upstream_)});
    }
    static json::object body() {
        return json::parse_object(R"({"model":"model-a","messages":[{"role":"user","content":"hi"}]})").value();
    }
    CallContext context() const {
        CallContext made;
        made.principal.project = "proj_1";
        made.principal.key_id = "key_1";
        made.request_id = "req_1";
        made.trace = trace::Context::make();
        return made;
    }
    static Task<Result<>> collect(std::vector<std::string>* into, std::string data) {
        into->push_back(std::move(data));
        co_return Result<>{};
    }
    Result<ChatService::Answer> complete(json::object request, CallContext caller) {
        return run_blocking(
            chat_.complete(make_model_call(model::Operation::kChat, std::move(caller), std::move(request))));
    }
    Result<CallOutcome> stream(json::object request, CallOutcome* progress = nullptr) {
        auto* into = &received_;
        return run_blocking(chat_.stream(
            make_model_call(model::Operation::kChat, context(), std::move(request)),
            [into](const http::SseEvent& event, model::Wire) { return collect(into, event.data); }, progress));
    }

    ManualClock clock_;
    model::Router router_;
    trace::SpanStore spans_;
    metrics::Registry metrics_;
    model::Dispatcher dispatcher_{router_, clock_, metrics_};
    ChatService chat_{router_, dispatcher_, spans_, clock_};
    std::shared_ptr<ScriptedUpstream> upstream_;
    std::vector<std::string> received_;
};

TEST_F(ChatServiceTest, CompletesUnderTheCallersModelName) {
    script({{{R"({"id":"c1","model":"served","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2},)",
              R"("atrium":{"x":1}})"}}});
    const auto answer = complete(body(), context());
    ASSERT_TRUE(answer) << answer.error().to_string();
    EXPECT_EQ(answer->body,
              R"({"id":"c1","model":"model-a","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}})");
    EXPECT_EQ(answer->outcome.usage.prompt_tokens, 5);
    EXPECT_EQ(answer->outcome.model, "model-a");
    EXPECT_EQ(answer->outcome.upstream, "local");
    ASSERT_EQ(upstream_->calls.size(), 1u);
    EXPECT_EQ(upstream_->calls[0].model, "served");
    EXPECT_FALSE(upstream_->calls[0].traceparent.empty());
}

TEST_F(ChatServiceTest, RecordsASpanWithGenAiNames) {
    script({{{R"({"id":"c1","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}})"}}});
    const auto caller = context();
    ASSERT_TRUE(complete(body(), caller));
    const auto spans = spans_.find(caller.trace.trace_id);
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].name, "chat model-a");
    EXPECT_EQ(spans[0].kind, "client");
    EXPECT_EQ(spans[0].parent_id, caller.trace.span_id);
    EXPECT_EQ(spans[0].project, "proj_1");
    EXPECT_THAT(spans[0].attributes, ::testing::Contains(::testing::Pair("gen_ai.usage.output_tokens",
                                                                         trace::AttributeValue(std::int64_t{2}))));
}

TEST_F(ChatServiceTest, AnUnknownModelNeverReachesAnUpstream) {
    script({{}});
    auto request = body();
    request["model"] = "nothing-like-it";
    const auto answer = complete(std::move(request), context());
    EXPECT_EQ(answer.error().reason(), "model_not_found");
    EXPECT_TRUE(upstream_->calls.empty());
}

TEST_F(ChatServiceTest, AnUnreadableAnswerIsTheUpstreamsFault) {
    script({{{"<html>"}}});
    EXPECT_EQ(complete(body(), context()).error().code(), Code::kUnavailable);
}

TEST_F(ChatServiceTest, StreamsWithoutUsageUnlessAsked) {
    // Pieces cut in the middle of events and of a character.
    const std::string all = event(kRole) + event(kHello) + event(kStop) + event(kUsage) + event("[DONE]");
    script({{{all.substr(0, 30), all.substr(30, 100), all.substr(130)}}});
    const auto outcome = stream(body());
    ASSERT_TRUE(outcome) << outcome.error().to_string();
    EXPECT_THAT(received_,
                ElementsAre(HasSubstr("\"model\":\"model-a\""), HasSubstr("Hello"), HasSubstr("stop"), "[DONE]"));
    EXPECT_EQ(outcome->usage.prompt_tokens, 5);
    EXPECT_EQ(outcome->usage.completion_tokens, 1);
    EXPECT_FALSE(outcome->usage_estimated);
    const auto& sent = upstream_->bodies[0];
    EXPECT_TRUE(sent.at("stream").as_bool());
    EXPECT_TRUE(sent.at("stream_options").at("include_usage").as_bool());
}

TEST_F(ChatServiceTest, StreamsUsageWhenAsked) {
    script({{{event(kHello) + event(kStop) + event(kUsage) + event("[DONE]")}}});
    auto request = body();
    request["stream_options"] = json::object{{"include_usage", true}};
    ASSERT_TRUE(stream(std::move(request)));
    EXPECT_THAT(received_, ElementsAre(HasSubstr("\"usage\":null"), HasSubstr("\"usage\":null"),
                                       HasSubstr("\"prompt_tokens\":5"), "[DONE]"));
}

TEST_F(ChatServiceTest, ABreakInMidStreamIsAnErrorAndStillCounted) {
    script({{{event(kRole) + event(kHello)}, unavailable("connection reset")}});
    CallOutcome progress;
    const auto outcome = stream(body(), &progress);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code(), Code::kUnavailable);
    EXPECT_EQ(outcome.error().reason(), "upstream_interrupted");
    EXPECT_EQ(received_.size(), 2u);
    EXPECT_EQ(progress.usage.completion_tokens, 1);
    EXPECT_TRUE(progress.usage_estimated);
    EXPECT_EQ(progress.model, "model-a");
    EXPECT_TRUE(upstream_->closed);
}

TEST_F(ChatServiceTest, AnEndWithoutFinishIsABreak) {
    script({{{event(kHello)}}});
    EXPECT_EQ(stream(body()).error().reason(), "upstream_interrupted");
    EXPECT_EQ(received_.size(), 1u);
}

TEST_F(ChatServiceTest, AMissingDoneAfterTheFinishIsForgiven) {
    script({{{event(kHello) + event(kStop)}}});
    ASSERT_TRUE(stream(body()));
    EXPECT_EQ(received_.back(), "[DONE]");
}

TEST_F(ChatServiceTest, AnErrorEventEndsTheStream) {
    script(
        {{{event(kHello) +
           event(
               R"({"error":{"message":"out of memory","type":"server_error","param":null,"code":"engine_failed"}})")}}});
    EXPECT_EQ(stream(body()).error().message(), "out of memory");
    EXPECT_EQ(received_.size(), 1u);
}

Task<Result<>> leave(const http::SseEvent&, model::Wire) {
    co_return fail(cancelled("the client left"));
}

TEST_F(ChatServiceTest, ALeavingCallerClosesTheUpstream) {
    script({{{event(kHello), event(kHello), event(kStop)}}});
    CallOutcome progress;
    const auto outcome =
        run_blocking(chat_.stream(make_model_call(model::Operation::kChat, context(), body()), leave, &progress));
    EXPECT_EQ(outcome.error().code(), Code::kCancelled);
    EXPECT_TRUE(upstream_->closed);
    EXPECT_EQ(progress.usage.completion_tokens, 1);
}

TEST_F(ChatServiceTest, AnUpstreamThatKeepsTheConnectionAfterDoneIsNotWaitedFor) {
    script({{.pieces = {event(kHello) + event(kStop) + event("[DONE]")}, .hangs = true}});
    const auto began = std::chrono::steady_clock::now();
    EXPECT_TRUE(stream(body()));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
    EXPECT_TRUE(upstream_->closed);
}

TEST_F(ChatServiceTest, AStopFromAboveReachesTheUpstream) {
    script({{.pieces = {}, .hangs = true}});
    StopSource source;
    auto caller = context();
    caller.stop = source.get_token();
    source.request_stop();
    auto* into = &received_;
    const auto outcome = run_blocking(
        chat_.stream(make_model_call(model::Operation::kChat, caller, body()),
                     [into](const http::SseEvent& event, model::Wire) { return collect(into, event.data); }));
    EXPECT_EQ(outcome.error().code(), Code::kCancelled);
}

TEST_F(ChatServiceTest, FindsModelsThatAreNotReady) {
    script({{}});
    router_.set_readiness([](std::string_view) { return std::optional<std::string>("starting"); });
    EXPECT_FALSE(chat_.find_model("model-a")->ready);
    EXPECT_EQ(chat_.find_model("model-b").error().reason(), "model_not_found");
}

}  // namespace
}  // namespace atrium::app
