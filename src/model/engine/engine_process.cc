#include "model/engine/engine_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/text.h"
#include "model/engine/cpu_limit.h"
#include "model/engine/generation/worker_thread.h"
#include "model/engine/module.h"
#include "model/engine/serving/engine_server.h"
#include "observability/log/log.h"
#include "platform/process/child.h"

namespace atrium::model {
namespace {

constexpr int kTextBatch = 256;       // prompt chunk plus one token per slot; larger only costs memory
constexpr int kEmbeddingBatch = 512;  // raised to the model's context
constexpr int kEmbeddingInputs = 32;  // texts per batch
constexpr int kPrefixHandles = 64;    // finished sequences kept for later prompts
constexpr int kMaxEmbeddingJobs = 256;
constexpr std::chrono::milliseconds kDrain{3'000};
constexpr std::chrono::milliseconds kLastWords{200};

struct ModelFileDefaults {
    RequestDefaults request;
    std::string chat_template;
};

Result<ModelFileDefaults> read_defaults(const std::string& path) {
    ModelFileDefaults defaults;
    if (path.empty()) return defaults;
    TRY_ASSIGN(const std::string text, machine_fs().read_file(path, 1u << 20));
    TRY_ASSIGN(const json::object object, json::parse_object(text));
    const json::Reader reader(object);
    TRY_ASSIGN(const auto chat_template, reader.optional_string("chat_template"));
    TRY_ASSIGN(const auto temperature, reader.optional_number("temperature", -1, 2));
    TRY_ASSIGN(const json::array* stops, reader.optional_array("stop"));
    defaults.chat_template = chat_template.value_or("");
    if (temperature && *temperature >= 0) defaults.request.temperature = *temperature;
    if (stops) {
        for (const json::value& stop : *stops) {
            if (!stop.is_string()) return fail(invalid_argument("'stop' must hold strings").with_field("stop"));
            defaults.request.stop.emplace_back(stop.get_string());
        }
    }
    return defaults;
}

std::atomic<int> g_signal_pipe{-1};

/// Calls `on_signal` once, on a thread of its own, after SIGTERM or SIGINT. A pipe instead of sigwait: it does not matter
/// which threads existed before and do not block the signals. One per process.
class SignalThread {
public:
    SignalThread() = default;
    ~SignalThread() {
        if (!thread_.joinable()) return;
        g_signal_pipe = -1;
        close(pipe_[1]);
        thread_.join();
        close(pipe_[0]);
    }
    Result<> start(std::function<void()> on_signal) {
        if (pipe2(pipe_, O_CLOEXEC) != 0) return fail(from_errno(errno, "create a pipe"));
        g_signal_pipe = pipe_[1];
        struct sigaction action{};
        action.sa_handler = [](int) {
            const int saved = errno;
            if (write(g_signal_pipe, "x", 1) < 0) errno = 0;  // full: one is enough
            errno = saved;
        };
        action.sa_flags = SA_RESTART;
        sigaction(SIGTERM, &action, nullptr);
        sigaction(SIGINT, &action, nullptr);
        thread_ = std::thread([this, on_signal = std::move(on_signal)] {
            char byte = 0;
            ssize_t got = 0;
            do got = read(pipe_[0], &byte, 1);
            while (got < 0 && errno == EINTR);
            if (got == 1) on_signal();
        });
        return {};
    }

private:
    int pipe_[2] = {-1, -1};
    std::thread thread_;
};

/// Everything of the process after its arguments; members in order of construction.
class EngineProcess {
public:
    EngineProcess(EngineOptions options, ModelFileDefaults defaults)
        : options_(std::move(options)), defaults_(std::move(defaults)), runtime_(1),
          http_(runtime_, http::ServerLimits{}, [this](http::Exchange& exchange) { return server_->handle(exchange); }) {}

    Result<> listen();
    int run();

private:
    void decode();  // the decode thread
    Result<> load();
    bool open_loop();  // false: stopping already
    void stop_decoding();
    Task<> shut_down();

    EngineOptions options_;
    ModelFileDefaults defaults_;
    metrics::Registry registry_;
    EngineMetrics metrics_{registry_};
    std::mutex mutex_;  // of the loops' existence
    std::unique_ptr<Backend> backend_;
    std::unique_ptr<BatchLoop> text_;
    std::unique_ptr<EmbeddingLoop> embedding_;
    std::atomic<bool> stopping_{false};
    std::atomic<int> exit_code_{0};
    // Exchanges that never ended go with the runtime, while what they refer to is still there.
    std::unique_ptr<EngineServer> server_;
    SignalThread signals_;
    Runtime runtime_;
    http::Server http_;
    WorkerThread worker_;
};

Result<> EngineProcess::listen() {
    const bool tcp = options_.socket.find('/') == std::string::npos;
    TRY_ASSIGN(const std::string bound, http_.listen(tcp ? options_.socket : "unix:" + options_.socket));
    log::info("engine listens", {{"address", bound}, {"model", options_.name}});
    return {};
}

Result<> EngineProcess::load() {
    const char* configured = getenv("ATRIUM_ENGINE_MODULE");
    TRY_ASSIGN(const auto path, find_engine_module(configured ? configured : "", process::self_executable()));
    TRY_ASSIGN(const ModuleEntry* module, open_engine_module(path));
    BackendOptions options;
    options.model_path = options_.model_path;
    options.embedding = options_.embedding;
    options.context = options_.context;
    options.sequences = options_.embedding ? kEmbeddingInputs : options_.slots;
    options.batch_tokens = options_.embedding ? kEmbeddingBatch : std::max(kTextBatch, 2 * options_.slots);
    options.threads = options_.threads > 0 ? options_.threads : available_cores(machine_fs());
    options.chat_template = defaults_.chat_template;
    options.progress = [this](float progress) {
        server_->set_progress(progress);
        return !stopping_;
    };
    const SteadyTime begin = system_clock().steady();
    TRY_ASSIGN(backend_, module->load(options));
    const BackendFacts& facts = backend_->facts();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(system_clock().steady() - begin);
    log::info("model loaded", {{"model", options_.name}, {"description", facts.description}, {"context", facts.context},
                               {"context_train", facts.context_train}, {"slots", facts.sequences}, {"threads", options.threads},
                               {"chat_template", facts.has_chat_template}, {"milliseconds", took.count()}});
    return {};
}

bool EngineProcess::open_loop() {
    const BackendFacts& facts = backend_->facts();
    const std::scoped_lock lock(mutex_);
    if (stopping_) return false;
    if (options_.embedding) {
        embedding_ = std::make_unique<EmbeddingLoop>(*backend_, system_clock(), metrics_, kMaxEmbeddingJobs);
    } else {
        SchedulerOptions options;
        options.kv_cells = facts.context;
        options.max_active = facts.sequences;
        options.sequence_ids = std::min(facts.sequence_ids, facts.sequences + kPrefixHandles);
        options.batch_tokens = facts.batch_tokens;
        options.share_prefixes = facts.share_prefixes;
        text_ = std::make_unique<BatchLoop>(*backend_, system_clock(), metrics_, options);
    }
    return true;
}

void EngineProcess::decode() {
    const Result<> loaded = load();
    if (!loaded) {
        if (!stopping_) {
            log::error("cannot load the model", {{"model", options_.name}, {"error", loaded.error()}});
            exit_code_ = 1;
        }
        server_->set_failed(loaded.error());
    } else if (open_loop()) {
        server_->set_ready({backend_.get(), text_.get(), embedding_.get()});
        if (text_) text_->run();
        else embedding_->run();
        if (text_ ? text_->status().failed : embedding_->status().failed) {
            exit_code_ = 1;
            // The io thread still has to tell the clients why their answers broke off.
            std::this_thread::sleep_for(kLastWords);
        }
    }
    runtime_.stop();
}

void EngineProcess::stop_decoding() {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    if (text_) text_->stop();
    if (embedding_) embedding_->stop();
}

Task<> EngineProcess::shut_down() {
    co_await http_.drain(kDrain);
    stop_decoding();
}

int EngineProcess::run() {
    server_ = std::make_unique<EngineServer>(
        ServedModel{options_.name, options_.embedding, defaults_.request}, registry_, system_clock());
    Result<> started = signals_.start([this] { spawn(runtime_.context(0), shut_down()); });
    if (started) started = worker_.start("decode", [this] { decode(); });
    if (!started) {
        log::error("cannot start the engine's threads", {{"error", started.error()}});
        return 1;
    }
    runtime_.run();
    stop_decoding();
    worker_.join();
    // The last line is what the supervisor quotes, so after a failure it has to be the failure.
    if (exit_code_ == 0) log::info("engine stopped", {{"model", options_.name}});
    return exit_code_;
}

Result<int> number(const std::string& flag, const std::string& value, int min, int max) {
    const auto parsed = text::to_int(value);
    if (!parsed || *parsed < min || *parsed > max) {
        return fail(invalid_argument(fmt::format("{} must be a number from {} to {}", flag, min, max)).with_field(flag));
    }
    return static_cast<int>(*parsed);
}

}  // namespace

Result<EngineOptions> parse_engine_arguments(const std::vector<std::string>& arguments) {
    EngineOptions options;
    for (std::size_t i = 0; i < arguments.size(); i += 2) {
        const std::string& flag = arguments[i];
        if (i + 1 == arguments.size()) return fail(invalid_argument(fmt::format("{} needs a value", flag)).with_field(flag));
        const std::string& value = arguments[i + 1];
        if (flag == "--model") options.model_path = value;
        else if (flag == "--socket") options.socket = value;
        else if (flag == "--name") options.name = value;
        else if (flag == "--defaults") options.defaults_file = value;
        else if (flag == "--task") {
            if (value != "chat" && value != "embedding") return fail(invalid_argument("--task must be chat or embedding").with_field(flag));
            options.embedding = value == "embedding";
        } else if (flag == "--context") {
            TRY_ASSIGN(options.context, number(flag, value, 256, 16 << 20));
        } else if (flag == "--slots") {
            TRY_ASSIGN(options.slots, number(flag, value, 1, 128));
        } else if (flag == "--threads") {
            TRY_ASSIGN(options.threads, number(flag, value, 0, 512));
        } else {
            return fail(invalid_argument(fmt::format("unknown argument '{}'", flag)).with_field(flag));
        }
    }
    if (options.model_path.empty()) return fail(invalid_argument("--model is required").with_field("--model"));
    if (options.socket.empty()) return fail(invalid_argument("--socket is required").with_field("--socket"));
    if (options.name.empty()) options.name = Path(options.model_path).stem().string();
    return options;
}

std::vector<std::string> engine_arguments(const EngineOptions& options) {
    std::vector<std::string> arguments{"--model", options.model_path, "--socket", options.socket, "--name", options.name,
                                       "--task", options.embedding ? "embedding" : "chat",
                                       "--context", std::to_string(options.context), "--slots", std::to_string(options.slots),
                                       "--threads", std::to_string(options.threads)};
    if (!options.defaults_file.empty()) {
        arguments.emplace_back("--defaults");
        arguments.push_back(options.defaults_file);
    }
    return arguments;
}

int run_engine(const EngineOptions& options) {
    // On an assertion the library would fork a debugger for a backtrace; the supervisor wants a quick end instead.
    setenv("GGML_NO_BACKTRACE", "1", 1);
    signal(SIGPIPE, SIG_IGN);
    Result<ModelFileDefaults> defaults = read_defaults(options.defaults_file);
    if (!defaults) {
        log::error("cannot read the model's defaults", {{"file", options.defaults_file}, {"error", defaults.error()}});
        return 1;
    }
    EngineProcess engine(options, std::move(*defaults));
    if (const Result<> listening = engine.listen(); !listening) {
        log::error("cannot listen", {{"address", options.socket}, {"error", listening.error()}});
        return 1;
    }
    // Before the first untrusted byte of the model file is read, and before there are threads the filter would miss.
    if (const Result<> sandboxed = process::enter_sandbox(process::SandboxProfile::kEngine); !sandboxed) {
        if (sandboxed.error().code() != Code::kUnimplemented) {
            log::error("cannot enter the sandbox", {{"error", sandboxed.error()}});
            return 1;
        }
        log::warning("this kernel has no seccomp: the engine runs without a sandbox");
    }
    return engine.run();
}

}  // namespace atrium::model
