#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/stop.h"
#include "model/routing/deployment_state.h"
#include "model/routing/retry.h"
#include "model/routing/rng.h"
#include "model/routing/router.h"
#include "model/upstream/upstream.h"
#include "observability/metrics/metrics.h"
#include "platform/async/runtime.h"
#include "platform/async/task.h"

namespace atrium::model {

/// What routing has to know about a request.
struct RouteQuery {
    std::string model;  ///< as the caller named it: model, "name@version", deployment id or alias
    Operation operation = Operation::kChat;
    std::string tenant;
    std::string unit;                ///< what sticks: conversation, user, else the key's id; empty: nothing does
    std::uint64_t prefix_hash = 0;   ///< of the beginning of the prompt; 0: unknown
    std::int64_t prompt_tokens = 0;  ///< an estimate will do
};

/// An answer that has begun. `answer` of a stream has its first content in hand: nothing that comes from now on is
/// repeated elsewhere.
struct Dispatched {
    std::unique_ptr<UpstreamAnswer> answer;
    ModelInfo info;          ///< of the name that was called
    std::string upstream;    ///< who answered: its name and
    std::string deployment;  ///< its id
    int attempts = 0;        ///< calls made, this one included
    Lease lease;
};

/// Is told about each attempt, for spans. Called on the request's io thread; outlives open().
class AttemptObserver {
public:
    virtual ~AttemptObserver() = default;
    /// The traceparent to send along; empty: the call's own. `number` counts from 1.
    virtual std::string begin_attempt(int number, const Deployment& deployment) = 0;
    /// Nothing: the attempt is the answer.
    virtual void end_attempt(int number, const Error* error) = 0;
};

/// Makes the calls: picks a deployment, tries, retries within the budget, falls back by the kind of failure, until an
/// answer has begun. Thread-safe; owned by main, destroyed after stop() and after all calls have ended.
///
/// A stream counts as begun when its first content (text, reasoning, a tool call) is there. Until then its events are
/// held back, at most 64 of them and 256 KiB, and an error event is as good as an error status. An answer without
/// streaming is read whole, so that a broken one can be repeated. `stop` covers the call to the end of the answer.
///
/// Errors: kNotFound for an unknown model; else the last attempt's. What the caller sees names the model, not the
/// upstreams; the cause, for operators, lists every attempt.
class Dispatcher {
public:
    using Sleep = std::function<Task<bool>(std::chrono::nanoseconds, StopToken)>;
    Dispatcher(Router& router, const Clock& clock, metrics::Registry& registry, Rng rng = system_rng(),
               Sleep sleep = {});
    ~Dispatcher();

    Task<Result<Dispatched>> open(RouteQuery query, UpstreamCall call, StopToken stop,
                                  AttemptObserver* observer = nullptr);

    /// Ends the shadow calls that still run.
    Task<> stop();

    struct State;

private:
    std::shared_ptr<State> state_;
};

}  // namespace atrium::model
