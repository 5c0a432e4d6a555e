#include "model/engine/serving/engine_server.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <thread>

#include "base/id.h"
#include "model/engine/testing/fake_backend.h"
#include "platform/http/client.h"
#include "platform/http/sse.h"

namespace atrium::model {
namespace {

/// Lets a test hold the decode thread between two steps.
class Gate {
public:
    void pass() {
        std::unique_lock lock(mutex_);
        ++arrived_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return open_ || allowed_ > 0; });
        if (!open_) --allowed_;
    }
    void allow(int steps) { change([&] { allowed_ += steps; }); }
    void open() { change([&] { open_ = true; }); }
    void close() { change([&] { open_ = false; }); }
    /// Until the decode thread stands at the gate for the n-th time.
    bool wait_arrivals(int n) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(5), [&] { return arrived_ >= n; });
    }
    int arrivals() {
        const std::scoped_lock lock(mutex_);
        return arrived_;
    }

private:
    template <class Change>
    void change(Change apply) {
        const std::scoped_lock lock(mutex_);
        apply();
        changed_.notify_all();
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = true;
    int allowed_ = 0;
    int arrived_ = 0;
};

struct Reply {
    int status = 0;
    std::string body;
    std::string retry_after;
    json::object json() const { return json::parse_object(body).value_or(json::object{}); }
};

/// A server on a Unix socket in front of the fake model.
class Engine {
public:
    explicit Engine(FakeOptions fake, bool embedding = false, int max_queued = 16, bool load = true)
        : backend_(with_gate(std::move(fake))), runtime_(1),
          server_(ServedModel{"fake", embedding, {.temperature = 0, .stop = {}}}, registry_, system_clock()),
          http_(runtime_, {}, [this](http::Exchange& exchange) { return server_.handle(exchange); }) {
        path_ = std::filesystem::temp_directory_path() / new_id("atrium-engine-");
        EXPECT_TRUE(http_.listen("unix:" + path_.string()));
        SchedulerOptions options;
        options.kv_cells = backend_.facts().context;
        options.max_active = backend_.facts().sequences;
        options.sequence_ids = backend_.facts().sequence_ids;
        options.batch_tokens = backend_.facts().batch_tokens;
        options.chunk_alone = 32;
        options.chunk_shared = 16;
        options.max_queued = max_queued;
        options.max_queued_per_tenant = max_queued;
        if (embedding) embedding_ = std::make_unique<EmbeddingLoop>(backend_, system_clock(), metrics_, max_queued);
        else text_ = std::make_unique<BatchLoop>(backend_, system_clock(), metrics_, options);
        if (load) ready();
        io_ = std::thread([this] { runtime_.run(); });
    }
    ~Engine() {
        gate.open();
        if (text_) text_->stop();
        if (embedding_) embedding_->stop();
        if (decode_.joinable()) decode_.join();
        runtime_.stop();
        io_.join();
        std::filesystem::remove(path_);
    }

    void ready() {
        server_.set_ready({&backend_, text_.get(), embedding_.get()});
        decode_ = std::thread([this] { text_ ? text_->run() : embedding_->run(); });
    }

    Reply post(const std::string& path, const std::string& body, const std::vector<std::pair<std::string, std::string>>& headers = {}) {
        return run_blocking(send(this, http::Method::kPost, path, body, headers));
    }
    Reply get(const std::string& path) { return run_blocking(send(this, http::Method::kGet, path, "", {})); }

    static Task<Reply> send(Engine* self, http::Method method, std::string path, std::string body,
                            std::vector<std::pair<std::string, std::string>> headers) {
        http::ClientRequest request;
        request.method = method;
        request.url = http::Url::parse("unix:" + self->path_.string() + ":" + path).value();
        request.body = std::move(body);
        for (auto& [name, value] : headers) request.headers.add(name, value);
        http::Client client;
        auto response = co_await client.send(std::move(request));
        if (!response) co_return Reply{0, response.error().message(), ""};
        auto text = co_await (*response)->read_all(1 << 24);
        co_return Reply{(*response)->status(), text.value_or("broken off"), std::string((*response)->headers().get("Retry-After").value_or(""))};
    }
    /// Reads until something arrived, then leaves.
    static Task<bool> read_and_leave(Engine* self, std::string body) {
        http::ClientRequest request;
        request.method = http::Method::kPost;
        request.url = http::Url::parse("unix:" + self->path_.string() + ":/v1/chat/completions").value();
        request.body = std::move(body);
        http::Client client;
        auto response = co_await client.send(std::move(request));
        if (!response) co_return false;
        auto piece = co_await (*response)->read_some();
        co_return piece.has_value() && !piece->empty();
    }

