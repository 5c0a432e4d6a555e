#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/engine/backend.h"
#include "model/engine/generation/batch_loop.h"
#include "model/engine/generation/embedding_loop.h"
#include "model/engine/serving/answer.h"
#include "observability/metrics/metrics.h"
#include "platform/async/runtime.h"
#include "platform/http/server.h"

namespace atrium::model {

struct ServedModel {
    std::string name;
    bool embedding = false;
    RequestDefaults defaults;
    std::chrono::milliseconds queue_timeout{120'000};
    std::size_t max_body_bytes = 32u << 20;
};

/// What the decode thread offers once the model is loaded; exactly one loop. Outlives the server's exchanges.
struct LoadedEngine {
    Backend* backend = nullptr;
    BatchLoop* text = nullptr;
    EmbeddingLoop* embedding = nullptr;
};

/// The HTTP face of an engine:
///   GET /healthz /metrics /v1/models · POST /v1/chat/completions /v1/completions /v1/embeddings /tokenize /detokenize
/// handle() runs on the io thread; templates and tokenising on a small pool; computing on the decode thread.
/// Headers read: x-atrium-tenant (fairness and prefix isolation), x-atrium-deadline-ms.
class EngineServer {
public:
    EngineServer(ServedModel model, metrics::Registry& registry, const Clock& clock);

    Task<> handle(http::Exchange& exchange);

    /// Progress of loading, 0…1. Any thread, like the next two.
    void set_progress(float progress) { progress_ = progress; }
    void set_ready(LoadedEngine engine);
    /// The model will not come (back); requests get 503.
    void set_failed(const Error& error);

private:
    Task<Result<>> route(http::Exchange& exchange);
    http::Response health() const;
    http::Response models() const;
    Result<LoadedEngine> loaded(bool embedding) const;

    Task<Result<json::object>> read_json(http::Exchange& exchange);
    Task<Result<>> chat(http::Exchange& exchange);
    Task<Result<>> completion(http::Exchange& exchange);
    Task<Result<>> embedding(http::Exchange& exchange);
    Task<Result<>> tokenize(http::Exchange& exchange);
    Task<Result<>> detokenize(http::Exchange& exchange);

    /// Checks the context, submits and delivers.
    Task<Result<>> generate(http::Exchange& exchange, BatchLoop& loop, std::vector<GenerationRequest> requests, Answer::Options shape);
    Result<int> answer_limit(const LoadedEngine& engine, std::size_t prompt_tokens, std::optional<int> wanted, std::string_view field) const;
    GenerationRequest base_request(const http::Exchange& exchange, const AnswerOptions& options) const;
    std::chrono::seconds retry_after() const;

    ServedModel model_;
    metrics::Registry& registry_;
    const Clock& clock_;
    std::int64_t created_;
    ThreadPool pool_;
    std::atomic<float> progress_{0};
    mutable std::mutex mutex_;
    LoadedEngine engine_;
    std::string failure_;
};

}  // namespace atrium::model
