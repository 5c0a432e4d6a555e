#include "app/chat/chat_service.h"

#include <fmt/format.h>

#include "app/chat/chunk_rewriter.h"
#include "platform/async/runtime.h"
#include "platform/http/sse.h"

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

trace::Span begin_span(trace::SpanStore& spans, const Clock& clock, model::Operation operation,
                       const CallContext& context, const model::Route& route, const json::object& body, bool stream) {
    const std::string name(model::operation_name(operation));
    trace::Span span(&spans, clock, fmt::format("{} {}", name, route.info.id), "client", context.trace);
    span.set_project(context.principal.project);
    span.set("gen_ai.operation.name", name);
    span.set("gen_ai.provider.name", route.info.owned_by);
    span.set("gen_ai.request.model", route.info.id);
    span.set("server.address", route.upstream->name());
    if (operation == model::Operation::kEmbedding) return span;
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

model::UpstreamCall make_call(model::Operation operation, const CallContext& context, const model::Route& route,
                              json::object body, bool stream, const trace::Span& span) {
    model::UpstreamCall call;
    call.operation = operation;
    call.model = route.upstream_model;
    call.body = std::move(body);
    call.stream = stream;
    call.traceparent = span.context().to_traceparent();
    call.request_id = context.request_id;
    call.tenant = context.principal.project;
    return call;
}

Error damaged_answer(const std::string& upstream, const Error& cause) {
    return unavailable(fmt::format("the upstream '{}' sent an answer that cannot be read, please retry", upstream))
        .with_reason("upstream_interrupted")
        .with_cause(cause);
}

/// What a break in mid-answer is called; the caller's own departure and deadlines keep their codes.
Error interrupted(const std::string& model, const Error& cause) {
    if (cause.code() == Code::kCancelled) return cause;
    if (cause.code() == Code::kDeadlineExceeded) {
        return deadline_exceeded(fmt::format("the model '{}' stopped answering in time", model)).with_cause(cause);
    }
    return unavailable(fmt::format("the model '{}' broke off in the middle of its answer, please retry", model))
        .with_reason("upstream_interrupted")
        .with_cause(cause);
}

/// Stops the caller's waiting for the end of a stream that is complete already. Bounded, so nobody joins it.
Task<> give_up_soon(StopSource waiting, StopToken over) {
    if (co_await sleep_for(std::chrono::milliseconds(100), over)) waiting.request_stop();
}

/// The bytes between "[DONE]" and the end of the response, normally none and already here: a response read to its end
/// gives its connection back, which saves the next call a (TLS) handshake. An upstream that keeps it open is not waited
/// for.
Task<> read_to_end(http::ClientResponse& response, StopSource call) {
    StopSource over;
    co_await spawn_here(give_up_soon(call, over.get_token()));
    while (true) {
        auto rest = co_await response.read_some();
        if (!rest || rest->empty()) break;
    }
    over.request_stop();
}

/// One streamed call on its way: the parts of ChatService::stream that share state. Lives in that coroutine's frame.
struct Relay {
    Relay(const Clock& c, ChunkRewriter r, ChunkSink s, CallOutcome& o, SteadyTime b)
        : clock(c), rewriter(std::move(r)), sink(std::move(s)), outcome(o), began(b) {}

    const Clock& clock;
    ChunkRewriter rewriter;
    ChunkSink sink;
    CallOutcome& outcome;
    SteadyTime began;
    bool done = false;

    void account() {
        outcome.usage = rewriter.usage();
        outcome.usage_estimated = rewriter.usage_estimated();
        if (outcome.first_token_seconds == 0 && rewriter.saw_content()) {
            outcome.first_token_seconds = seconds(clock.steady() - began);
        }
    }

    Task<Result<>> pass(const std::string& data) {
        if (data == "[DONE]") {
            done = true;
            co_return co_await sink("[DONE]");
        }
        auto rewritten = rewriter.rewrite(data);
        account();
        CO_TRY(rewritten);
        if (!*rewritten) co_return Result<>{};
        co_return co_await sink(**rewritten);
    }

    Task<Result<>> run(http::ClientResponse& response) {
        http::SseParser parser;
        while (!done) {
            auto piece = co_await response.read_some();
            if (!piece) co_return fail(interrupted(outcome.model, piece.error()));
            if (piece->empty()) break;
            auto events = parser.feed(*piece);
            if (!events) co_return fail(interrupted(outcome.model, events.error()));
            for (const auto& event : *events) {
                if (done) break;
                CO_TRY(co_await pass(event.data));
            }
        }
        if (done) co_return Result<>{};
        if (!rewriter.saw_finish()) {
            co_return fail(interrupted(outcome.model, unavailable("the stream ended without a finish reason")));
        }
        co_return co_await sink("[DONE]");
    }
};

void finish_usage(const json::object& answer, CallOutcome& outcome) {
    if (const auto* usage = answer.if_contains("usage"); usage != nullptr && usage->is_object()) {
        read_usage(usage->get_object(), outcome.usage);
    }
}

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

Task<Result<ChatService::Answer>> ChatService::complete(model::Operation operation, CallContext context,
                                                        json::object body, CallOutcome* progress) {
    CallOutcome local;
    CallOutcome& outcome = progress != nullptr ? *progress : local;
    CO_TRY_ASSIGN(auto route, router_.resolve(json::string_or(body, "model")));
    start_outcome(outcome, operation, route);
    body.stable_erase("stream");
    body.stable_erase("stream_options");
    auto span = begin_span(spans_, clock_, operation, context, route, body, false);
    auto call = make_call(operation, context, route, std::move(body), false, span);

    const auto began = clock_.steady();
    auto response = co_await route.upstream->call(std::move(call), context.stop);
    auto text =
        response ? co_await (*response)->read_all(kMaxAnswerBytes) : Result<std::string>(fail(response.error()));
    outcome.upstream_seconds = seconds(clock_.steady() - began);
    if (!text) {
        const Error error = response ? interrupted(route.info.id, text.error()) : text.error();
        end_span(span, outcome, &error);
        co_return fail(error);
    }
    auto answer = json::parse_object(*text);
    if (!answer) {
        const Error error = damaged_answer(outcome.upstream, answer.error());
        end_span(span, outcome, &error);
        co_return fail(error);
    }
    finish_usage(*answer, outcome);
    (*answer)["model"] = route.info.id;
    answer->stable_erase("atrium");
    if (const auto id = json::string_or(*answer, "id"); !id.empty()) span.set("gen_ai.response.id", std::string(id));
    end_span(span, outcome, nullptr);
    co_return Answer{json::serialize(*answer), outcome};
}

Task<Result<CallOutcome>> ChatService::stream(model::Operation operation, CallContext context, json::object body,
                                              ChunkSink sink, CallOutcome* progress) {
    CallOutcome local;
    CallOutcome& outcome = progress != nullptr ? *progress : local;
    CO_TRY_ASSIGN(auto route, router_.resolve(json::string_or(body, "model")));
    start_outcome(outcome, operation, route);

    body["stream"] = true;
    auto& options = body["stream_options"];
    if (!options.is_object()) options.emplace_object();
    const auto* asked = options.get_object().if_contains("include_usage");
    const bool include_usage = asked != nullptr && asked->is_bool() && asked->get_bool();
    // Always asked for upstream: a stream whose usage nobody reports cannot be accounted.
    options.get_object()["include_usage"] = true;

    auto span = begin_span(spans_, clock_, operation, context, route, body, true);
    auto call = make_call(operation, context, route, std::move(body), true, span);
    const auto began = clock_.steady();
    StopSource stop;
    const StopCallback forward(context.stop, [&stop] { stop.request_stop(); });
    auto response = co_await route.upstream->call(std::move(call), stop.get_token());
    outcome.upstream_seconds = seconds(clock_.steady() - began);
    if (!response) {
        end_span(span, outcome, &response.error());
        co_return fail(response.error());
    }
    Relay relay(clock_, ChunkRewriter(outcome.upstream, route.info.id, include_usage), std::move(sink), outcome, began);
    auto relayed = co_await relay.run(**response);
    relay.account();
    if (relayed && relay.done) co_await read_to_end(**response, stop);
    if (!relay.rewriter.response_id().empty()) span.set("gen_ai.response.id", relay.rewriter.response_id());
    if (relay.rewriter.saw_finish()) span.set("gen_ai.response.finish_reasons", relay.rewriter.finish_reason());
    end_span(span, outcome, relayed ? nullptr : &relayed.error());
    CO_TRY(relayed);
    co_return outcome;
}

}  // namespace atrium::app
