#include "app/chat/chat_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/chat/attempt_spans.h"
#include "app/chat/chunk_rewriter.h"
#include "app/chat/guarded_stream.h"
#include "app/chat/route_query.h"

namespace atrium::app {
namespace {

// A completion of a million tokens is about 4 MB; 2,048 embeddings of 4,096 numbers as JSON are about 100 MB.
constexpr std::size_t kMaxAnswerBytes = 128u << 20;

double seconds(SteadyTime::duration duration) {
    return std::chrono::duration<double>(duration).count();
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

void note_fired(const GuardVerdict& verdict, CallOutcome& outcome) {
    for (const auto& fired : verdict.fired) {
        auto& known = outcome.guardrails;
        if (std::ranges::find(known, fired) == known.end()) known.push_back(fired);
    }
}

/// A complete answer, checked.
Result<std::string> guarded(const GuardPolicy& policy, const std::string& text, CallOutcome& outcome) {
    TRY_ASSIGN(auto answer, json::parse_object(text));
    const auto verdict = guard_answer(policy, answer);
    note_fired(verdict, outcome);
    return verdict.changed ? json::serialize(answer) : text;
}

/// One streamed call on its way: the parts of ChatService::stream that share state. Lives in that coroutine's frame.
struct Relay {
    const Clock& clock;
    ChunkRewriter rewriter;
    EventSink sink;
    CallOutcome& outcome;
    SteadyTime began;
    std::optional<GuardedStream> guards = {};

    Task<Result<>> pass(http::SseEvent event, model::Wire wire) {
        if (wire == model::Wire::kOpenAiChat && event.data != "[DONE]") {
            CO_TRY_ASSIGN(auto rewritten, rewriter.rewrite(event.data));
            if (!rewritten) co_return Result<>{};
            event.data = std::move(*rewritten);
        }
        if (!guards) co_return co_await sink(event, wire);
        CO_TRY_ASSIGN(auto clean, guards->take(event.data));
        note_fired(guards->verdict(), outcome);
        for (auto& chunk : clean) {
            event.data = std::move(chunk);
            CO_TRY(co_await sink(event, wire));
        }
        co_return Result<>{};
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

}  // namespace

ChatService::ChatService(model::Router& router, model::Dispatcher& dispatcher, trace::SpanStore& spans,
                         const Clock& clock, const Guardrails* guardrails)
    : router_(router), dispatcher_(dispatcher), spans_(spans), clock_(clock), guardrails_(guardrails) {}

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

/// From here on the outcome names the model: it is one that exists, and that this caller may use.
Result<> ChatService::admit(const ModelCall& call, CallOutcome& outcome) const {
    const auto model = json::string_or(call.request->object, "model");
    if (!call.chosen_by_us) TRY(check_model(call.context.principal, model));
    TRY(router_.find(model));
    outcome = {};
    outcome.operation = model::operation_name(call.operation);
    outcome.model = model;
    return {};
}

/// What the model will read is checked, and masked where a rule says so. Then the caller's own bytes, in whatever wire,
/// are not what may be sent any more.
Result<> ChatService::guard(ModelCall& call, const GuardPolicy* policy, CallOutcome& outcome) const {
    if (policy == nullptr || call.chosen_by_us) return {};
    json::object body = call.request->object;
    auto verdict = guard_request(*policy, body);
    if (!verdict) return fail(verdict.error());
    outcome.guardrails = std::move(verdict->fired);
    // Answers in another wire cannot be read by output rules, so nothing is passed through untranslated then.
    if (!verdict->changed && !(policy->guards(true) && call.request->native)) return {};
    auto request = std::make_shared<model::ModelRequest>();
    request->object = std::move(body);
    call.request = std::move(request);
    return {};
}

Task<Result<model::Dispatched>> ChatService::open(const ModelCall& call, bool stream, model::AttemptObserver& observer,
                                                  CallOutcome& outcome) {
    model::UpstreamCall made;
    made.operation = call.operation;
    made.request = call.request;
    made.stream = stream;
    made.request_id = call.context.request_id;
    made.tenant = call.context.principal.project;
    const auto began = clock_.steady();
    auto dispatched = co_await dispatcher_.open(route_query(call), std::move(made), call.context.stop, &observer);
    outcome.upstream_seconds = seconds(clock_.steady() - began);
    if (dispatched) {
        outcome.upstream = dispatched->upstream;
        outcome.attempts = dispatched->attempts;
    }
    co_return dispatched;
}

Task<Result<ChatService::Answer>> ChatService::complete(ModelCall call, CallOutcome* progress) {
    CallOutcome local;
    CallOutcome& outcome = progress != nullptr ? *progress : local;
    const auto policy = guardrails_ != nullptr ? guardrails_->policy() : nullptr;
    CO_TRY(admit(call, outcome));
    CO_TRY(guard(call, policy.get(), outcome));
    AttemptSpans spans(spans_, clock_, call, false);
    CO_TRY_ASSIGN(auto dispatched, co_await open(call, false, spans, outcome));

    auto text = co_await dispatched.answer->read_all(kMaxAnswerBytes);
    const model::AnswerFacts& facts = dispatched.answer->facts();
    const auto wire = dispatched.answer->wire();
    account(outcome, facts);
    if (text && wire == model::Wire::kOpenAiChat) text = in_callers_words(*text, outcome.model);
    if (text && policy != nullptr && policy->guards(true)) text = guarded(*policy, *text, outcome);
    spans.end(outcome, facts, text ? nullptr : &text.error());
    if (!text) {
        dispatched.lease.failed(text.error());
        co_return fail(in_callers_words(text.error(), outcome.model));
    }
    dispatched.lease.finished(outcome.usage.completion_tokens);
    co_return Answer{std::move(*text), wire, outcome};
}

Task<Result<CallOutcome>> ChatService::stream(ModelCall call, EventSink sink, CallOutcome* progress) {
    CallOutcome local;
    CallOutcome& outcome = progress != nullptr ? *progress : local;
    const auto began = clock_.steady();
    const auto policy = guardrails_ != nullptr ? guardrails_->policy() : nullptr;
    CO_TRY(admit(call, outcome));
    CO_TRY(guard(call, policy.get(), outcome));
    AttemptSpans spans(spans_, clock_, call, true);
    CO_TRY_ASSIGN(auto dispatched, co_await open(call, true, spans, outcome));

    Relay relay{clock_, ChunkRewriter(outcome.model, wants_usage(call.request->object)), std::move(sink), outcome, began};
    if (policy != nullptr && policy->guards(true)) relay.guards.emplace(policy);
    auto relayed = co_await relay.run(*dispatched.answer);
    spans.end(outcome, dispatched.answer->facts(), relayed ? nullptr : &relayed.error());
    if (!relayed) {
        // Whether the upstream broke or the caller stopped listening: the lease tells them apart by the error's code.
        dispatched.lease.failed(relayed.error());
        co_return fail(in_callers_words(relayed.error(), outcome.model));
    }
    dispatched.lease.finished(outcome.usage.completion_tokens);
    co_return outcome;
}

}  // namespace atrium::app
