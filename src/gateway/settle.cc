#include "gateway/settle.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "base/machine_error.h"
#include "base/text.h"
#include "gateway/errors.h"
#include "observability/log/log.h"

namespace atrium::gateway {
namespace {

/// Buckets of the OpenTelemetry GenAI conventions.
const std::vector<double> kTokenBuckets{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576};
const std::vector<double> kFirstTokenBuckets{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10};
const std::vector<double> kDurationBuckets{.01,  .02,  .04,  .08,   .16,   .32,   .64,
                                           1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};

double seconds(SteadyTime::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Handles by key, looked up without a lock once they exist: a snapshot that is replaced when a new key appears. Keys
/// come from bounded sets (routes, statuses, model names), so that happens a few hundred times in the life of a
/// process.
template <class Key, class Handles>
class HandleCache {
public:
    template <class Make>
    std::shared_ptr<Handles> get(const Key& key, Make make) {
        if (const auto known = map_.load(); known) {
            if (const auto found = known->find(key); found != known->end()) return found->second;
        }
        std::scoped_lock lock(mutex_);
        const auto current = map_.load();
        auto next = current ? std::make_shared<Map>(*current) : std::make_shared<Map>();
        auto& slot = (*next)[key];
        if (!slot) slot = std::make_shared<Handles>(make());
        auto handles = slot;
        map_.store(std::move(next));
        return handles;
    }

private:
    using Map = std::map<Key, std::shared_ptr<Handles>>;
    std::atomic<std::shared_ptr<const Map>> map_;
    std::mutex mutex_;
};

struct RequestSeries {
    metrics::Counter requests;
    metrics::Histogram duration;
};
struct RequestKey {
    const RouteSpec* route;
    http::Method method;
    int status;
    auto operator<=>(const RequestKey&) const = default;
};

struct ModelSeries {
    metrics::Counter input_tokens;
    metrics::Counter output_tokens;
    metrics::Histogram input_usage;
    metrics::Histogram output_usage;
    metrics::Histogram first_token;
    metrics::Histogram duration;
};

/// Client ids are logged, so they must not be able to forge or flood a log.
std::string loggable(std::optional<std::string_view> header) {
    return header ? text::shorten(text::to_valid_utf8(*header), 128) : std::string();
}

}  // namespace

struct Settler::State {
    explicit State(metrics::Registry& r)
        : registry(r), in_flight(r.gauge("atrium_http_requests_in_flight", "Requests being handled right now.")) {}

    metrics::Registry& registry;
    metrics::Gauge in_flight;
    HandleCache<RequestKey, RequestSeries> requests;
    HandleCache<std::pair<std::string, std::string>, ModelSeries> models;

    RequestSeries make_requests(const Settlement& s) {
        const std::string route = s.route != nullptr ? s.route->pattern : "unmatched";
        const std::string method(http::method_name(s.head->method));
        return {
            registry.counter("atrium_http_requests_total", "Requests answered, by route pattern, method and status.",
                             {{"route", route}, {"method", method}, {"status", std::to_string(s.status)}}),
            registry.histogram("atrium_http_request_duration_seconds",
                               "From the head of a request to the end of its answer.", metrics::latency_buckets(),
                               {{"route", route}, {"method", method}})};
    }

