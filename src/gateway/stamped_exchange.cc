#include "gateway/stamped_exchange.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "gateway/settle.h"

namespace atrium::gateway {

void StampedExchange::set_limit_headers(app::Meter::Ticket::Headers headers) {
    for (auto& [name, value] : headers) limit_headers_.set(name, std::move(value));
}

Task<Result<std::string>> StampedExchange::read_body(std::size_t limit) {
    CO_TRY_ASSIGN(auto body, co_await inner_.read_body(limit));
    if (meter_ == nullptr) co_return body;
    if (const auto estimate = app::estimate_call(body)) {
        const auto reserved = co_await meter_->reserve(*principal_, *estimate, *ticket_);
        set_limit_headers(ticket_->take_headers());
        CO_TRY(reserved);
    }
    co_return body;
}

void StampedExchange::stamp() {
    for (const auto& [name, value] : limit_headers_) inner_.add_response_header(name, value);
    const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady() - began_).count();
    add_response_header("x-request-id", request_id_);  // the OpenAI SDKs read this one,
    add_response_header("request-id", request_id_);    // the Anthropic SDKs that one
    add_response_header("openai-processing-ms", std::to_string(elapsed / 1000));
    add_response_header("openai-version", "2020-10-01");
    add_response_header("x-atrium-trace-id", trace_id_);
    if (outcome_ == nullptr || outcome_->operation.empty()) return;
    add_response_header("x-atrium-model", outcome_->model);
    if (!outcome_->upstream.empty()) add_response_header("x-atrium-upstream", outcome_->upstream);
    if (!outcome_->guardrails.empty())
        add_response_header("x-atrium-guardrails", fmt::format("{}", fmt::join(outcome_->guardrails, ", ")));
    if (outcome_->attempts > 0) add_response_header("x-atrium-attempts", std::to_string(outcome_->attempts));
    const auto upstream = static_cast<std::int64_t>(outcome_->upstream_seconds * 1e6);
    const auto tokens = buckets_of(outcome_->usage);
    // Of a stream the head is sent before anybody knows.
    if (meter_ != nullptr && tokens.total() > 0) {
        const auto micros = meter_->cost(outcome_->upstream, outcome_->model, tokens).value_or(0);
        add_response_header("x-atrium-cost", fmt::format("{:.6f}", static_cast<double>(micros) / 1e6));
    }
    // 0: the upstream has not answered yet (a stream opened by its heartbeat), so our share is not known.
    if (upstream > 0)
        add_response_header("x-atrium-overhead-us", std::to_string(std::max<std::int64_t>(0, elapsed - upstream)));
}

}  // namespace atrium::gateway
