#include "model/engine/fleet.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <string_view>

#include "base/id.h"
#include "base/json.h"
#include "model/engine/engine_process.h"
#include "model/engine/serving/engine_server.h"
#include "model/engine/testing/fake_backend.h"
#include "platform/http/client.h"
#include "platform/process/child.h"

// The fleet starts this very program again, which then serves the fake model: real processes, sockets and signals.
namespace atrium::model {
namespace {

using namespace std::chrono_literals;

int run_fake_engine(const std::vector<std::string>& arguments) {
    const auto options = parse_engine_arguments(arguments);
    if (!options) return 2;
    if (options->name == "hopeless") return 3;
    FakeOptions fake;
    fake.context = 4096;
    fake.script = std::string(3000, 'z');
    fake.before_decode = [] { std::this_thread::sleep_for(2ms); };
    FakeBackend backend(fake);
    metrics::Registry registry;
    EngineMetrics metrics(registry);
    SchedulerOptions scheduling;
    scheduling.kv_cells = 4096;
    scheduling.max_active = 4;
    scheduling.batch_tokens = 64;
    scheduling.sequence_ids = 32;
    BatchLoop loop(backend, system_clock(), metrics, scheduling);
    Runtime runtime(1);
    EngineServer server(ServedModel{options->name, false, {}}, registry, system_clock());
    server.set_ready({&backend, &loop, nullptr});
    http::Server http(runtime, {}, [&server](http::Exchange& exchange) { return server.handle(exchange); });
    if (!http.listen("unix:" + options->socket)) return 4;
    std::thread decode([&] { loop.run(); });
    runtime.run();  // until a signal ends the process
    decode.join();
    return 0;
}

Task<boost::asio::io_context*> this_context() {
    const auto executor = co_await boost::asio::this_coro::executor;
    co_return &executor.context();
}

Task<bool> until(std::function<bool()> condition) {
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > give_up) co_return false;
        co_await sleep_for(5ms);
    }
    co_return true;
}

struct Folder {
    Path path = std::filesystem::temp_directory_path() / new_id("fleet-");
    ~Folder() { std::filesystem::remove_all(path); }
};

InstalledModel model(const std::string& name) {
    InstalledModel installed;
    installed.name = name;
    installed.file = "/nonexistent/model.gguf";
    installed.defaults.stop = {"\nUser:"};
    return installed;
}

config::ModelSettings settings(const std::string& name) {
    config::ModelSettings out;
    out.name = name;
    out.context = 4096;
    return out;
}

process::ChildState state_of(const EngineFleet& fleet) { return fleet.status().at(0).state; }

Task<> killed_engine_breaks_the_stream_and_comes_back() {
    Folder folder;
    metrics::Registry registry;
    EngineFleet fleet(*co_await this_context(), system_clock(), registry, {process::self_executable(), folder.path, 1});
    EXPECT_FALSE(fleet.base_url("m"));
    EXPECT_TRUE(fleet.start(model("m"), settings("m")));
    EXPECT_TRUE(co_await until([&] { return state_of(fleet) == process::ChildState::kReady; }));
    EXPECT_EQ(std::filesystem::status(folder.path).permissions(), std::filesystem::perms::owner_all);

    http::Client client;
    http::ClientRequest request;
    request.method = http::Method::kPost;
    request.url = http::Url::parse(fleet.base_url("m").value() + "/chat/completions").value();
    request.body = R"({"stream":true,"messages":[{"role":"user","content":"hi"}]})";
    auto response = co_await client.send(std::move(request));
    if (!response) {
        ADD_FAILURE() << response.error().to_string();
        co_return;
    }
    EXPECT_EQ((*response)->status(), 200);
    EXPECT_TRUE((co_await (*response)->read_some()).has_value());

    const int victim = fleet.status().at(0).process_id;
    EXPECT_EQ(::kill(victim, SIGKILL), 0);
    bool broke_off = false;
    while (!broke_off) {
        const auto piece = co_await (*response)->read_some();
        if (piece && piece->empty()) break;
        broke_off = !piece.has_value();
    }
    EXPECT_TRUE(broke_off) << "a stream that was cut must not look complete";
    EXPECT_TRUE(co_await until([&] { return fleet.status().at(0).restarts == 1 && state_of(fleet) == process::ChildState::kReady; }));
    EXPECT_NE(fleet.status().at(0).process_id, victim);
    co_await fleet.stop_all();
    EXPECT_TRUE(fleet.status().empty());
}

