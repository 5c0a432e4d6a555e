#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/chat/chat_service.h"
#include "app/usage/meter.h"
#include "base/clock.h"
#include "gateway/route_table.h"
#include "observability/metrics/metrics.h"

namespace atrium::gateway {

/// A request that is over, whatever way it ended.
struct Settlement {
    const http::RequestHead* head = nullptr;
    const RouteSpec* route = nullptr;  ///< null: no such path
    std::string request_id;
    std::string trace_id;
    app::Principal principal;  ///< empty before authentication
    app::CallOutcome outcome;
    std::optional<Error> error;
    int status = 0;  ///< as sent; 499 when the client left before any
    std::uint64_t bytes_sent = 0;
    SteadyTime::duration duration{};
};

/// settle: the stage that always runs, also after errors, disconnects and time-outs: usage record, metrics, access log.
/// (The trace span ends beside it, in the pipeline, which owns it.) Prompts and answers never come here. Thread-safe.
class Settler {
public:
    Settler(metrics::Registry& registry, app::Meter& meter);
    ~Settler();

    void request_began();
    /// The ticket is free afterwards, whether a model was called or not.
    void settle(const Settlement& settlement, app::Meter::Ticket& ticket);

private:
    struct State;
    void measure(const Settlement& settlement);
    void measure_model(const Settlement& settlement);
    void record_usage(const Settlement& settlement, app::Meter::Ticket& ticket);

    app::Meter& meter_;
    std::unique_ptr<State> state_;
};

/// The counts of an upstream, in buckets that exclude each other.
app::TokenBuckets buckets_of(const model::TokenUsage& usage);

}  // namespace atrium::gateway
