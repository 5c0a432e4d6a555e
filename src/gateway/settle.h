#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/chat/chat_service.h"
#include "app/usage/usage_log.h"
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
    Settler(metrics::Registry& registry, app::UsageLog& usage);
    ~Settler();

    void request_began();
    void settle(const Settlement& settlement);

private:
    struct State;
    void measure(const Settlement& settlement);
    void measure_model(const Settlement& settlement);
    void record_usage(const Settlement& settlement);

    app::UsageLog& usage_;
    std::unique_ptr<State> state_;
};

}  // namespace atrium::gateway
