// The dispatcher against real sockets: scripted HTTP servers that fail in the ways providers do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "model/routing/dispatcher.h"
#include "platform/http/server.h"

namespace atrium::model {
namespace {

using testing::HasSubstr;

constexpr const char* kRole = R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})";
constexpr const char* kHello = R"({"choices":[{"index":0,"delta":{"content":"hello"}}]})";
constexpr const char* kStop = R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";
constexpr const char* kError = R"({"error":{"message":"overloaded","type":"server_error","code":"overloaded"}})";

/// An OpenAI-shaped server that does what `misbehave` says for its first calls and answers well afterwards.
class Provider {
public:
    enum class Way { kWell, kError500, kRateLimited, kReset, kErrorBeforeContent, kErrorAfterContent };

    explicit Provider(Way way, int times = 1'000'000)
        : way_(way), times_(times), runtime_(1), server_(runtime_, {}, handler()) {
        address_ = server_.listen("127.0.0.1:0").value();
        thread_ = std::thread([this] { runtime_.run(); });
    }
    ~Provider() {
        runtime_.stop();
        thread_.join();
    }
    std::string url() const { return "http://" + address_ + "/v1"; }
    std::atomic<int> calls{0};

private:
    http::Handler handler() {
        return [this](http::Exchange& exchange) { return answer(this, exchange); };
    }
    static std::string event(std::string_view data) { return "data: " + std::string(data) + "\n\n"; }

    static Task<> answer(Provider* self, http::Exchange& exchange) {
        const Way way = self->calls++ < self->times_ ? self->way_ : Way::kWell;
        (void)co_await exchange.read_body(1 << 20);
        if (way == Way::kError500) co_return (void) co_await exchange.respond(http::Response::json(500, "{}"));
        if (way == Way::kRateLimited) {
            auto response = http::Response::json(
                429, R"({"error":{"message":"slow","type":"requests","param":null,"code":"rate_limit_exceeded"}})");
            response.headers.add("Retry-After", "1");
            co_return (void) co_await exchange.respond(std::move(response));
        }
        http::ResponseHead head;
        head.headers.add("Content-Type", "text/event-stream");
        (void)co_await exchange.start(std::move(head));
        (void)co_await exchange.write(event(kRole));
        if (way == Way::kReset) co_return;  // the server closes a response that was not finished
        if (way == Way::kErrorBeforeContent) {
            (void)co_await exchange.write(event(kError));
            co_return (void) co_await exchange.finish();
        }
        (void)co_await exchange.write(event(kHello));
        if (way == Way::kErrorAfterContent) {
            (void)co_await exchange.write(event(kError));
            co_return (void) co_await exchange.finish();
        }
        (void)co_await exchange.write(event(kStop) + event("[DONE]"));
        (void)co_await exchange.finish();
    }

    const Way way_;
    const int times_;
    Runtime runtime_;
    http::Server server_;
    std::string address_;
    std::thread thread_;
};

struct Heard {
    std::string text;
    std::string upstream;
    int attempts = 0;
    std::optional<Error> broke;
};

Task<Result<Heard>> listen(Dispatcher* dispatcher, std::string model) {
    auto request = std::make_shared<ModelRequest>();
    request->object = {{"model", model}, {"messages", json::array()}, {"stream", true}};
    UpstreamCall call;
    call.request = std::move(request);
    call.stream = true;
    RouteQuery query;
    query.model = std::move(model);
    CO_TRY_ASSIGN(auto got, co_await dispatcher->open(std::move(query), std::move(call), {}));
    Heard heard{"", got.upstream, got.attempts, std::nullopt};
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

class DispatcherSockets : public testing::Test {
protected:
    void serve(const std::string& name, const std::string& url, double weight) {
        Deployment made;
        made.id = name + "/m";
        made.info.id = "m";
        made.info.ready = true;
        made.upstream = make_upstream(client_, {.name = name, .base_url = url}).value();
        made.upstream_name = name;
        made.upstream_model = "m";
        made.weight = weight;
        table_.deployments.push_back(std::move(made));
        router_.publish(table_);
    }
    Result<Heard> ask() { return run_blocking(listen(&dispatcher_, "m")); }

    http::Client client_;
    metrics::Registry registry_;
    Router router_{system_clock(), &registry_};
    Dispatcher dispatcher_{router_, system_clock(), registry_};
    RoutingTable table_;
};

TEST_F(DispatcherSockets, FailuresBeforeContentGoElsewhere) {
    using Way = Provider::Way;
    for (const auto way : {Way::kError500, Way::kRateLimited, Way::kReset, Way::kErrorBeforeContent}) {
        table_ = {};
        Provider bad(way);
        Provider good(Way::kWell);
        // Asked first because an idle deployment is drawn by its weight.
        serve("bad" + std::to_string(static_cast<int>(way)), bad.url(), 1e6);
        serve("good", good.url(), 1e-6);
        const auto heard = ask();
        ASSERT_TRUE(heard) << heard.error().to_string();
        EXPECT_EQ(heard->upstream, "good");
        EXPECT_EQ(heard->attempts, 2);
        EXPECT_THAT(heard->text, HasSubstr("hello"));
        EXPECT_THAT(heard->text, testing::EndsWith("[DONE]"));
        EXPECT_FALSE(heard->broke);
        EXPECT_EQ(bad.calls.load(), 1);
    }
}

TEST_F(DispatcherSockets, AnErrorAfterContentStaysInTheStream) {
    Provider bad(Provider::Way::kErrorAfterContent);
    Provider good(Provider::Way::kWell);
    serve("bad", bad.url(), 1e6);
    serve("good", good.url(), 1e-6);
    const auto heard = ask();
    ASSERT_TRUE(heard) << heard.error().to_string();
    EXPECT_EQ(heard->upstream, "bad");
    EXPECT_THAT(heard->text, HasSubstr("hello"));
    ASSERT_TRUE(heard->broke);
    EXPECT_EQ(heard->broke->message(), "overloaded");
    EXPECT_EQ(good.calls.load(), 0);
}

TEST_F(DispatcherSockets, RetryAfterIsWaitedForWhenNobodyElseIsThere) {
    Provider limited(Provider::Way::kRateLimited, 1);
    serve("only", limited.url(), 1);
    const auto began = system_clock().steady();
    const auto heard = ask();
    ASSERT_TRUE(heard) << heard.error().to_string();
    EXPECT_EQ(heard->attempts, 2);
    EXPECT_GE(system_clock().steady() - began, std::chrono::milliseconds(990));
}

TEST_F(DispatcherSockets, NobodyListeningIsUnavailable) {
    serve("gone", "http://127.0.0.1:9/v1", 1);
    const auto heard = ask();
    ASSERT_FALSE(heard);
    EXPECT_EQ(heard.error().code(), Code::kUnavailable);
    EXPECT_THAT(heard.error().message(), testing::Not(HasSubstr("gone")));
    EXPECT_THAT(heard.error().to_string(), HasSubstr("gone/m"));
}

}  // namespace
}  // namespace atrium::model
