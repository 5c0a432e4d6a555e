#include "model/routing/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/routing/internal/fake_upstream.h"

namespace atrium::model {
namespace {

using internal::deployment_of;
using internal::FakeUpstream;
using internal::Turn;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

Turn says(std::string text) {
    return {{"role", "+" + std::move(text), "[DONE]"}};
}
Turn refuses(Error error) {
    Turn turn;
    turn.refused = std::move(error);
    return turn;
}

class DispatcherTest : public testing::Test {
protected:
    std::shared_ptr<FakeUpstream> upstream(std::string name, std::deque<Turn> turns) {
        auto made = std::make_shared<FakeUpstream>(name, std::move(turns));
        upstreams_.push_back(made);
        return made;
    }
    Deployment& serve(const std::shared_ptr<FakeUpstream>& by, std::string model = "m") {
        return table_.deployments.emplace_back(deployment_of(by, std::move(model)));
    }
    void publish() { router_.publish(table_); }

    struct Heard {
        std::string text;
        std::string upstream;
        int attempts = 0;
        std::optional<Error> broke;
    };
    static Task<Result<Heard>> listen(Dispatcher* dispatcher, RouteQuery query, bool stream, StopToken stop) {
        UpstreamCall call;
        call.stream = stream;
        call.request_id = "req";
        CO_TRY_ASSIGN(auto got, co_await dispatcher->open(std::move(query), std::move(call), stop));
        Heard heard{"", got.upstream, got.attempts, std::nullopt};
        if (!stream) {
            CO_TRY_ASSIGN(heard.text, co_await got.answer->read_all(1 << 20));
            got.lease.finished();
            co_return heard;
        }
        while (true) {
            auto events = co_await got.answer->next();
            if (!events) {
                heard.broke = events.error();
                got.lease.failed(events.error());
                co_return heard;
            }
            if (events->empty()) break;
            for (const auto& event : *events) heard.text += event.data;
        }
        got.lease.finished();
        co_return heard;
    }
    Result<Heard> ask(std::string model = "m", bool stream = true, std::string unit = {}, StopToken stop = {}) {
        RouteQuery query;
        query.model = std::move(model);
        query.unit = std::move(unit);
        query.prompt_tokens = 10;
        return run_blocking(listen(&dispatcher_, std::move(query), stream, std::move(stop)));
    }
    static Task<bool> advance(DispatcherTest* self, std::chrono::nanoseconds time) {
        self->waits_.push_back(std::chrono::duration_cast<milliseconds>(time).count());
        self->clock_.advance(time);
        if (self->on_wait_) self->on_wait_();
        co_return true;
    }