TEST(EngineFleet, KilledEngineBreaksTheStreamAndComesBack) { run_until_complete(killed_engine_breaks_the_stream_and_comes_back()); }

Task<> starting_again_replaces() {
    Folder folder;
    metrics::Registry registry;
    EngineFleet fleet(*co_await this_context(), system_clock(), registry, {process::self_executable(), folder.path, 1});
    EXPECT_TRUE(fleet.start(model("m"), settings("m")));
    EXPECT_TRUE(co_await until([&] { return state_of(fleet) == process::ChildState::kReady; }));
    const int first = fleet.status().at(0).process_id;
    EXPECT_TRUE(fleet.start(model("m"), settings("m")));
    EXPECT_TRUE(co_await until([&] { return state_of(fleet) == process::ChildState::kReady && fleet.status().at(0).process_id != first; }));
    EXPECT_EQ(fleet.status().size(), 1U);
    co_await fleet.stop_all();
}

TEST(EngineFleet, StartingAgainReplaces) { run_until_complete(starting_again_replaces()); }

Task<> says_why_an_engine_is_not_ready() {
    Folder folder;
    metrics::Registry registry;
    EngineFleet fleet(*co_await this_context(), system_clock(), registry, {process::self_executable(), folder.path, 1});
    EXPECT_TRUE(fleet.start(model("hopeless"), settings("hopeless")));
    EXPECT_TRUE(co_await until([&] { return fleet.status().at(0).failure.find('3') != std::string::npos; }));
    const auto too_long = fleet.start(model(std::string(40, 'x')), settings(std::string(40, 'x')));
    EXPECT_TRUE(too_long || too_long.error().code() == Code::kInvalidArgument);
    co_await fleet.stop_all();
}

TEST(EngineFleet, SaysWhyAnEngineIsNotReady) { run_until_complete(says_why_an_engine_is_not_ready()); }

TEST(EngineFleet, ProgressIsWhatCounts) {
    EXPECT_TRUE(makes_progress(json::parse_object(R"({"since_progress_ms":0})").value(), 30s));
    EXPECT_TRUE(makes_progress(json::parse_object(R"({"since_progress_ms":29999})").value(), 30s));
    EXPECT_FALSE(makes_progress(json::parse_object(R"({"since_progress_ms":30000})").value(), 30s));
    EXPECT_FALSE(makes_progress(json::parse_object(R"({"since_progress_ms":"soon"})").value(), 30s));
}

TEST(EngineArguments, RoundTrip) {
    EngineOptions options;
    options.model_path = "/models/m.gguf";
    options.socket = "/run/m.sock";
    options.name = "m";
    options.embedding = true;
    options.context = 1024;
    options.slots = 3;
    options.threads = 2;
    options.defaults_file = "/run/m.json";
    const auto parsed = parse_engine_arguments(engine_arguments(options));
    ASSERT_TRUE(parsed) << parsed.error().to_string();
    EXPECT_EQ(engine_arguments(*parsed), engine_arguments(options));
    for (const std::vector<std::string>& bad : {std::vector<std::string>{"--model"}, {"--model", "x"}, {"--socket", "x"}, {"--what", "x"},
                                                {"--model", "x", "--socket", "y", "--task", "sing"}, {"--model", "x", "--socket", "y", "--slots", "0"}}) {
        EXPECT_EQ(parse_engine_arguments(bad).error().code(), Code::kInvalidArgument);
    }
}

}  // namespace
}  // namespace atrium::model

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "engine") return atrium::model::run_fake_engine({argv + 2, argv + argc});
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
