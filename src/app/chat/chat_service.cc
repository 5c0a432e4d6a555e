#include "app/chat/chat_service.h"

#include <fmt/format.h>

#include <array>

#include "app/chat/chunk_rewriter.h"

namespace atrium::app {
namespace {

// A completion of a million tokens is about 4 MB; 2,048 embeddings of 4,096 numbers as JSON are about 100 MB.
constexpr std::size_t kMaxAnswerBytes = 128u << 20;

double seconds(SteadyTime::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

void set_number(trace::Span& span, std::string_view attribute, const json::object& body, std::string_view key) {
    const auto* value = body.if_contains(key);
    if (value == nullptr) return;
    if (value->is_int64()) span.set(std::string(attribute), value->get_int64());
    if (value->is_double()) span.set(std::string(attribute), value->get_double());
}

trace::Span begin_span(trace::SpanStore& spans, const Clock& clock, const ModelCall& call, const model::Route& route,
                       bool stream) {
    const json::object& body = call.request->object;
    const std::string name(model::operation_name(call.operation));
    trace::Span span(&spans, clock, fmt::format("{} {}", name, route.info.id), "client", call.context.trace);
    span.set_project(call.context.principal.project);
    span.set("gen_ai.operation.name", name);
    span.set("gen_ai.provider.name", route.info.owned_by);
    span.set("gen_ai.request.model", route.info.id);
    span.set("server.address", route.upstream->name());
    if (call.operation == model::Operation::kEmbedding) return span;
    span.set("gen_ai.request.stream", stream);
    set_number(span, "gen_ai.request.temperature", body, "temperature");
    set_number(span, "gen_ai.request.top_p", body, "top_p");
    set_number(span, "gen_ai.request.seed", body, "seed");
    set_number(span, "gen_ai.request.max_tokens", body,
               body.contains("max_tokens") ? "max_tokens" : "max_completion_tokens");
    return span;
}

void end_span(trace::Span& span, const CallOutcome& outcome, const Error* error) {
    span.set("gen_ai.usage.input_tokens", outcome.usage.prompt_tokens);
    span.set("gen_ai.usage.output_tokens", outcome.usage.completion_tokens);
    if (outcome.usage.cached_tokens > 0) span.set("gen_ai.usage.cache_read.input_tokens", outcome.usage.cached_tokens);
    if (outcome.usage_estimated) span.set("atrium.usage.estimated", true);
    if (outcome.first_token_seconds > 0) span.set("gen_ai.response.time_to_first_chunk", outcome.first_token_seconds);
    if (error != nullptr) span.set_error(std::string(code_name(error->code())));
    span.end();
}

model::UpstreamCall make_call(const ModelCall& call, const model::Route& route, bool stream, const trace::Span& span) {
    model::UpstreamCall made;
    made.operation = call.operation;
    made.model = route.upstream_model;
    made.request = call.request;
    made.stream = stream;
    made.traceparent = span.context().to_traceparent();
    made.request_id = call.context.request_id;
    made.tenant = call.context.principal.project;
    return made;
}

bool wants_usage(const json::object& body) {
    const auto* options = body.if_contains("stream_options");
    if (options == nullptr || !options->is_object()) return false;
    const auto* asked = options->get_object().if_contains("include_usage");
    return asked != nullptr && asked->is_bool() && asked->get_bool();
}

/// The caller's words for an answer in OpenAI's: `model` as it was asked for, nothing that is only between us and our
/// engines.
Result<std::string> in_callers_words(const std::string& text, const std::string& model) {
    TRY_ASSIGN(const auto answer, json::ObjectText::scan(text));
    const std::string name = json::quote(model);
    const std::array<json::Edit, 2> edits{json::Edit{"model", name}, json::Edit{"atrium", {}}};
    return answer.edited(edits);
}

/// Upstreams are the operator's business; the caller reads the name that he asked for.
Error in_callers_words(const Error& error, const std::string& model) {
    if (error.reason() != "upstream_interrupted") return error;
    return unavailable(fmt::format("the model '{}' broke off in the middle of its answer, please retry", model))
        .with_reason(error.reason())
        .with_cause(error);
}

/// Facts into the outcome, as far as they are known.
void account(CallOutcome& outcome, const model::AnswerFacts& facts) {
    outcome.usage = facts.best_usage();
    outcome.usage_estimated = facts.usage_estimated();
}

void end_span(trace::Span& span, const CallOutcome& outcome, const model::AnswerFacts& facts, const Error* error) {
    if (!facts.response_id.empty()) span.set("gen_ai.response.id", facts.response_id);
    if (!facts.finish_reason.empty()) span.set("gen_ai.response.finish_reasons", facts.finish_reason);
    end_span(span, outcome, error);
}

/// One streamed call on its way: the parts of ChatService::stream that share state. Lives in that coroutine's frame.
struct Relay {
    const Clock& clock;
    ChunkRewriter rewriter;
    EventSink sink;
    CallOutcome& outcome;
    SteadyTime began;

    Task<Result<>> pass(http::SseEvent event, model::Wire wire) {
        if (wire == model::Wire::kOpenAiChat && event.data != "[DONE]") {
            CO_TRY_ASSIGN(auto rewritten, rewriter.rewrite(event.data));
            if (!rewritten) co_return Result<>{};
            event.data = std::move(*rewritten);
        }
        co_return co_await sink(event, wire);
    }

    Task<Result<>> run(model::UpstreamAnswer& answer) {
        while (true) {
            auto events = co_await answer.next();
            account(outcome, answer.facts());
            if (outcome.first_token_seconds == 0 && answer.facts().pieces > 0)
                outcome.first_token_seconds = seconds(clock.steady() - began);
            CO_TRY(events);
            if (events->empty()) co_return Result<>{};
            for (auto& event : *events) CO_TRY(co_await pass(std::move(event), answer.wire()));
        }
    }
};

void start_outcome(CallOutcome& outcome, model::Operation operation, const model::Route& route) {
    outcome = {};
    outcome.operation = model::operation_name(operation);
    outcome.model = route.info.id;
    outcome.upstream = route.upstream->name();
}

}  // namespace

ChatService::ChatService(model::Router& router, trace::SpanStore& spans, const Clock& clock)
    : router_(router), spans_(spans), clock_(clock) {}

Result<model::ModelInfo> ChatService::find_model(std::string_view id) const {
    for (auto& info : router_.models()) {
        if (info.id == id) return std::move(info);
    }
    auto missing = router_.resolve(id);
    if (!missing) return fail(missing.error());
    return missing->info;
}

Result<model::ModelInfo> ChatService::ready_model(std::string_view id) const {
    TRY_ASSIGN(auto route, router_.resolve(id));
    return std::move(route.info);
}

ModelCall make_model_call(model::Operation operation, CallContext context, json::object body, std::string text) {
    auto request = std::make_shared<model::ModelRequest>();
    request->object = std::move(body);
    request->text = std::move(text);
    return {operation, std::move(context), std::move(request)};
}

Task<Result<ChatService::Answer>> ChatService::complete(ModelCall call, CallOutcome* progress) {
    CallOutcome local;
    CallOutcome& outcome = progress != nullptr ? *progress : local;
    CO_TRY_ASSIGN(auto route, router_.resolve(json::string_or(call.request->object, "model")));
    start_outcome(outcome, call.operation, route);
    auto span = begin_span(spans_, clock_, call, route, false);

    const auto began = clock_.steady();
    auto answer = co_await route.upstream->call(make_call(call, route, false, span), call.context.stop);
    auto text = answer ? co_await (*answer)->read_all(kMaxAnswerBytes) : Result<std::string>(fail(answer.error()));
    outcome.upstream_seconds = seconds(clock_.steady() - began);
    const model::AnswerFacts facts = answer ? (*answer)->facts() : model::AnswerFacts{};
    account(outcome, facts);
    const auto wire = answer ? (*answer)->wire() : model::Wire::kOpenAiChat;
    if (text && wire == model::Wire::kOpenAiChat) text = in_callers_words(*text, route.info.id);
    end_span(span, outcome, facts, text ? nullptr : &text.error());
    if (!text) co_return fail(in_callers_words(text.error(), route.info.id));
    co_return Answer{std::move(*text), wire, outcome};
}

Task<Result<CallOutcome>> ChatService::stream(ModelCall call, EventSink sink, CallOutcome* progress) {
    CallOutcome local;
    CallOutcome& outcome = progress != nullptr ? *progress : local;
    CO_TRY_ASSIGN(auto route, router_.resolve(json::string_or(call.request->object, "model")));
    start_outcome(outcome, call.operation, route);
    auto span = begin_span(spans_, clock_, call, route, true);

    const auto began = clock_.steady();
    auto answer = co_await route.upstream->call(make_call(call, route, true, span), call.context.stop);
    outcome.upstream_seconds = seconds(clock_.steady() - began);
    if (!answer) {
        end_span(span, outcome, {}, &answer.error());
        co_return fail(answer.error());
    }
    Relay relay{clock_, ChunkRewriter(route.info.id, wants_usage(call.request->object)), std::move(sink), outcome,
                began};
    auto relayed = co_await relay.run(**answer);
    end_span(span, outcome, (*answer)->facts(), relayed ? nullptr : &relayed.error());
    if (!relayed) co_return fail(in_callers_words(relayed.error(), route.info.id));
    co_return outcome;
}

}  // namespace atrium::app
