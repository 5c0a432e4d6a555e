#include "model/engine/fleet.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>

#include "model/engine/engine_process.h"
#include "observability/log/log.h"
#include "platform/fs/fs.h"
#include "platform/http/client.h"

namespace atrium::model {
namespace {

constexpr std::size_t kMaxSocketPath = 107;  // sun_path
constexpr std::chrono::milliseconds kWedged{30'000};  // work, but no step for so long: the slowest step takes a few seconds

/// Just below the supervisor's own deadline. Beside eight compilers on two cores 2 s were not enough: the engine was
/// killed, loaded no faster, and ended in quarantine.
constexpr std::chrono::milliseconds kHealthAnswer{4'500};

/// A model's name as a file name. Names are short and tame, but they come from configuration.
std::string file_name(std::string_view name) {
    std::string out;
    for (const char c : name) {
        const bool tame = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
        out.push_back(tame ? c : '_');
    }
    if (out.size() > 40) out = fmt::format("{}-{:016x}", out.substr(0, 20), std::hash<std::string_view>{}(name));
    return out;
}

std::string defaults_json(const ModelDefaults& defaults) {
    json::object object{{"chat_template", defaults.chat_template}, {"stop", json::array(defaults.stop.begin(), defaults.stop.end())}};
    if (defaults.temperature >= 0) object["temperature"] = defaults.temperature;
    return json::serialize(object);
}

}  // namespace

bool makes_progress(const json::object& health, std::chrono::milliseconds limit) {
    const auto stuck = json::Reader(health).optional_int("since_progress_ms", 0, INT64_MAX);
    return stuck && stuck->value_or(0) < limit.count();
}

struct EngineFleet::State {
    struct Engine {
        std::string model;
        ModelTask task = ModelTask::kChat;
        std::string socket;
        std::unique_ptr<process::Supervisor> supervisor;
        metrics::Gauge ready;
    };

    boost::asio::io_context& context;
    const Clock& clock;
    metrics::Registry& metrics;
    Options options;
    http::Client client;
    TaskGroup tasks;  // stopping replaced engines
    std::vector<std::shared_ptr<Engine>> engines;

    State(boost::asio::io_context& io, const Clock& time, metrics::Registry& registry, Options settings)
        : context(io), clock(time), metrics(registry), options(std::move(settings)), tasks(io) {}

    Task<Result<json::object>> ask_health(std::string socket);
    static Task<bool> is_ready(State* self, std::weak_ptr<Engine> engine);
    static Task<bool> is_healthy(State* self, std::weak_ptr<Engine> engine);
    static Task<> stop_engine(std::shared_ptr<Engine> engine);
    static Task<> replace(std::shared_ptr<Engine> old, std::shared_ptr<Engine> next);
    process::SupervisedChild describe(const std::shared_ptr<Engine>& engine, const EngineOptions& child);
};

Task<Result<json::object>> EngineFleet::State::ask_health(std::string socket) {
    http::ClientRequest request;
    CO_TRY_ASSIGN(request.url, http::Url::parse("unix:" + socket + ":/healthz"));
    request.deadlines = {kHealthAnswer, kHealthAnswer, kHealthAnswer};
    CO_TRY_ASSIGN(auto response, co_await client.send(std::move(request)));
    CO_TRY_ASSIGN(const std::string body, co_await response->read_all(64 * 1024));
    CO_TRY_ASSIGN(json::object object, json::parse_object(body));
    if (response->status() != 200) co_return fail(unavailable(std::string(json::string_or(object, "status", "not ready"))));
    co_return object;
}

Task<bool> EngineFleet::State::is_ready(State* self, std::weak_ptr<Engine> weak) {
    const std::shared_ptr<Engine> engine = weak.lock();
    if (!engine) co_return false;
    const Result<json::object> health = co_await self->ask_health(engine->socket);
    engine->ready.set(health ? 1 : 0);
    co_return health.has_value();
}

Task<bool> EngineFleet::State::is_healthy(State* self, std::weak_ptr<Engine> weak) {
    const std::shared_ptr<Engine> engine = weak.lock();
    if (!engine) co_return true;
    const Result<json::object> health = co_await self->ask_health(engine->socket);
    bool healthy = health.has_value();
    if (healthy) {
        // A page that answers proves nothing about the decode thread: what counts is that steps go by while there is work.
        healthy = makes_progress(*health, kWedged);
        if (!healthy) log::warning("engine makes no progress", {{"model", engine->model}, {"health", json::serialize(*health)}});
    }
    engine->ready.set(healthy ? 1 : 0);
    co_return healthy;
}

Task<> EngineFleet::State::stop_engine(std::shared_ptr<Engine> engine) {
    co_await engine->supervisor->stop();
    engine->ready.set(0);
}

Task<> EngineFleet::State::replace(std::shared_ptr<Engine> old, std::shared_ptr<Engine> next) {
    co_await stop_engine(std::move(old));
    next->supervisor->start();
}

process::SupervisedChild EngineFleet::State::describe(const std::shared_ptr<Engine>& engine, const EngineOptions& child) {
    process::SupervisedChild description;
    description.name = "engine " + engine->model;
    description.argv = {options.executable, "engine"};
    for (std::string& argument : engine_arguments(child)) description.argv.push_back(std::move(argument));
    if (const char* module = getenv("ATRIUM_ENGINE_MODULE")) description.environment.push_back(fmt::format("ATRIUM_ENGINE_MODULE={}", module));
    description.is_ready = [this, weak = std::weak_ptr(engine)] { return is_ready(this, weak); };
    description.is_healthy = [this, weak = std::weak_ptr(engine)] { return is_healthy(this, weak); };
    description.on_log_line = [model = engine->model](std::string_view line) {
        log::info("engine says", {{"model", model}, {"line", line}});
    };
    return description;
}

EngineFleet::EngineFleet(boost::asio::io_context& context, const Clock& clock, metrics::Registry& metrics, Options options)
    : state_(std::make_unique<State>(context, clock, metrics, std::move(options))) {}

EngineFleet::~EngineFleet() = default;

Result<> EngineFleet::start(const InstalledModel& model, const config::ModelSettings& settings) {
    Fs& fs = machine_fs();
    TRY(fs.make_directories(state_->options.run_directory));
    std::error_code error;
    std::filesystem::permissions(state_->options.run_directory, std::filesystem::perms::owner_all, error);
    if (error) return fail(from_errno(error.value(), fmt::format("restrict '{}'", state_->options.run_directory.string())));

    const std::string name = settings.name.empty() ? model.name : settings.name;
    auto engine = std::make_shared<State::Engine>();
    engine->model = name;
    engine->task = model.task;
    // Absolute: the child may run elsewhere.
    const Path base = std::filesystem::absolute(state_->options.run_directory) / file_name(name);
    engine->socket = base.string() + ".sock";
    if (engine->socket.size() > kMaxSocketPath) {
        return fail(invalid_argument(fmt::format("the socket path '{}' is longer than {} bytes; choose a shorter home", engine->socket, kMaxSocketPath)));
    }
    EngineOptions child;
    child.model_path = std::filesystem::absolute(model.file).string();
    child.socket = engine->socket;
    child.name = name;
    child.embedding = model.task == ModelTask::kEmbedding;
    child.context = settings.context;
    child.slots = settings.slots;
    child.threads = settings.threads > 0 ? settings.threads : state_->options.threads;
    child.defaults_file = base.string() + ".json";
    TRY(write_file_atomically(fs, child.defaults_file, defaults_json(model.defaults)));

    engine->ready = state_->metrics.gauge("atrium_engine_ready", "Whether the local engine of a model answers.", {{"model", name}});
    engine->supervisor = std::make_unique<process::Supervisor>(state_->context, state_->clock, state_->describe(engine, child));
    const auto old = std::ranges::find(state_->engines, name, [](const auto& other) { return other->model; });
    if (old == state_->engines.end()) {
        state_->engines.push_back(engine);
        engine->supervisor->start();
        return {};
    }
    // The socket's name can belong to one process at a time.
    state_->tasks.spawn(State::replace(std::exchange(*old, engine), engine));
    return {};
}

Task<> EngineFleet::stop_all() {
    co_await state_->tasks.join();
    const auto engines = std::exchange(state_->engines, {});
    for (const auto& engine : engines) state_->tasks.spawn(State::stop_engine(engine));
    co_await state_->tasks.join();
}

Result<std::string> EngineFleet::base_url(std::string_view model) const {
    const auto found = std::ranges::find(state_->engines, model, [](const auto& engine) -> std::string_view { return engine->model; });
    if (found == state_->engines.end()) return fail(not_found(fmt::format("no engine for the model '{}'", model)));
    return "unix:" + (*found)->socket + ":/v1";
}

std::vector<EngineStatus> EngineFleet::status() const {
    std::vector<EngineStatus> all;
    for (const auto& engine : state_->engines) {
        const process::Supervisor& supervisor = *engine->supervisor;
        all.push_back({engine->model, engine->task, supervisor.state(), supervisor.last_failure(), supervisor.process_id(), supervisor.restarts()});
    }
    return all;
}

}  // namespace atrium::model
