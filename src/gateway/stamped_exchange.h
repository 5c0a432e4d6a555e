#pragma once

#include <string>

#include "app/chat/chat_service.h"
#include "app/usage/meter.h"
#include "base/clock.h"
#include "platform/http/server.h"

namespace atrium::gateway {

/// The exchange as handlers see it: whatever way they answer, the fields that every response of Atrium carries are put
/// in at the last moment, when the processing time and the upstream are known. It is also where the body passes by, so
/// where limits on tokens and budgets are applied: no route can forget them. Lives on the pipeline's frame.
class StampedExchange final : public http::Exchange {
public:
    StampedExchange(http::Exchange& inner, const Clock& clock, std::string request_id, std::string trace_id)
        : inner_(inner),
          clock_(clock),
          began_(clock.steady()),
          request_id_(std::move(request_id)),
          trace_id_(std::move(trace_id)) {}

    /// Where to find what is known of the model call by then.
    void watch(const app::CallOutcome* outcome) { outcome_ = outcome; }
    /// From now on a body that names a model is metered before its handler sees it. All three outlive the exchange.
    void meter_body(app::Meter& meter, const app::Principal& principal, app::Meter::Ticket& ticket) {
        meter_ = &meter;
        principal_ = &principal;
        ticket_ = &ticket;
    }
    /// Sent with the response; the last value of a name counts.
    void set_limit_headers(app::Meter::Ticket::Headers headers);
    SteadyTime began() const { return began_; }
    const std::string& request_id() const { return request_id_; }

    const http::RequestHead& head() const override { return inner_.head(); }
    Task<Result<std::string>> read_body(std::size_t limit) override;
    Task<Result<std::string>> read_some() override { return inner_.read_some(); }
    void add_response_header(std::string name, std::string value) override {
        inner_.add_response_header(std::move(name), std::move(value));
    }
    Task<Result<>> respond(http::Response response) override {
        stamp();
        return inner_.respond(std::move(response));
    }
    Task<Result<>> start(http::ResponseHead head) override {
        stamp();
        return inner_.start(std::move(head));
    }
    Task<Result<>> write(std::string_view bytes) override { return inner_.write(bytes); }
    Task<Result<>> finish() override { return inner_.finish(); }
    bool response_started() const override { return inner_.response_started(); }
    int status() const override { return inner_.status(); }
    std::uint64_t bytes_sent() const override { return inner_.bytes_sent(); }
    StopToken stop_token() const override { return inner_.stop_token(); }
    bool client_gone() const override { return inner_.client_gone(); }

private:
    void stamp();

    http::Exchange& inner_;
    const Clock& clock_;
    const SteadyTime began_;
    const std::string request_id_;
    const std::string trace_id_;
    const app::CallOutcome* outcome_ = nullptr;
    app::Meter* meter_ = nullptr;
    const app::Principal* principal_ = nullptr;
    app::Meter::Ticket* ticket_ = nullptr;
    http::Headers limit_headers_;
};

}  // namespace atrium::gateway