    ManualClock clock_;
    metrics::Registry registry_;
    Router router_{clock_, &registry_};
    std::vector<std::int64_t> waits_;
    std::function<void()> on_wait_;
    Dispatcher dispatcher_{router_, clock_, registry_, seeded_rng(1),
                           [this](std::chrono::nanoseconds time, StopToken) { return advance(this, time); }};
    RoutingTable table_;
    std::vector<std::shared_ptr<FakeUpstream>> upstreams_;
};

TEST_F(DispatcherTest, AnswersAndSendsTheUpstreamsOwnName) {
    const auto a = upstream("a", {says("hello")});
    serve(a);
    publish();
    const auto heard = ask().value();
    EXPECT_EQ(heard.text, "role+hello[DONE]");
    EXPECT_EQ(heard.upstream, "a");
    EXPECT_EQ(heard.attempts, 1);
    EXPECT_EQ(a->calls.at(0).model, "served-m");
    EXPECT_EQ(ask("m", false)->text, "role+hello[DONE]");
    EXPECT_EQ(ask("a/m")->upstream, "a");
    EXPECT_EQ(ask("nobody").error().reason(), "model_not_found");
    EXPECT_EQ(router_.status().at(0).outstanding, 0);
}

TEST_F(DispatcherTest, AnOutageIsRepeatedElsewhere) {
    serve(upstream("a", {refuses(unavailable("connection refused by 10.0.0.7"))})).weight = 1e6;
    serve(upstream("b", {says("hello")})).weight = 1e-6;
    publish();
    const auto heard = ask().value();
    EXPECT_EQ(heard.upstream, "b");
    EXPECT_EQ(heard.attempts, 2);
    EXPECT_TRUE(waits_.empty()) << "another upstream needs no pause";
}

TEST_F(DispatcherTest, AnErrorInsideTheStreamBeforeContentIsRepeated) {
    serve(upstream("a", {Turn{{"role", ": ping"}, unavailable("overloaded")}, says("hello")}));
    publish();
    const auto heard = ask().value();
    EXPECT_EQ(heard.text, "role+hello[DONE]");
    EXPECT_EQ(heard.attempts, 2);
}

TEST_F(DispatcherTest, AfterContentNothingIsRepeated) {
    const auto a = upstream("a", {Turn{{"role", "+half"}, unavailable("reset")}});
    serve(a);
    serve(upstream("b", {says("hello")}), "other");
    table_.aliases.push_back({"x", {{"m", 1}}, Strategy::kWeighted, true, {.outage = {"other"}}, {}});
    publish();
    const auto heard = ask("x").value();
    EXPECT_EQ(heard.text, "role+half");
    ASSERT_TRUE(heard.broke);
    EXPECT_EQ(heard.broke->code(), Code::kUnavailable);
    EXPECT_EQ(a->calls.size(), 1u);
}

TEST_F(DispatcherTest, AWholeAnswerThatBreaksOffIsRepeated) {
    serve(upstream("a", {Turn{{"{\"ha"}, unavailable("reset")}, Turn{{"{}"}}}));
    publish();
    EXPECT_EQ(ask("m", false)->text, "{}");
}

TEST_F(DispatcherTest, TheCallersMistakeIsToldAtOnce) {
    const auto a = upstream("a", {refuses(invalid_argument("temperature must be at most 2"))});
    serve(a);
    serve(upstream("b", {says("hello")})).weight = 0;
    publish();
    const auto heard = ask();
    EXPECT_EQ(heard.error().message(), "temperature must be at most 2");
    EXPECT_EQ(a->calls.size(), 1u);
}

TEST_F(DispatcherTest, FallbacksFollowTheKindOfFailure) {
    serve(upstream(
        "a", {refuses(invalid_argument("x").with_reason("context_length_exceeded")),
              refuses(invalid_argument("x").with_reason("content_filter")),
              refuses(resource_exhausted("x").with_retry_after(std::chrono::minutes(1))), refuses(unavailable("x"))}));
    table_.deployments.back().retries = 0;
    for (const char* name : {"long", "lax", "spare", "last"})
        serve(upstream(std::string("on-") + name, {says(name)}), name);
    Alias alias{"x", {{"m", 1}}, Strategy::kWeighted, true, {}, {}};
    alias.fallbacks = {{"spare"}, {"long"}, {"lax"}, {"last"}};
    table_.aliases.push_back(alias);
    publish();
    EXPECT_EQ(ask("x")->upstream, "on-long");
    EXPECT_EQ(ask("x")->upstream, "on-lax");
    EXPECT_EQ(ask("x")->upstream, "on-spare");
    EXPECT_EQ(ask("x")->upstream, "on-spare") << "it rests: nothing is sent there";
    clock_.advance(std::chrono::minutes(1));
    EXPECT_EQ(ask("x")->upstream, "on-last");
    EXPECT_THAT(registry_.expose(), HasSubstr("atrium_upstream_fallbacks_total{class=\"outage\"} 1"));
}

TEST_F(DispatcherTest, AFallbackMayFailTooAndTheNextIsAsked) {
    serve(upstream("a", {refuses(unavailable("x"))})).retries = 0;
    serve(upstream("b", {refuses(unavailable("y"))}), "n").retries = 0;
    serve(upstream("c", {says("hello")}), "o");
    table_.aliases.push_back({"x", {{"m", 1}}, Strategy::kWeighted, true, {.outage = {"n", "o"}}, {}});
    publish();
    const auto heard = ask("x").value();
    EXPECT_EQ(heard.upstream, "c");
    EXPECT_EQ(heard.attempts, 3);
}

TEST_F(DispatcherTest, RetryAfterIsHonouredUpToABound) {
    serve(upstream("a", {refuses(resource_exhausted("slow").with_retry_after(milliseconds(2'000))), says("hello")}));
    publish();
    const auto heard = ask().value();
    EXPECT_EQ(heard.attempts, 2);
    ASSERT_EQ(waits_.size(), 1u);
    EXPECT_GE(waits_[0], 2'000);
    EXPECT_LE(waits_[0], 2'100);
}

TEST_F(DispatcherTest, ALongRetryAfterIsTheCallersToWait) {
    const auto a = upstream(
        "a", {refuses(resource_exhausted("org-secret is out of quota").with_retry_after(std::chrono::minutes(2)))});
    serve(a);
    publish();
    const auto error = ask().error();
    EXPECT_EQ(error.code(), Code::kResourceExhausted);
    EXPECT_EQ(error.retry_after(), std::chrono::minutes(2));
    EXPECT_THAT(error.message(), Not(HasSubstr("org-secret")));
    EXPECT_TRUE(waits_.empty());
    const auto resting = ask().error();
    EXPECT_EQ(resting.code(), Code::kResourceExhausted);
    EXPECT_GT(resting.retry_after(), std::chrono::seconds(50));
    EXPECT_THAT(resting.message(), HasSubstr("'m'"));
    EXPECT_EQ(a->calls.size(), 1u) << "it asked for rest";
}

TEST_F(DispatcherTest, TheLastErrorNamesTheUpstreamsOnlyInItsCause) {
    serve(upstream("a", {refuses(unavailable("a-host refused"))})).retries = 1;
    publish();
    const auto error = ask().error();
    EXPECT_EQ(error.code(), Code::kUnavailable);
    EXPECT_THAT(error.message(), HasSubstr("'m'"));
    EXPECT_THAT(error.message(), Not(HasSubstr("a-host")));
    EXPECT_THAT(error.to_string(), HasSubstr("2 attempts: a/m: unavailable: a-host refused; a/m: "));
    EXPECT_EQ(waits_.size(), 1u);
}

TEST_F(DispatcherTest, TheBudgetBoundsTheLoadOfRetries) {
    const auto a = upstream("a", {refuses(unknown_error("500"))});
    const auto b = upstream("b", {refuses(unknown_error("500"))});
    // Breakers would end it sooner; a fresh pair each time keeps them out.
    constexpr int kRequests = 1'000;
    for (int i = 0; i < kRequests; ++i) {
        table_ = {};
        serve(a).id = "a/" + std::to_string(i);
        serve(b).id = "b/" + std::to_string(i);
        publish();
        EXPECT_FALSE(ask());
        waits_.clear();
    }
    const auto calls = static_cast<int>(a->calls.size() + b->calls.size());
    EXPECT_LE(calls, kRequests * 1.1 + 10 + 200);  // a tenth, the loan, and one per simulated second
    EXPECT_GT(calls, kRequests);
    EXPECT_THAT(registry_.expose(), HasSubstr("atrium_retry_budget_exhausted_total"));
}

TEST_F(DispatcherTest, AnOpenBreakerIsNotAskedAndCostsNoBudget) {
    const auto a = upstream("a", {refuses(unavailable("x"))});
    serve(a).retries = 0;
    serve(upstream("b", {says("hello")}), "spare");
    table_.aliases.push_back({"x", {{"m", 1}}, Strategy::kWeighted, true, {.outage = {"spare"}}, {}});
    publish();
    for (int i = 0; i < 1'000; ++i) ASSERT_EQ(ask("x")->upstream, "b") << i;
    EXPECT_EQ(a->calls.size(), static_cast<std::size_t>(Breaker::kFailures));
    EXPECT_EQ(router_.status().at(0).state, "open");
    EXPECT_EQ(ask("m").error().code(), Code::kUnavailable);
    publish();
    EXPECT_EQ(router_.status().at(0).state, "open") << "a new table does not forget";
}

TEST_F(DispatcherTest, TheFirstContentHasADeadlineOfItsOwn) {
    serve(upstream("a", {Turn{.events = {"role"}, .hangs = true}, says("hello")})).ttft = milliseconds(30);
    publish();
    const auto heard = ask().value();
    EXPECT_EQ(heard.attempts, 2);
    EXPECT_EQ(heard.text, "role+hello[DONE]");
}

TEST_F(DispatcherTest, TheWholeAnswerHasADeadlineOfItsOwn) {
    serve(upstream("a", {Turn{.events = {"role", "+slow"}, .hangs = true}})).total = milliseconds(40);
    publish();
    const auto heard = ask().value();
    ASSERT_TRUE(heard.broke);
    EXPECT_EQ(heard.broke->code(), Code::kDeadlineExceeded);
    EXPECT_EQ(heard.text, "role+slow");
}

TEST_F(DispatcherTest, WhoeverLeavesIsNotRetriedFor) {
    StopSource stop;
    const auto a = upstream("a", {refuses(unavailable("x"))});
    serve(a);
    publish();
    on_wait_ = [&] { stop.request_stop(); };
    EXPECT_EQ(ask("m", true, "", stop.get_token()).error().code(), Code::kCancelled);
    EXPECT_EQ(a->calls.size(), 1u);
}

TEST_F(DispatcherTest, ARestartingEngineIsWaitedFor) {
    std::optional<std::string> reason;
    router_.set_readiness([&](std::string_view) { return reason; });
    serve(upstream("local", {says("one")})).local = true;
    publish();
    ASSERT_TRUE(ask());
    reason = "restarting";
    on_wait_ = [&] {
        if (waits_.size() == 10) reason.reset();
    };
    EXPECT_EQ(ask()->text, "role+one[DONE]");
    EXPECT_EQ(waits_.size(), 10u);
    waits_.clear();
    reason = "quarantined";
    on_wait_ = nullptr;
    const auto error = ask().error();
    EXPECT_EQ(error.reason(), "model_not_ready");
    EXPECT_THAT(error.message(), HasSubstr("quarantined"));
    EXPECT_LE(waits_.size(), 21u) << "a second at most";
}

TEST_F(DispatcherTest, AnEngineThatNeverWorkedIsNotWaitedFor) {
    router_.set_readiness([](std::string_view) { return std::optional<std::string>("loading"); });
    serve(upstream("local", {says("one")})).local = true;
    publish();
    EXPECT_EQ(ask().error().reason(), "model_not_ready");
    EXPECT_TRUE(waits_.empty());
}

TEST_F(DispatcherTest, AliasWeightsAreKeptAndUnitsStay) {
    const auto a = upstream("a", {says("a")});
    const auto b = upstream("b", {says("b")});
    serve(a, "m");
    serve(b, "n");
    table_.aliases.push_back({"x", {{"m", 90}, {"b/n", 10}}, Strategy::kWeighted, true, {}, {}});
    publish();
    constexpr int kUnits = 2'000;
    std::vector<std::string> first;
    for (int i = 0; i < kUnits; ++i) first.push_back(ask("x", false, "user-" + std::to_string(i))->upstream);
    EXPECT_NEAR(static_cast<double>(b->calls.size()) / kUnits, 0.10, 0.02);
    table_.aliases[0].arms = {{"m", 50}, {"b/n", 50}};
    publish();
    for (int i = 0; i < kUnits; ++i) {
        if (first[i] == "b") ASSERT_EQ(ask("x", false, "user-" + std::to_string(i))->upstream, "b");
    }
    table_.aliases[0].arms = {{"m", 100}, {"b/n", 0}};
    publish();
    for (int i = 0; i < 100; ++i) ASSERT_EQ(ask("x", false, "user-" + std::to_string(i))->upstream, "a");
}

TEST_F(DispatcherTest, AUnitComesBackToItsArmAfterAnOutage) {
    const auto a = upstream("a", {says("a")});
    const auto b = upstream("b", {says("b")});
    serve(a, "m").max_concurrent = 1;
    serve(b, "n").max_concurrent = 1;
    table_.aliases.push_back({"x", {{"m", 50}, {"n", 50}}, Strategy::kWeighted, true, {}, {}});
    publish();
    const auto home = ask("x", false, "conversation")->upstream;
    router_.checked(home, false);
    router_.checked(home, false);
    EXPECT_NE(ask("x", false, "conversation")->upstream, home);
    router_.checked(home, true);
    EXPECT_EQ(ask("x", false, "conversation")->upstream, home);
}

TEST_F(DispatcherTest, WhenEveryCheckFailsTheyAreAskedAnyway) {
    serve(upstream("a", {says("hello")}));
    publish();
    for (int i = 0; i < 3; ++i) router_.checked("a", false);
    EXPECT_EQ(ask()->text, "role+hello[DONE]");
}

TEST_F(DispatcherTest, AShadowNeverTouchesTheAnswer) {
    const auto next =
        upstream("next", {refuses(unavailable("x")), Turn{.events = {"+slow"}, .hangs = true}, says("other")});
    serve(upstream("a", {says("hello")}));
    serve(next, "n");
    table_.aliases.push_back({"x", {{"m", 1}}, Strategy::kWeighted, true, {}, {{"n", 100}}});
    publish();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("x")->text, "role+hello[DONE]");
    EXPECT_EQ(next->calls.size(), 5u);
    EXPECT_EQ(next->calls[0].request_id, "req-shadow");
    table_.aliases[0].shadows[0].percent = 0;
    publish();
    EXPECT_TRUE(ask("x"));
    EXPECT_EQ(next->calls.size(), 5u);
}

TEST_F(DispatcherTest, ConcurrencyIsBounded) {
    serve(upstream("a", {says("hello")})).max_concurrent = 1;
    publish();
    RouteQuery query;
    query.model = "m";
    struct Both {
        static Task<Result<int>> run(Dispatcher* dispatcher, RouteQuery query) {
            CO_TRY_ASSIGN(auto first, co_await dispatcher->open(query, {}, {}));
            auto second = co_await dispatcher->open(query, {}, {});
            if (second) co_return 2;
            co_return second.error().code() == Code::kResourceExhausted ? 1 : 0;
        }
    };
    EXPECT_EQ(run_blocking(Both::run(&dispatcher_, query)).value(), 1);
}

}  // namespace
}  // namespace atrium::model
