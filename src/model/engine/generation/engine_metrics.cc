#include "model/engine/generation/engine_metrics.h"

namespace atrium::model {
namespace {

constexpr const char* kFinished = "atrium_engine_requests_finished_total";
constexpr const char* kFinishedHelp = "Answers by how they ended.";

const std::vector<double>& step_buckets() {
    static const std::vector<double> buckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
    return buckets;
}

}  // namespace

EngineMetrics::EngineMetrics(metrics::Registry& registry)
    : running(registry.gauge("atrium_engine_requests_running", "Requests in the batch.")),
      waiting(registry.gauge("atrium_engine_requests_waiting", "Requests in the queue.")),
      kv_usage(registry.gauge("atrium_engine_kv_cache_usage_ratio", "Share of the KV cells in use, kept prefixes included.")),
      prompt_tokens(registry.counter("atrium_engine_prompt_tokens_total", "Prompt tokens computed.")),
      reused_tokens(registry.counter("atrium_engine_prompt_tokens_cached_total", "Prompt tokens found in the KV cache.")),
      generated_tokens(registry.counter("atrium_engine_generation_tokens_total", "Tokens sampled.")),
      steps(registry.counter("atrium_engine_steps_total", "Batches computed.")),
      retractions(registry.counter("atrium_engine_preemptions_total", "Requests set aside because the KV cache was full.")),
      finished_stop(registry.counter(kFinished, kFinishedHelp, {{"reason", "stop"}})),
      finished_length(registry.counter(kFinished, kFinishedHelp, {{"reason", "length"}})),
      finished_cancelled(registry.counter(kFinished, kFinishedHelp, {{"reason", "cancelled"}})),
      finished_error(registry.counter(kFinished, kFinishedHelp, {{"reason", "error"}})),
      rejected(registry.counter("atrium_engine_requests_rejected_total", "Requests refused because the queue was full.")),
      step_seconds(registry.histogram("atrium_engine_step_seconds", "Time of one batch.", step_buckets())),
      queue_seconds(registry.histogram("atrium_engine_queue_seconds", "Waiting time before the first step.", metrics::latency_buckets())),
      first_token_seconds(registry.histogram("atrium_engine_time_to_first_token_seconds", "From arrival to the first token.",
                                             metrics::latency_buckets())),
      between_tokens_seconds(registry.histogram("atrium_engine_inter_token_seconds", "Gap between two tokens of one answer.",
                                                step_buckets())),
      embedded_inputs(registry.counter("atrium_engine_embedding_inputs_total", "Texts embedded.")),
      embedded_tokens(registry.counter("atrium_engine_embedding_tokens_total", "Tokens embedded.")) {}

}  // namespace atrium::model
