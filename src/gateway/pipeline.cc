#include "gateway/pipeline.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/id.h"
#include "base/text.h"
#include "gateway/authenticate.h"
#include "gateway/errors.h"
#include "gateway/stamped_exchange.h"

namespace atrium::gateway {
namespace {

std::optional<trace::Context> incoming_trace(const http::RequestHead& head) {
    const auto header = head.headers.get("traceparent");
    return header ? trace::Context::parse(*header) : std::nullopt;
}

Error unknown_path(const RouteTable& routes, const http::RequestHead& head) {
    const auto path = text::shorten(text::to_valid_utf8(head.path), 200);
    std::string message = fmt::format("There is nothing at {} {}.", http::method_name(head.method), path);
    std::vector<std::string_view> patterns;
    for (const auto& route : routes.routes()) patterns.push_back(route.pattern);
    if (const auto near = text::closest(head.path, patterns)) message += fmt::format(" Did you mean {}?", *near);
    // The usual mistake: a base URL without /v1.
    const auto with_version = "/v1" + head.path;
    if (routes.match(head.method, with_version).route != nullptr && !head.path.starts_with("/v1")) {
        message += fmt::format(" Did you mean {}? The base URL of OpenAI clients ends in /v1.",
                               text::shorten(with_version, 200));
    }
    message += " GET /atrium/openapi.json lists every route.";
    return not_found(std::move(message)).with_reason("unknown_url");
}

/// In whose words this request wants to hear of errors, also where no route was found.
Dialect dialect_of(const RouteSpec* route, const http::RequestHead& head) {
    const bool anthropic_client = head.headers.get("anthropic-version").has_value();
    if (route != nullptr && route->dialect != Dialect::kOpenAi) return route->dialect;
    if (anthropic_client && head.path.starts_with("/v1/")) return Dialect::kAnthropic;
    if (route == nullptr && head.path.starts_with("/v1/messages")) return Dialect::kAnthropic;
    if (route == nullptr && head.path.starts_with("/api/")) return Dialect::kOllama;
    return Dialect::kOpenAi;
}

}  // namespace

/// One request on its way: what the stages hand each other.
struct Pipeline::Passage {
    Passage(http::Exchange& e, const Clock& c, trace::Context t)
        : exchange(e, c, new_id("req_"), t.trace_id), trace(std::move(t)) {}

    const http::RequestHead& head() const { return exchange.head(); }