    Gate gate;
    FakeBackend& backend() { return backend_; }
    BatchLoop& loop() { return *text_; }

private:
    FakeOptions with_gate(FakeOptions fake) {
        fake.before_decode = [this] { gate.pass(); };
        return fake;
    }

    metrics::Registry registry_;
    EngineMetrics metrics_{registry_};
    FakeBackend backend_;
    std::unique_ptr<BatchLoop> text_;
    std::unique_ptr<EmbeddingLoop> embedding_;
    std::filesystem::path path_;
    Runtime runtime_;
    EngineServer server_;
    http::Server http_;
    std::thread io_;
    std::thread decode_;
};

constexpr const char* kChat = R"({"messages":[{"role":"user","content":"hi"}]})";
std::string chat(std::string_view fields) { return R"({"messages":[{"role":"user","content":"hi"}],)" + std::string(fields) + "}"; }

std::vector<std::string> sse_data_of(const std::string& body) {
    http::SseParser parser;
    std::vector<std::string> data;
    for (const auto& event : parser.feed(body).value()) data.push_back(event.data);
    return data;
}

TEST(EngineServer, AnswersAChat) {
    Engine engine({.script = "Hello!"});
    const Reply reply = engine.post("/v1/chat/completions", kChat);
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.json().at("choices").at(0).at("message").at("content"), "Hello!");
    EXPECT_EQ(reply.json().at("choices").at(0).at("finish_reason"), "stop");
    EXPECT_EQ(reply.json().at("usage").at("completion_tokens"), 7) << "the end token was computed too";
}

TEST(EngineServer, StreamsWithUsageAndDone) {
    Engine engine({.script = "Hello!"});
    const Reply reply = engine.post("/v1/chat/completions", chat(R"("stream":true,"stream_options":{"include_usage":true})"));
    ASSERT_EQ(reply.status, 200);
    const auto data = sse_data_of(reply.body);
    ASSERT_GE(data.size(), 4U);
    EXPECT_EQ(data.back(), "[DONE]");
    std::string text;
    for (std::size_t i = 0; i + 2 < data.size(); ++i) {
        const json::object event = json::parse_object(data[i]).value();
        text += json::string_or(event.at("choices").at(0).at("delta").as_object(), "content");
    }
    EXPECT_EQ(text, "Hello!");
    EXPECT_EQ(json::parse_object(data[data.size() - 2])->at("usage").at("completion_tokens"), 7);
}

TEST(EngineServer, StopsAtTheLimitAndAtStopStrings) {
    Engine engine({.script = "one two three"});
    EXPECT_EQ(engine.post("/v1/chat/completions", chat(R"("max_tokens":3)")).json().at("choices").at(0).at("finish_reason"), "length");
    const json::object stopped = engine.post("/v1/chat/completions", chat(R"("stop":" th")")).json();
    EXPECT_EQ(stopped.at("choices").at(0).at("message").at("content"), "one two");
    EXPECT_EQ(stopped.at("choices").at(0).at("finish_reason"), "stop");
}

