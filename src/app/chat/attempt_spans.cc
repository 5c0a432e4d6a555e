#include "app/chat/attempt_spans.h"

#include <fmt/format.h>

namespace atrium::app {
namespace {

void set_number(trace::Span& span, std::string_view attribute, const json::object& body, std::string_view key) {
    const auto* value = body.if_contains(key);
    if (value == nullptr) return;
    if (value->is_int64()) span.set(std::string(attribute), value->get_int64());
    if (value->is_double()) span.set(std::string(attribute), value->get_double());
}

void set_sampling(trace::Span& span, const json::object& body) {
    set_number(span, "gen_ai.request.temperature", body, "temperature");
    set_number(span, "gen_ai.request.top_p", body, "top_p");
    set_number(span, "gen_ai.request.seed", body, "seed");
    set_number(span, "gen_ai.request.max_tokens", body,
               body.contains("max_tokens") ? "max_tokens" : "max_completion_tokens");
}

}  // namespace

std::string AttemptSpans::begin_attempt(int number, const model::Deployment& deployment) {
    const json::object& body = call_.request->object;
    const std::string name(model::operation_name(call_.operation));
    const std::string model(json::string_or(body, "model"));
    span_ = trace::Span(&store_, clock_, fmt::format("{} {}", name, model), "client", call_.context.trace);
    span_.set_project(call_.context.principal.project);
    span_.set("gen_ai.operation.name", name);
    span_.set("gen_ai.provider.name", deployment.info.owned_by);
    span_.set("gen_ai.request.model", model);
    span_.set("server.address", deployment.upstream_name);
    span_.set("atrium.deployment", deployment.id);
    if (number > 1) span_.set("atrium.attempt", std::int64_t{number});
    if (call_.operation == model::Operation::kChat || call_.operation == model::Operation::kCompletion) {
        span_.set("gen_ai.request.stream", stream_);
        set_sampling(span_, body);
    }
    return span_.context().to_traceparent();
}

void AttemptSpans::end_attempt(int /*number*/, const Error* error) {
    if (error == nullptr) return;
    span_.set_error(std::string(code_name(error->code())));
    span_.end();
}

void AttemptSpans::end(const CallOutcome& outcome, const model::AnswerFacts& facts, const Error* error) {
    if (!facts.response_id.empty()) span_.set("gen_ai.response.id", facts.response_id);
    if (!facts.finish_reason.empty()) span_.set("gen_ai.response.finish_reasons", facts.finish_reason);
    span_.set("gen_ai.usage.input_tokens", outcome.usage.prompt_tokens);
    span_.set("gen_ai.usage.output_tokens", outcome.usage.completion_tokens);
    if (outcome.usage.cached_tokens > 0) span_.set("gen_ai.usage.cache_read.input_tokens", outcome.usage.cached_tokens);
    if (outcome.usage.reasoning_tokens > 0)
        span_.set("gen_ai.usage.reasoning.output_tokens", outcome.usage.reasoning_tokens);
    if (outcome.usage_estimated) span_.set("atrium.usage.estimated", true);
    if (outcome.first_token_seconds > 0) span_.set("gen_ai.response.time_to_first_chunk", outcome.first_token_seconds);
    if (error != nullptr) span_.set_error(std::string(code_name(error->code())));
    span_.end();
}

}  // namespace atrium::app
