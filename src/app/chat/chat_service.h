#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/tenancy/tenancy.h"
#include "base/json.h"
#include "base/stop.h"
#include "model/routing/router.h"
#include "observability/trace/trace.h"
#include "platform/async/task.h"

namespace atrium::app {

/// What travels with a call besides its body.
struct CallContext {
    Principal principal;
    std::string request_id;
    trace::Context trace;
    StopToken stop;
};

/// Facts of a finished call, for headers, usage, metrics and trace.
struct CallOutcome {
    model::TokenUsage usage;
    std::string model;
    std::string upstream;
    double first_token_seconds = 0;  ///< streams only
};

/// Receives a streamed answer: complete `data:` payloads in the caller's dialect. An error ends the stream.
using ChunkSink = std::function<Task<Result<>>(std::string_view data)>;

/// Model calls for people and programs: picks the upstream, relays, accounts. Thread-safe.
class ChatService {
public:
    ChatService(model::Router& router, trace::SpanStore& spans, const Clock& clock);

    struct Answer {
        std::string body;  ///< complete OpenAI-shaped JSON with `model` as the caller named it
        CallOutcome outcome;
    };
    /// chat/completions, completions, embeddings without streaming. `body` has been validated by the gateway.
    Task<Result<Answer>> complete(model::Operation operation, CallContext context, json::object body);

    /// With streaming: each chunk goes to `sink`; the "[DONE]" payload is included. When the upstream breaks off after
    /// the first chunk, the error is returned and the gateway sends it inside the stream.
    Task<Result<CallOutcome>> stream(model::Operation operation, CallContext context, json::object body, ChunkSink sink);

    /// Unit vectors for texts, in batches; `is_query` picks the model's prefix. Row-major floats.
    struct Embeddings {
        std::string model;
        std::size_t dimensions = 0;
        std::vector<float> values;
    };
    Task<Result<Embeddings>> embed(CallContext context, std::string model, std::vector<std::string> texts, bool is_query);

    std::vector<model::ModelInfo> models() const { return router_.models(); }
    model::Router& router() { return router_; }

private:
    model::Router& router_;
    trace::SpanStore& spans_;
    const Clock& clock_;
};

}  // namespace atrium::app