    ModelSeries make_models(const app::CallOutcome& outcome) {
        const metrics::Labels labels{{"gen_ai_operation_name", outcome.operation},
                                     {"gen_ai_request_model", outcome.model}};
        const auto with = [&](std::string name, std::string value) {
            auto all = labels;
            all.emplace_back(std::move(name), std::move(value));
            return all;
        };
        const auto tokens = [&](std::string type) {
            return registry.counter("atrium_tokens_total", "Tokens read (input) and written (output) by models.",
                                    {{"model", outcome.model}, {"type", std::move(type)}});
        };
        const auto usage = [&](std::string type) {
            return registry.histogram("gen_ai_client_token_usage", "Tokens per model call.", kTokenBuckets,
                                      with("gen_ai_token_type", std::move(type)));
        };
        return {tokens("input"),
                tokens("output"),
                usage("input"),
                usage("output"),
                registry.histogram("gen_ai_server_time_to_first_token_seconds",
                                   "Until the first token of a streamed answer.", kFirstTokenBuckets, labels),
                registry.histogram("gen_ai_server_request_duration_seconds",
                                   "Duration of requests that called a model.", kDurationBuckets, labels)};
    }
};

Settler::Settler(metrics::Registry& registry, app::Meter& meter)
    : meter_(meter), state_(std::make_unique<State>(registry)) {}
Settler::~Settler() = default;

void Settler::request_began() {
    state_->in_flight.add(1);
}

void Settler::measure(const Settlement& s) {
    state_->in_flight.add(-1);
    const auto series =
        state_->requests.get({s.route, s.head->method, s.status}, [&] { return state_->make_requests(s); });
    series->requests.add();
    series->duration.observe(seconds(s.duration));
}

void Settler::measure_model(const Settlement& s) {
    const auto series =
        state_->models.get({s.outcome.operation, s.outcome.model}, [&] { return state_->make_models(s.outcome); });
    const auto input = static_cast<double>(s.outcome.usage.prompt_tokens);
    const auto output = static_cast<double>(s.outcome.usage.completion_tokens);
    series->input_tokens.add(input);
    series->output_tokens.add(output);
    if (input > 0) series->input_usage.observe(input);
    if (output > 0) series->output_usage.observe(output);
    if (s.outcome.first_token_seconds > 0) series->first_token.observe(s.outcome.first_token_seconds);
    series->duration.observe(seconds(s.duration));
}

app::TokenBuckets buckets_of(const model::TokenUsage& usage) {
    return app::TokenBuckets::from_openai(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens,
                                          usage.cache_write_tokens, usage.reasoning_tokens);
}

void Settler::record_usage(const Settlement& s, app::Meter::Ticket& ticket) {
    app::UsageRecord record;
    record.request_id = s.request_id;
    record.organisation = s.principal.organisation;
    record.project = s.principal.project;
    record.key_id = s.principal.key_id;
    record.user_id = s.principal.user_id;
    record.operation = s.outcome.operation;
    record.model = s.outcome.model;
    record.upstream = s.outcome.upstream;
    record.tokens = buckets_of(s.outcome.usage);
    record.estimated = s.outcome.usage_estimated;
    record.attempts = std::max(1, s.outcome.attempts);
    // A stream that broke off was sent with 200; what counts here is how it ended.
    record.status = s.error ? error_status(*s.error) : s.status;
    record.duration_ms = std::chrono::duration_cast<std::chrono::milliseconds>(s.duration).count();
    meter_.settle(std::move(record), ticket);
}

namespace {

void write_access_log(const Settlement& s) {
    // Probes and scrapes come every few seconds and tell nothing, "not ready yet" (503) included.
    const bool healthy = s.status < 400 || s.status == 503;
    const bool quiet = s.route != nullptr && s.route->access == Access::kPublic && healthy;
    const auto level = quiet ? log::Level::kDebug : log::Level::kInfo;
    if (!log::enabled(level)) return;
    log::write(level, "request",
               {{"request_id", s.request_id},
                {"client_request_id", loggable(s.head->headers.get("x-client-request-id"))},
                {"peer", s.head->peer},
                {"method", http::method_name(s.head->method)},
                {"path", loggable(s.head->path)},
                {"route", s.route != nullptr ? s.route->pattern : std::string()},
                {"status", s.status},
                {"duration_ms", seconds(s.duration) * 1000},
                {"bytes_sent", s.bytes_sent},
                {"project", s.principal.project},
                {"key", s.principal.key_id},
                {"model", s.outcome.model},
                {"upstream", s.outcome.upstream},
                {"prompt_tokens", s.outcome.usage.prompt_tokens},
                {"completion_tokens", s.outcome.usage.completion_tokens},
                {"error", s.error ? code_name(s.error->code()) : std::string_view()}},
               s.trace_id);
}

void write_failure_log(const Settlement& s) {
    if (!s.error) return;
    const int status = error_status(*s.error);
    // The caller's own mistakes are in the access log; here is what an operator has to know the cause of.
    if (status < 500 && !has_machine_cause(*s.error)) return;
    const auto level = status == 503 || status == 504 ? log::Level::kWarning : log::Level::kError;
    log::write(level, "request failed", {{"request_id", s.request_id}, {"error", *s.error}}, s.trace_id);
}

}  // namespace

void Settler::settle(const Settlement& s, app::Meter::Ticket& ticket) {
    measure(s);
    if (!s.outcome.operation.empty()) {
        measure_model(s);
        record_usage(s, ticket);
    }
    ticket.release();
    write_access_log(s);
    write_failure_log(s);
}

}  // namespace atrium::gateway
