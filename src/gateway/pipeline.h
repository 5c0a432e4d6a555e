#pragma once

#include <string>

#include "app/tenancy/tenancy.h"
#include "app/usage/meter.h"
#include "base/clock.h"
#include "gateway/origin.h"
#include "gateway/route_table.h"
#include "gateway/settle.h"
#include "observability/trace/trace.h"

namespace atrium::gateway {

/// The way of every request:
///
///     origin → route → authenticate → authorize → admit → dispatch → settle
///
/// Everything up to `admit` is decided from the head; a refused request's body is never read. `settle` always runs.
/// (`guard` and `cache`, between admit and dispatch in the design, have no content yet; see README.md.)
///
/// Stateless apart from its parts, which outlive it; called on any io thread.
class Pipeline {
public:
    struct Parts {
        const RouteTable& routes;
        const OriginPolicy& origins;
        const app::Tenancy& tenancy;
        app::Meter& meter;
        Settler& settler;
        trace::SpanStore& spans;
        const Clock& clock;
        std::size_t max_body = 32u << 20;             ///< for JSON routes; a handler may set its own
        std::chrono::milliseconds heartbeat{15'000};  ///< comments in silent streams
    };
    explicit Pipeline(Parts parts) : parts_(parts) {}

    /// Answers the request; never throws, never leaves it unanswered.
    Task<> handle(http::Exchange& exchange) const;

private:
    struct Passage;
    Task<Result<>> pass(Passage& passage) const;
    Result<> find_route(Passage& passage) const;
    Task<Result<>> dispatch(Passage& passage) const;
    Task<Result<>> tell(Passage& passage, const Error& error) const;
    void settle(Passage& passage, const Result<>& result) const;

    const Parts parts_;
};

}  // namespace atrium::gateway