TEST(EngineServer, CompletionsWithSeveralPromptsAndChoices) {
    Engine engine({.script = "xy"});
    const Reply reply = engine.post("/v1/completions", R"({"prompt":["a:","b:"],"n":2,"echo":true,"max_tokens":5})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    const auto whole = reply.json();
    ASSERT_EQ(whole.at("choices").as_array().size(), 4U);
    EXPECT_EQ(whole.at("choices").at(0).at("text"), "a:xy");
    EXPECT_EQ(whole.at("choices").at(3).at("text"), "b:xy");
    EXPECT_EQ(whole.at("usage").at("prompt_tokens"), 6) << "each prompt once, with its first token";
}

TEST(EngineServer, SharedPrefixIsReportedAsCached) {
    Engine engine({.script = "ok"});
    const std::string body = R"({"messages":[{"role":"user","content":"a rather long question about nothing in particular"}]})";
    engine.post("/v1/chat/completions", body);
    const Reply again = engine.post("/v1/chat/completions", body);
    EXPECT_GT(again.json().at("usage").at("prompt_tokens_details").at("cached_tokens").as_int64(), 40);
}

TEST(EngineServer, RefusesWhatDoesNotFit) {
    Engine engine({.context = 128, .script = "x"});
    const Reply reply = engine.post("/v1/completions", R"({"prompt":")" + std::string(200, 'a') + R"("})");
    EXPECT_EQ(reply.status, 400);
    const json::object error = reply.json().at("error").as_object();
    EXPECT_EQ(error.at("code"), "context_length_exceeded");
    EXPECT_NE(error.at("message").as_string().find("128"), std::string::npos);
    EXPECT_NE(error.at("message").as_string().find("201"), std::string::npos);
    EXPECT_EQ(engine.post("/v1/completions", R"({"prompt":"a","max_tokens":127})").status, 400);
    EXPECT_EQ(engine.post("/v1/completions", R"({"prompt":"a","max_tokens":126})").status, 200);
}

TEST(EngineServer, RefusesBadRequests) {
    Engine engine({.script = "x"});
    EXPECT_EQ(engine.post("/v1/chat/completions", "{").status, 400);
    EXPECT_EQ(engine.post("/v1/chat/completions", "[]").status, 400);
    EXPECT_EQ(engine.post("/v1/completions", R"({"prompt":[999]})").status, 400) << "a token the model does not have";
    EXPECT_EQ(engine.post("/v1/completions", R"({"prompt":"a:","grammar":"broken"})").status, 400);
    EXPECT_EQ(engine.post("/v1/completions", R"({"prompt":"a:","stream":true,"grammar":"broken"})").status, 400)
        << "an error before the first token is a status, not a stream";
    EXPECT_EQ(engine.post("/v1/chat/completions", chat(R"("response_format":{"type":"json_schema","json_schema":{"schema":{"x":"impossible"}}})")).status, 400);
    EXPECT_EQ(engine.post("/v1/chat/completions", chat(R"("tools":[{"type":"function","function":{"name":"f"}}])")).status, 501);
    EXPECT_EQ(engine.post("/v1/embeddings", R"({"input":"a"})").status, 400);
    EXPECT_EQ(engine.post("/v1/unknown", "{}").status, 404);
    EXPECT_EQ(engine.post("/v1/completions", R"({"prompt":"still alive:"})").status, 200);
}

TEST(EngineServer, DisconnectFreesTheSlotWithinAStep) {
    Engine engine({.context = 2048, .sequences = 1, .script = std::string(1500, 'z')});
    ASSERT_TRUE(run_blocking(Engine::read_and_leave(&engine, chat(R"("stream":true)"))));
    // The only slot is free again long before the 1,500 tokens are out, otherwise this would wait for them.
    const Reply reply = engine.post("/v1/completions", R"({"prompt":"next:","max_tokens":2})");
    EXPECT_EQ(reply.status, 200);
    EXPECT_LT(engine.backend().computed_tokens(), 1400U);
}

TEST(EngineServer, FullQueueIsA429WithRetryAfter) {
    Engine engine({.sequences = 1, .script = std::string(50, 'z')}, false, 1);
    engine.gate.close();
    std::thread first([&] { engine.post("/v1/completions", R"({"prompt":"a:"})"); });
    ASSERT_TRUE(engine.gate.wait_arrivals(1));
    std::thread second([&] { engine.post("/v1/completions", R"({"prompt":"b:"})"); });
    while (engine.loop().status().queued < 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const Reply third = engine.post("/v1/completions", R"({"prompt":"c:"})");
    EXPECT_EQ(third.status, 429);
    EXPECT_FALSE(third.retry_after.empty());
    engine.gate.open();
    first.join();
    second.join();
}

TEST(EngineServer, DeadlineHeaderEndsTheAnswer) {
    Engine engine({.sequences = 1, .script = std::string(900, 'z')});
    engine.gate.close();
    engine.gate.allow(2);
    std::thread opener([&] {
        engine.gate.wait_arrivals(3);
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        engine.gate.open();
    });
    const Reply reply = engine.post("/v1/completions", R"({"prompt":"a:","max_tokens":800})", {{"x-atrium-deadline-ms", "20"}});
    opener.join();
    EXPECT_EQ(reply.status, 504) << reply.body;
}

TEST(EngineServer, FailureOfTheModelReachesEverybody) {
    FakeOptions fake{.script = std::string(100, 'z')};
    fake.fail_with = DecodeStatus::kFailed;
    Engine engine(fake);
    EXPECT_EQ(engine.post("/v1/chat/completions", kChat).status, 503);
    EXPECT_EQ(engine.get("/healthz").status, 503);
    EXPECT_EQ(engine.post("/v1/chat/completions", kChat).status, 503) << "later requests too";
}

TEST(EngineServer, LoadingIsA503ThatSaysSo) {
    Engine engine({.script = "x"}, false, 16, false);
    EXPECT_EQ(engine.get("/healthz").status, 503);
    EXPECT_EQ(engine.get("/healthz").json().at("status"), "loading");
    const Reply early = engine.post("/v1/chat/completions", kChat);
    EXPECT_EQ(early.status, 503);
    EXPECT_FALSE(early.retry_after.empty());
    engine.ready();
    EXPECT_EQ(engine.get("/healthz").status, 200);
    EXPECT_EQ(engine.post("/v1/chat/completions", kChat).status, 200);
}

TEST(EngineServer, Logprobs) {
    Engine engine({.script = "ab"});
    const auto chat_reply = engine.post("/v1/chat/completions", chat(R"("logprobs":true,"top_logprobs":2)")).json();
    const auto& content = chat_reply.at("choices").at(0).at("logprobs").at("content").as_array();
    ASSERT_EQ(content.size(), 2U);
    EXPECT_EQ(content[0].at("token"), "a");
    EXPECT_EQ(content[0].at("top_logprobs").as_array().size(), 2U);
}

TEST(EngineServer, TokenizeAndBack) {
    Engine engine({.script = "x"});
    const auto tokens = engine.post("/tokenize", R"({"prompt":"ab","add_special_tokens":false})").json();
    EXPECT_EQ(tokens.at("count"), 2);
    EXPECT_EQ(engine.post("/detokenize", R"({"tokens":[97,98]})").json().at("prompt"), "ab");
    EXPECT_GT(engine.post("/tokenize", kChat).json().at("count").as_int64(), 10);
    EXPECT_EQ(engine.post("/tokenize", "{}").status, 400);
}

TEST(EngineServer, ModelsAndMetrics) {
    Engine engine({.script = "x"});
    engine.post("/v1/chat/completions", kChat);
    EXPECT_EQ(engine.get("/v1/models").json().at("data").at(0).at("id"), "fake");
    // The loop counts an answer right after it has handed it out: a fast reader may be here first.
    std::string metrics;
    for (int i = 0; i < 1000 && !metrics.contains("finished_total{reason=\"stop\"} 1"); ++i)
        metrics = engine.get("/metrics").body;
    EXPECT_NE(metrics.find("atrium_engine_requests_finished_total{reason=\"stop\"} 1"), std::string::npos) << metrics;
    EXPECT_NE(metrics.find("atrium_engine_time_to_first_token_seconds_count 1"), std::string::npos);
}

TEST(EngineServer, EmbedsManyInputsInFewBatches) {
    Engine engine({.sequences = 4, .batch_tokens = 16}, true);
    const Reply reply = engine.post("/v1/embeddings", R"({"input":["aa","bb","cc","dd","ee",[97,98]]})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    const json::array data = reply.json().at("data").as_array();
    ASSERT_EQ(data.size(), 6U);
    for (std::size_t i = 0; i < data.size(); ++i) {
        EXPECT_EQ(data[i].at("index"), i);
        double length = 0;
        for (const auto& x : data[i].at("embedding").as_array()) length += x.to_number<double>() * x.to_number<double>();
        EXPECT_NEAR(length, 1, 1e-5);
    }
    EXPECT_EQ(engine.backend().embed_batches(), (std::vector<std::size_t>{4, 2}));
    EXPECT_EQ(reply.json().at("usage").at("prompt_tokens"), 17);
}

TEST(EngineServer, EmbeddingErrorsNameTheInput) {
    Engine engine({.context_train = 16, .batch_tokens = 16}, true);
    const Reply reply = engine.post("/v1/embeddings", R"({"input":["ok","much too long for this model"]})");
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.json().at("error").at("param"), "input[1]");
    EXPECT_EQ(reply.json().at("error").at("code"), "context_length_exceeded");
    EXPECT_EQ(engine.post("/v1/embeddings", R"({"input":"a","dimensions":3})").status, 400);
    EXPECT_EQ(engine.post("/v1/embeddings", R"({"input":""})").status, 400);
    EXPECT_EQ(engine.post("/v1/chat/completions", kChat).status, 400);
    EXPECT_EQ(engine.post("/v1/embeddings", R"({"input":"a","encoding_format":"base64"})").json().at("data").at(0).at("embedding").as_string().size(), 24U);
}

TEST(EngineServer, SmallEmbeddingJobDoesNotWaitForALargeOne) {
    Engine engine({.sequences = 2, .batch_tokens = 8}, true);
    engine.gate.close();
    std::string many = R"({"input":["a")";
    for (int i = 0; i < 40; ++i) many += R"(,"a")";
    std::thread large([&] { engine.post("/v1/embeddings", many + "]}"); });
    ASSERT_TRUE(engine.gate.wait_arrivals(1));
    Reply reply;
    std::thread small([&] { reply = engine.post("/v1/embeddings", R"({"input":"b"})"); });
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    engine.gate.allow(3);
    small.join();
    EXPECT_EQ(reply.status, 200);
    EXPECT_LE(engine.gate.arrivals(), 5);
    engine.gate.open();
    large.join();
}

}  // namespace
}  // namespace atrium::model
