#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/chat/guardrails.h"
#include "app/tenancy/tenancy.h"
#include "base/json.h"
#include "base/stop.h"
#include "model/routing/dispatcher.h"
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

/// Facts of a call, for headers, usage, metrics and trace. Filled as they become known, so that a call that breaks off
/// is accounted for as far as it came.
struct CallOutcome {
    model::TokenUsage usage;
    bool usage_estimated = false;  ///< broke off before anybody reported: pieces of the answer were counted
    std::string operation;         ///< "chat", "text_completion", "embeddings"; empty: no model was called
    std::string model;             ///< as the caller named it; always a name the router knows
    std::string upstream;
    int attempts = 0;
    std::vector<std::string> guardrails;  ///< which rules fired, "pii=mask"; shadow rules are not among them
    double upstream_seconds = 0;     ///< until the answer, or the head of the stream, was here
    double first_token_seconds = 0;  ///< streams only; 0 when there was none
};

/// One call of a model: what, for whom, with which body. The model's name is `request->object["model"]`.
struct ModelCall {
    model::Operation operation = model::Operation::kChat;
    CallContext context;
    std::shared_ptr<const model::ModelRequest> request;
    /// The model was picked by this installation (a knowledge base's embedding model), so the caller's allow-list does
    /// not matter.
    bool chosen_by_us = false;
};

/// `text`: the bytes that `body` was parsed from, if it has not been changed since; see model::ModelRequest.
ModelCall make_model_call(model::Operation operation, CallContext context, json::object body, std::string text = {});

/// Receives a streamed answer, event by event: OpenAI chunks and at last "[DONE]"; or, when the request carried a
/// NativeRequest and was passed through, the events of that wire. An error ends the stream.
using EventSink = std::function<Task<Result<>>(const http::SseEvent& event, model::Wire wire)>;

/// Model calls for people and programs, in stages: admit (may the caller use this model) → guard the request → dispatch
/// (who answers) → guard the answer → relay and account. One client span per attempt. Thread-safe, holds no state of its own; owned by main. Fails with the router's or the last attempt's error.
///
/// `progress`, when given, is written as facts become known and outlives the call: what settles a request whose call
/// ended in an error reads it there.
class ChatService {
public:
    /// `guardrails` may be null: none.
    ChatService(model::Router& router, model::Dispatcher& dispatcher, trace::SpanStore& spans, const Clock& clock,
                const Guardrails* guardrails = nullptr);

    struct Answer {
        std::string body;  ///< complete JSON in `wire`; OpenAI's has `model` as the caller named it
        model::Wire wire = model::Wire::kOpenAiChat;
        CallOutcome outcome;
    };
    /// Without streaming (whatever the body says about it). The request has been validated by the gateway.
    Task<Result<Answer>> complete(ModelCall call, CallOutcome* progress = nullptr);

    /// With streaming. When the upstream breaks off after the first event, the error is returned and the gateway sends
    /// it inside the stream. Usage is always asked for upstream, and shown to the caller only if
    /// `stream_options.include_usage` says so.
    Task<Result<CallOutcome>> stream(ModelCall call, EventSink sink, CallOutcome* progress = nullptr);

    /// Unit vectors for texts, at most 64 per upstream call; `is_query` picks the model's prefix. Row-major floats.
    /// An empty `model` means the first ready embedding model.
    struct Embeddings {
        std::string model;
        std::size_t dimensions = 0;
        std::vector<float> values;
    };
    Task<Result<Embeddings>> embed(CallContext context, std::string model, std::vector<std::string> texts,
                                   bool is_query);

    std::vector<model::ModelInfo> models() const { return router_.models(); }
    /// One model, ready or not; kNotFound with a suggestion.
    Result<model::ModelInfo> find_model(std::string_view id) const;
    /// One model that can be called now; else the error that a call would end in.
    Result<model::ModelInfo> ready_model(std::string_view id) const;
    model::Router& router() { return router_; }

private:
    Result<> admit(const ModelCall& call, CallOutcome& outcome) const;
    Result<> guard(ModelCall& call, const GuardPolicy* policy, CallOutcome& outcome) const;
    Task<Result<model::Dispatched>> open(const ModelCall& call, bool stream, model::AttemptObserver& observer,
                                         CallOutcome& outcome);

    model::Router& router_;
    model::Dispatcher& dispatcher_;
    trace::SpanStore& spans_;
    const Clock& clock_;
    const Guardrails* guardrails_;
};

}  // namespace atrium::app
