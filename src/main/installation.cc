#include "main/installation.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <source_location>

#include "app/governance/audit_log.h"
#include "app/knowledge/schema.h"
#include "app/responses/schema.h"
#include "app/routing/migrations.h"
#include "app/tenancy/migrations.h"
#include "app/usage/schema.h"
#include "base/check.h"
#include "data/files/local_blob_store.h"
#include "gateway/admin/knowledge.h"
#include "gateway/admin/routing_routes.h"
#include "gateway/console/console.h"
#include "gateway/openai/files.h"
#include "gateway/openai/responses.h"
#include "gateway/openai/vector_stores.h"
#include "gateway/settle.h"
#include "model/catalog/model_store.h"
#include "model/upstream/upstream.h"
#include "observability/log/log.h"
#include "platform/process/child.h"
#include "security/tokens/api_key.h"

namespace atrium {
namespace {

constexpr int kWorkerThreads = 2;
constexpr std::chrono::milliseconds kReadinessPoll{50};

// A function pointer carries no object; there is one installation per process.
std::atomic<metrics::Counter*> bug_counter{nullptr};

void record_bug(std::string_view condition, std::source_location where) {
    log::error("BUG", {{"condition", condition},
                       {"file", std::string_view(where.file_name())},
                       {"line", static_cast<std::int64_t>(where.line())}});
    if (auto* counter = bug_counter.load()) counter->add();
}

std::vector<sql::Migration> all_migrations() {
    std::vector<sql::Migration> all;
    for (const auto& part : {app::tenancy_migrations(), app::usage_migrations(), app::knowledge_migrations(), app::audit_migrations(),
                             app::response_migrations(), app::routing_migrations()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    std::ranges::sort(all, {}, &sql::Migration::number);
    return all;
}

/// "sqlite:///atrium.db" is a file of the home folder; everything else is taken as it is.
std::string database_url(const std::string& url, const Path& home) {
    constexpr std::string_view kRelative = "sqlite:///";
    if (!url.starts_with(kRelative)) return url;
    return "sqlite:///" + (home / url.substr(kRelative.size())).string();
}

Path files_folder(const std::string& url, const Path& home) {
    constexpr std::string_view kRelative = "file:///";
    return home / (url.starts_with(kRelative) ? url.substr(kRelative.size()) : url);
}

/// The settings for an installed model: its row in the configuration, or the defaults when no model is listed there.
const config::ModelSettings* settings_of(const model::InstalledModel& model,
                                         const std::vector<config::ModelSettings>& listed) {
    static const config::ModelSettings kDefaults;
    if (listed.empty()) return &kDefaults;
    const auto found = std::ranges::find_if(listed, [&](const config::ModelSettings& row) {
        return row.name == model.name || row.name == model.name + "@" + model.version;
    });
    return found == listed.end() ? nullptr : &*found;
}

model::ModelInfo info_of(const model::InstalledModel& model, const config::ModelSettings& settings) {
    model::ModelInfo info;
    info.id = model.name;
    info.owned_by = "atrium";
    info.embedding = model.task == model::ModelTask::kEmbedding;
    info.small_builtin = model.defaults.small_builtin;
    info.created = model.installed_at;
    info.context_length = info.embedding ? model.context_length : std::min(model.context_length, settings.context);
    info.embedding_dimensions = model.embedding_dimensions;
    info.query_prefix = model.defaults.query_prefix;
    info.passage_prefix = model.defaults.passage_prefix;
    return info;
}

/// "local/<model>": its readiness comes from the supervisor, and it costs nothing.
model::Deployment local_deployment(const model::InstalledModel& model, const config::ModelSettings& settings,
                                   std::shared_ptr<model::Upstream> upstream) {
    model::Deployment deployment;
    deployment.id = "local/" + model.name;
    deployment.info = info_of(model, settings);
    deployment.version = model.version;
    deployment.upstream = std::move(upstream);
    deployment.upstream_name = "local";
    deployment.upstream_model = model.name;
    deployment.local = true;
    return deployment;
}

/// A stored file in one piece, for a model to read.
Task<Result<app::FileContent>> read_whole_file(app::FileService* files, std::string project, std::string id,
                                               std::size_t limit) {
    CO_TRY_ASSIGN(auto file, co_await files->get(std::move(project), std::move(id)));
    if (file.bytes < 0 || static_cast<std::size_t>(file.bytes) > limit) {
        co_return fail(out_of_range(fmt::format("The file '{}' has {} bytes; a model reads at most {}.", file.id,
                                                file.bytes, limit))
                           .with_field("input"));
    }
    const std::string name = file.filename;
    CO_TRY_ASSIGN(auto bytes, co_await files->read(std::move(file), 0, limit));
    co_return app::FileContent{name, std::move(bytes)};
}

}  // namespace

Result<std::unique_ptr<Installation>> Installation::open(Options options) {
    TRY_ASSIGN(Home home, Home::open(options.settings.home));
    std::unique_ptr<Installation> made(new Installation(std::move(options), std::move(home)));
    TRY(made->prepare());
    return made;
}

Installation::Installation(Options options, Home home)
    : options_(std::move(options)),
      home_(std::move(home)),
      executable_(process::self_executable()),
      runtime_(options_.settings.server.threads),
      workers_(std::in_place, "worker", kWorkerThreads),
      readiness_(std::make_shared<const Readiness>()) {}

Installation::~Installation() {
    // Work that is queued or running uses the objects which are destroyed next.
    workers_.reset();
    set_bug_handler(nullptr);
    bug_counter.store(nullptr);
}

Result<> Installation::prepare() {
    const config::Settings& settings = options_.settings;
    bugs_ = metrics_.counter("atrium_bugs_total", "Conditions that cannot happen and did; the log names them.");
    bug_counter.store(&bugs_);
    set_bug_handler(&record_bug);
    if (!process::can_hide_files()) {
        log::warning("this kernel has no Landlock: a document parser that is taken over could read this user's files",
                     {{"do", "enable Landlock, or run Atrium as a user of its own"}});
    }
    TRY_ASSIGN(database_, sql::Database::open(database_url(settings.storage.database, home_.directory())));
    TRY(database_->migrate(all_migrations()));
    TRY_ASSIGN(blobs_,
               data::LocalBlobStore::open(machine_fs(), files_folder(settings.storage.files, home_.directory())));

    tenancy_ = std::make_unique<app::Tenancy>(*database_, system_clock());
    TRY(ensure_admin_key());
    TRY(open_usage());
    routing_ = std::make_unique<app::RoutingService>(app::RoutingService::Parts{
        .database = *database_,
        .router = router_,
        .client = client_,
        .clock = system_clock(),
        .make_upstream =
            [this](model::UpstreamOptions options) { return model::make_upstream(client_, std::move(options)); },
        .environment = options_.environment});

    fleet_ = std::make_unique<model::EngineFleet>(
        runtime_.context(0), system_clock(), metrics_,
        model::EngineFleet::Options{.executable = executable_, .run_directory = home_.run(), .threads = 0});
    router_.set_readiness([this](std::string_view model) -> std::optional<std::string> {
        const auto snapshot = readiness_.load();
        const auto found = snapshot->find(model);
        return found == snapshot->end() ? std::nullopt : std::optional(found->second.sentence());
    });
    dispatcher_ = std::make_unique<model::Dispatcher>(router_, system_clock(), metrics_);
    chat_ = std::make_unique<app::ChatService>(router_, *dispatcher_, spans_, system_clock());

    app::KnowledgeOptions knowledge;
    knowledge.executable = executable_;
    knowledge.chunk_tokens = settings.knowledge.chunk_tokens;
    knowledge.overlap_tokens = settings.knowledge.chunk_overlap_tokens;
    knowledge.sample_directory = settings.knowledge.sample ? options_.samples : std::string();
    knowledge_ = std::make_unique<app::Knowledge>(
        *database_, *blobs_,
        app::make_knowledge_models(*chat_, settings.knowledge.embedding_model, settings.knowledge.answer_model),
        *workers_, system_clock(), &spans_, machine_fs(), std::move(knowledge));
    responses_ = std::make_unique<app::ResponseService>(*database_, *chat_, system_clock(), response_options());
    return {};
}

app::ResponseService::Options Installation::response_options() {
    app::ResponseService::Options options;
    options.sole_owner = database_->backend() == "sqlite";
    options.read_file = [files = &knowledge_->files()](std::string project, std::string id, std::size_t limit) {
        return read_whole_file(files, std::move(project), std::move(id), limit);
    };
    options.settle = [meter = meter_.get()](const app::CallContext& context, const app::CallOutcome& outcome,
                                            const std::optional<Error>& error) {
        if (outcome.model.empty()) return;
        app::UsageRecord record;
        record.request_id = context.request_id + "-background";
        record.organisation = context.principal.organisation;
        record.project = context.principal.project;
        record.key_id = context.principal.key_id;
        record.user_id = context.principal.user_id;
        record.operation = outcome.operation;
        record.model = outcome.model;
        record.upstream = outcome.upstream;
        record.tokens = gateway::buckets_of(outcome.usage);
        record.estimated = outcome.usage_estimated;
        record.attempts = std::max(1, outcome.attempts);
        record.status = error ? http_status(error->code()) : 200;
        app::Meter::Ticket ticket;
        meter->settle(std::move(record), ticket);
    };
    return options;
}

Result<> Installation::open_usage() {
    const config::Settings& settings = options_.settings;
    app::UsageLog::Options log;
    log.metrics = &metrics_;
    TRY_ASSIGN(log.journal, app::UsageJournal::open(machine_fs(), {home_.directory() / "usage"}));
    usage_ = std::make_unique<app::UsageLog>(*database_, system_clock(), std::move(log));
    usage_->recover();
    usage_report_ = std::make_unique<app::UsageReport>(*database_);
    prices_ = std::make_unique<app::PriceBook>(*database_, system_clock());
    TRY(prices_->synchronise(settings.prices));
    budgets_ = std::make_unique<app::BudgetLedger>(*database_, system_clock(), metrics_);
    TRY(budgets_->load());
    usage_->on_stored([this](const std::vector<app::UsageRecord>& records) { budgets_->stored(records); });
    if (settings.storage.cache == "memory://") {
        limiter_ = app::make_embedded_rate_limiter(system_clock());
    } else {
        TRY_ASSIGN(redis_, redis::RedisClient::open(settings.storage.cache));
        limiter_ = app::make_redis_rate_limiter(*redis_, system_clock(), metrics_);
    }
    meter_ = std::make_unique<app::Meter>(app::Meter::Parts{*limiter_, *budgets_, *prices_, *usage_, system_clock()},
                                          app::Meter::Policy{settings.limits, settings.rate_limits, settings.budgets});
    return {};
}

/// The first key comes from ATRIUM_ADMIN_KEY, from admin.key, or is made now and written there.
Result<> Installation::ensure_admin_key() {
    std::string key = options_.admin_key;
    if (key.empty()) key = home_.stored_admin_key();
    if (key.empty()) {
        TRY_ASSIGN(const bool exists, tenancy_->has_admin_key());
        if (!exists) {
            key = new_admin_key_ = tokens::generate_api_key();
            TRY(home_.store_admin_key(key));
        }
    }
    return tenancy_->bootstrap(key);
}

Result<std::string> Installation::listen() {
    const config::Settings& settings = options_.settings;
    gateway_ = std::make_unique<gateway::Gateway>(gateway::Gateway::Dependencies{
        .server = settings.server,
        .tenancy = *tenancy_,
        .chat = *chat_,
        .meter = *meter_,
        .limits = settings.limits,
        .usage_report = *usage_report_,
        .prices = *prices_,
        .metrics = metrics_,
        .spans = spans_,
        .clock = system_clock(),
        .version = ATRIUM_VERSION,
        .not_ready = [this] { return not_ready(); },
    });
    gateway::add_file_routes(gateway_->routes(), knowledge_->files(), settings.server.max_upload_bytes);
    gateway::add_vector_store_routes(gateway_->routes(), knowledge_->stores(), knowledge_->retriever());
    gateway::add_knowledge_routes(gateway_->routes(), knowledge_->stores(), knowledge_->retriever(),
                                  knowledge_->answers());
    gateway::add_response_routes(gateway_->routes(), *responses_, *chat_);
    gateway::add_conversation_routes(gateway_->routes(), responses_->conversations());
    server_ =
        std::make_unique<http::Server>(runtime_, http::ServerLimits{}, gateway::with_console(gateway_->handler()));
    TRY_ASSIGN(const std::string address, server_->listen(settings.server.listen));
    TRY(home_.announce("http://" + address));
    return address;
}

Result<> Installation::start() {
    tasks_ = std::make_unique<TaskGroup>(runtime_.context(0));
    TRY(start_models());
    tasks_->spawn(watch_engines(tasks_->token()));
    tasks_->spawn(tenancy_->run(tasks_->token()));
    tasks_->spawn(routing_->run(runtime_.context(0), tasks_->token()));
    tasks_->spawn(usage_->run(tasks_->token()));
    TRY(responses_->start(runtime_.context(0)));
    tasks_->spawn(prices_->run(tasks_->token()));
    tasks_->spawn(limiter_->run(tasks_->token()));
    tasks_->spawn(budgets_->run(tasks_->token()));
    tasks_->spawn(keep_usage_tidy(tasks_->token()));
    return knowledge_->start(runtime_.context(0));
}

Result<> Installation::start_models() {
    const config::Settings& settings = options_.settings;
    const model::ModelStore store(machine_fs(), home_.models());
    TRY_ASSIGN(const std::vector<model::InstalledModel> installed, store.list());
    std::vector<model::Deployment> local;
    for (const model::InstalledModel& model : installed) {
        const config::ModelSettings* row = settings_of(model, settings.models);
        const bool seen = std::ranges::find(model_names_, model.name) != model_names_.end();
        if (!row || seen) continue;
        TRY(fleet_->start(model, *row));
        TRY_ASSIGN(std::string url, fleet_->base_url(model.name));
        TRY_ASSIGN(std::unique_ptr<model::Upstream> upstream,
                   model::make_upstream(client_, {.name = "local", .base_url = std::move(url)}));
        local.push_back(local_deployment(model, *row, std::move(upstream)));
        model_names_.push_back(model.name);
    }
    for (const config::ModelSettings& row : settings.models) {
        if (!store.find(row.name)) {
            log::warning("a configured model is not installed",
                         {{"model", row.name}, {"do", "atrium pull " + row.name}});
        }
    }
    return routing_->start(std::move(local), settings.upstreams, settings.aliases);
}

/// Local engines belong to io thread 0; the other threads see their readiness through a snapshot, refreshed here.
Task<> Installation::watch_engines(StopToken stop) {
    while (!stop.stop_requested()) {
        Readiness current;
        for (const model::EngineStatus& engine : fleet_->status()) {
            if (engine.state == process::ChildState::kReady) continue;
            using State = gateway::NotReady::State;
            const bool starting =
                engine.state == process::ChildState::kStarting || engine.state == process::ChildState::kStopped;
            current[engine.model] = {.model = engine.model,
                                     .state = starting ? State::kStarting : State::kUnavailable,
                                     .detail = engine.failure};
        }
        if (current != *readiness_.load()) readiness_.store(std::make_shared<const Readiness>(std::move(current)));
        co_await sleep_for(kReadinessPoll, stop);
    }
}

Result<> Installation::reload(const config::Settings& settings) {
    return routing_->reload(settings.upstreams, settings.aliases);
}

/// Once an hour: single calls and hourly sums that are older than the settings want to keep.
Task<> Installation::keep_usage_tidy(StopToken stop) {
    const auto& keep = options_.settings.usage;
    while (co_await sleep_for(std::chrono::hours(1), stop)) {
        const auto now = unix_seconds(system_clock().system());
        const auto removed =
            co_await usage_report_->purge(now - keep.keep_calls_days * 86400ll, now - keep.keep_hours_days * 86400ll);
        if (!removed) log::warning("old usage cannot be removed", {{"error", removed.error()}});
    }
}

std::vector<gateway::NotReady> Installation::not_ready() const {
    std::vector<gateway::NotReady> models;
    for (const auto& [name, model] : *readiness_.load()) models.push_back(model);
    return models;
}

Task<> Installation::stop() {
    co_await server_->drain(options_.settings.server.drain_timeout);
    co_await responses_->stop();
    co_await knowledge_->stop();
    co_await dispatcher_->stop();
    if (tasks_) {
        tasks_->request_stop();
        co_await tasks_->join();
    }
    co_await fleet_->stop_all();
}

}  // namespace atrium
