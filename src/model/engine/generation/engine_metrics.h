#pragma once

#include "observability/metrics/metrics.h"

namespace atrium::model {

/// The engine's series. The names of what schedulers and dashboards look at follow what other servers export, with our
/// prefix: requests_running, requests_waiting, kv_cache_usage_ratio …
struct EngineMetrics {
    explicit EngineMetrics(metrics::Registry& registry);

    metrics::Gauge running;
    metrics::Gauge waiting;
    metrics::Gauge kv_usage;
    metrics::Counter prompt_tokens;
    metrics::Counter reused_tokens;
    metrics::Counter generated_tokens;
    metrics::Counter steps;
    metrics::Counter retractions;
    metrics::Counter finished_stop;
    metrics::Counter finished_length;
    metrics::Counter finished_cancelled;
    metrics::Counter finished_error;
    metrics::Counter rejected;
    metrics::Histogram step_seconds;
    metrics::Histogram queue_seconds;
    metrics::Histogram first_token_seconds;
    metrics::Histogram between_tokens_seconds;
    metrics::Counter embedded_inputs;
    metrics::Counter embedded_tokens;
};

}  // namespace atrium::model