    StampedExchange exchange;
    trace::Context trace;
    RouteTable::Match match;
    app::Principal principal;
    trace::Span span;
    app::Meter::Ticket ticket;
    std::unique_ptr<Call> call;
    bool told = true;  ///< an error could be handed to the client
};

Task<> Pipeline::handle(http::Exchange& exchange) const {
    Passage passage(exchange, parts_.clock, incoming_trace(exchange.head()).value_or(trace::Context::make()));
    parts_.settler.request_began();
    Result<> result;
    try {
        result = co_await pass(passage);
    } catch (const std::exception& error) {
        result = fail(internal_error("a handler failed").with_cause(internal_error(error.what())));
    }
    try {
        if (passage.call) co_await passage.call->close_stream();
        if (result && !passage.exchange.response_started()) {
            BUG_IF(!passage.exchange.response_started());
            result = fail(internal_error("the handler gave no answer"));
        }
        if (!result) {
            passage.told = (co_await tell(passage, result.error())).has_value();
        } else if (passage.call && passage.call->is_streaming()) {
            result = co_await passage.exchange.finish();
        }
    } catch (const std::exception& error) {
        result = fail(internal_error("answering failed").with_cause(internal_error(error.what())));
    }
    settle(passage, result);
}

Task<Result<>> Pipeline::pass(Passage& passage) const {
    const auto& head = passage.head();
    for (auto& [name, value] : parts_.origins.cors_headers(head)) passage.exchange.add_response_header(name, value);
    CO_TRY(parts_.origins.check(head));
    if (auto preflight = parts_.origins.preflight(head))
        co_return co_await passage.exchange.respond(std::move(*preflight));

    CO_TRY(find_route(passage));
    const RouteSpec& route = *passage.match.route;
    if (route.access != Access::kPublic) {
        CO_TRY_ASSIGN(passage.principal, authenticate(head, parts_.tenancy));
        passage.span =
            trace::Span(&parts_.spans, parts_.clock,
                        fmt::format("{} {}", http::method_name(head.method), route.pattern), "server", passage.trace);
        passage.span.set_project(passage.principal.project);
        CO_TRY(authorize(passage.principal, passage.match));

        const bool may_cost = head.method == http::Method::kPost && route.access != Access::kAdmin;
        const auto admitted = co_await parts_.meter.admit(passage.principal, passage.ticket, may_cost);
        passage.exchange.set_limit_headers(passage.ticket.take_headers());
        CO_TRY(admitted);
        passage.exchange.meter_body(parts_.meter, passage.principal, passage.ticket);
    }
    co_return co_await dispatch(passage);
}

Result<> Pipeline::find_route(Passage& passage) const {
    const auto& head = passage.head();
    passage.match = parts_.routes.match(head.method, head.path);
    if (passage.match.route != nullptr) return {};
    if (passage.match.allow.empty()) return fail(unknown_path(parts_.routes, head));
    passage.exchange.add_response_header("Allow", passage.match.allow);
    return fail(unimplemented(fmt::format("{} is not allowed here; this path knows {}.", http::method_name(head.method),
                                          passage.match.allow))
                    .with_reason("method_not_allowed"));
}

Task<Result<>> Pipeline::dispatch(Passage& passage) const {
    app::CallContext context;
    context.principal = passage.principal;
    context.request_id = passage.exchange.request_id();
    context.trace = passage.match.route->access == Access::kPublic ? passage.trace : passage.span.context();
    context.stop = passage.exchange.stop_token();
    passage.call = std::make_unique<Call>(passage.exchange, std::move(context), std::move(passage.match.parameters));
    passage.call->set_max_body(parts_.max_body);
    passage.call->set_heartbeat(parts_.heartbeat);
    passage.exchange.watch(&passage.call->outcome);
    co_return co_await passage.match.route->handler(*passage.call);
}

Task<Result<>> Pipeline::tell(Passage& passage, const Error& error) const {
    if (passage.exchange.client_gone()) co_return fail(error);  // words for nobody; settle counts it as 499
    const bool stopped = error.code() == Code::kCancelled && passage.exchange.stop_token().stop_requested();
    const Error shown =
        stopped ? unavailable("The server is shutting down; please retry.").with_reason("shutting_down") : error;
    const auto dialect = dialect_of(passage.match.route, passage.head());
    if (!passage.exchange.response_started()) {
        co_return co_await passage.exchange.respond(error_response(shown, passage.exchange.request_id(), dialect));
    }
    // Inside a download there is no place for words: without finish() the connection breaks off, and the client knows.
    if (!passage.call || !passage.call->is_streaming()) co_return fail(error);
    const auto event = json::serialize(error_body(shown, passage.exchange.request_id(), dialect));
    // Streams with named events have one named "error"; OpenAI's have none. Both parse this data.
    const bool named = dialect == Dialect::kAtrium || dialect == Dialect::kAnthropic;
    CO_TRY(co_await passage.call->send_sse(event, named ? "error" : ""));
    co_return co_await passage.exchange.finish();
}

void Pipeline::settle(Passage& passage, const Result<>& result) const {
    Settlement settlement;
    settlement.head = &passage.head();
    settlement.route = passage.match.route;
    settlement.request_id = passage.exchange.request_id();
    settlement.trace_id = passage.trace.trace_id;
    settlement.principal = passage.principal;
    if (passage.call) settlement.outcome = passage.call->outcome;
    if (!result) settlement.error = result.error();
    const bool left =
        !result && !passage.told && (passage.exchange.client_gone() || result.error().code() == Code::kCancelled);
    settlement.status = passage.exchange.status() == 0 || left ? 499 : passage.exchange.status();
    settlement.bytes_sent = passage.exchange.bytes_sent();
    settlement.duration = parts_.clock.steady() - passage.exchange.began();

    passage.span.set("http.request.method", std::string(http::method_name(passage.head().method)));
    if (passage.match.route != nullptr) passage.span.set("http.route", passage.match.route->pattern);
    passage.span.set("http.response.status_code", std::int64_t{settlement.status});
    passage.span.set("atrium.request_id", settlement.request_id);
    if (!result) passage.span.set_error(std::string(code_name(result.error().code())));
    passage.span.end();
    parts_.settler.settle(settlement, passage.ticket);
}

}  // namespace atrium::gateway
