#include "model/routing/dispatcher.h"

#include <fmt/format.h>

#include <array>
#include <atomic>

#include "model/routing/internal/fallback_chain.h"
#include "model/routing/internal/routed_answer.h"
#include "model/routing/internal/selection.h"
#include "observability/log/log.h"

namespace atrium::model {

using internal::Entry;
using internal::FallbackChain;
using internal::Member;
using internal::RoutedAnswer;
using internal::Selection;
using internal::Snapshot;
using internal::Watch;
using std::chrono::milliseconds;

namespace {

constexpr int kMaxAttempts = 8;  // over all fallbacks
constexpr int kMaxShadows = 16;  // at once; copies beyond that are dropped
constexpr milliseconds kShadowDeadline{300'000};
constexpr std::size_t kMaxShadowBytes = 16u << 20;

// A local engine is back about half a second after it died. Waiting a little longer than that, in small steps, makes
// nobody notice.
constexpr std::int64_t kRestartMs = 1'000;
constexpr milliseconds kRestartStep{50};
// A connection that is refused fails at once; a call that worked longer than this may have been what killed the engine,
// and is repeated once only.
constexpr std::int64_t kReachedMs = 30;

}  // namespace

struct Dispatcher::State {
    State(Router& r, const Clock& c, metrics::Registry& registry, Rng chance, Sleep pause)
        : router(r), clock(c), rng(std::move(chance)), sleep(std::move(pause)), budget(steady_ms(c)) {
        for (std::size_t i = 0; i < fallbacks.size(); ++i) {
            fallbacks[i] = registry.counter("atrium_upstream_fallbacks_total",
                                            "Requests that went on to a fallback, by what had failed.",
                                            {{"class", std::string(failure_class_name(static_cast<FailureClass>(i)))}});
        }
        exhausted = registry.counter("atrium_retry_budget_exhausted_total",
                                     "Requests that were not repeated because the retry budget was used up.");
        const auto shadow = [&](const char* outcome) {
            return registry.counter("atrium_shadow_requests_total", "Copies of requests, by how they ended.",
                                    {{"outcome", outcome}});
        };
        shadows_ok = shadow("ok");
        shadows_failed = shadow("failed");
        shadows_dropped = shadow("dropped");
    }

    Router& router;
    const Clock& clock;
    Rng rng;
    Sleep sleep;
    RetryBudget budget;
    std::array<metrics::Counter, 6> fallbacks;
    metrics::Counter exhausted;
    metrics::Counter shadows_ok;
    metrics::Counter shadows_failed;
    metrics::Counter shadows_dropped;
    std::atomic<int> shadows{0};
    StopSource stopping;

    static Task<> shadow(std::shared_ptr<State> self, std::shared_ptr<const Snapshot> snapshot, const Entry* target,
                         RouteQuery query, UpstreamCall call);
    Task<> copy_to_shadows(const std::shared_ptr<State>& self, const std::shared_ptr<const Snapshot>& snapshot,
                           const Entry& entry, const RouteQuery& query, const UpstreamCall& call);
};

namespace {

/// One request on its way through attempts, retries and fallbacks. Lives in the frame of Dispatcher::open.
class Journey {
public:
    Journey(Dispatcher::State& shared, const Entry& entry, const RouteQuery& query, UpstreamCall call,
            const StopToken& stop, AttemptObserver* observer)
        : shared_(shared),
          entry_(entry),
          query_(query),
          call_(std::move(call)),
          stop_(stop),
          observer_(observer),
          chain_(entry),
          selection_(shared.router, entry, query, call_.stream) {}

    Task<Result<Dispatched>> run();

private:
    Task<Result<Dispatched>> attempt(Selection::Choice choice);
    Task<Result<std::unique_ptr<UpstreamAnswer>>> call(const Deployment& deployment, std::string traceparent,
                                                       Lease& lease);
    /// Prepares the next attempt; false: `error` is the end.
    Task<bool> go_on(const Error& error, const Member* tried);
    Task<bool> wait_for_restart(const Member* tried);
    Task<bool> retry_here(const Error& error);
    bool fall_back(FailureClass failure, bool attempted);
    bool may_add_load();
    Error last_words(const Error& error) const;
    std::int64_t now() const { return steady_ms(shared_.clock); }

    Dispatcher::State& shared_;
    const Entry& entry_;
    const RouteQuery& query_;
    UpstreamCall call_;
    const StopToken& stop_;
    AttemptObserver* observer_;
    FallbackChain chain_;
    Selection selection_;
    int attempts_ = 0;
    int retries_left_ = -1;  // of this stage; -1: nothing was tried in it
    int engine_deaths_ = 0;
    std::int64_t restart_since_ = 0;
    std::int64_t attempt_began_ = 0;
    std::string tried_;  // "a/m: unavailable: …; b/m: …"
};

Task<Result<Dispatched>> Journey::run() {
    while (true) {
        if (stop_.stop_requested()) co_return fail(cancelled("the caller left"));
        const auto choice = selection_.next(now(), shared_.rng);
        Error error = cancelled("");
        if (choice) {
            auto dispatched = co_await attempt(*choice);
            if (dispatched) co_return dispatched;
            error = dispatched.error();
        } else {
            error = selection_.why_not(now(), query_.model);
            tried_ += fmt::format("{}{}", tried_.empty() ? "" : "; ", error.message());
        }
        if (!co_await go_on(error, choice ? choice->member : nullptr)) co_return fail(last_words(error));
    }
}

Task<Result<Dispatched>> Journey::attempt(Selection::Choice choice) {
    const Deployment& deployment = *choice.member->deployment;
    Lease lease(choice.member->state, shared_.clock, query_.prompt_tokens, choice.probe, call_.stream);
    if (attempts_++ > 0) choice.member->state->count_retry();
    if (retries_left_ < 0) retries_left_ = deployment.retries;
    attempt_began_ = now();
    std::string traceparent = observer_ != nullptr ? observer_->begin_attempt(attempts_, deployment) : std::string();
    auto answer = co_await call(deployment, std::move(traceparent), lease);
    if (observer_ != nullptr) observer_->end_attempt(attempts_, answer ? nullptr : &answer.error());
    if (!answer) {
        lease.failed(answer.error());
        tried_ += fmt::format("{}{}: {}", tried_.empty() ? "" : "; ", deployment.id, answer.error().to_string());
        co_return fail(answer.error());
    }
    lease.answered();
    Dispatched dispatched;
    dispatched.answer = std::move(*answer);
    dispatched.info = entry_.info;
    dispatched.info.ready = true;
    dispatched.upstream = deployment.upstream_name;
    dispatched.deployment = deployment.id;
    dispatched.attempts = attempts_;
    dispatched.lease = std::move(lease);
    co_return dispatched;
}

Task<Result<std::unique_ptr<UpstreamAnswer>>> Journey::call(const Deployment& deployment, std::string traceparent,
                                                            Lease&) {
    UpstreamCall call = call_;
    call.model = deployment.upstream_model;
    if (!traceparent.empty()) call.traceparent = std::move(traceparent);
    const bool stream = call.stream;
    auto watch = std::make_shared<Watch>(stop_);
    co_await spawn_here(Watch::run(watch, stream ? deployment.ttft : milliseconds(0), deployment.total));
    auto answer = co_await deployment.upstream->call(std::move(call), watch->token());
    if (!answer) {
        watch->end();
        co_return fail(watch->meaning(answer.error(), query_.model));
    }
    auto routed = std::make_unique<RoutedAnswer>(std::move(*answer), std::move(watch), query_.model);
    CO_TRY(co_await routed->begin(stream));
    co_return routed;
}

Task<bool> Journey::go_on(const Error& error, const Member* tried) {
    const FailureClass failure = classify(error);
    if (failure == FailureClass::kCaller || failure == FailureClass::kCancelled || stop_.stop_requested())
        co_return false;
    if (attempts_ >= kMaxAttempts) co_return false;
    if (failure == FailureClass::kOutage && co_await wait_for_restart(tried)) co_return true;
    if (is_transient(failure) && tried != nullptr && retries_left_ > 0 && selection_.has_next(now())) {
        if (!may_add_load()) co_return false;
        --retries_left_;
        co_return true;
    }
    if (fall_back(failure, tried != nullptr)) co_return true;
    co_return is_transient(failure) && co_await retry_here(error);
}

Task<bool> Journey::wait_for_restart(const Member* tried) {
    const bool local = tried != nullptr && tried->deployment->local && tried->state->was_ready();
    if (!local && !(tried == nullptr && selection_.restarting())) co_return false;
    if (selection_.has_next(now())) co_return false;
    if (local && now() - attempt_began_ > kReachedMs && ++engine_deaths_ > 1) co_return false;
    if (restart_since_ == 0) restart_since_ = now();
    if (now() - restart_since_ >= kRestartMs) co_return false;
    selection_.forget();
    co_return co_await shared_.sleep(kRestartStep, stop_);
}

bool Journey::may_add_load() {
    if (shared_.budget.withdraw(now())) return true;
    shared_.exhausted.add();
    return false;
}

bool Journey::fall_back(FailureClass failure, bool attempted) {
    const Entry* next = chain_.next(failure);
    if (next == nullptr) return false;
    // Nothing was sent when the breaker refused, so going elsewhere is no additional load; and a prompt that is too
    // long fails before any work is done.
    if (attempted && is_transient(failure) && !may_add_load()) return false;
    shared_.fallbacks[static_cast<std::size_t>(failure)].add();
    std::destroy_at(&selection_);
    std::construct_at(&selection_, shared_.router, *next, query_, call_.stream);
    retries_left_ = -1;
    return true;
}

/// The same deployments once more, after a while.
Task<bool> Journey::retry_here(const Error& error) {
    const auto rest = selection_.rest(now());
    // Refused without an attempt: worth waiting only for a deployment that said when.
    if (retries_left_ < 0 && rest) retries_left_ = 1;
    if (retries_left_ <= 0) co_return false;
    const auto delay =
        retry_delay(std::max(1, attempts_), std::max(error.retry_after(), rest.value_or(milliseconds(0))), shared_.rng);
    if (!delay || !may_add_load()) co_return false;
    --retries_left_;
    selection_.forget();
    co_return co_await shared_.sleep(*delay, stop_);
}

/// What the caller is told names the model; which upstreams were tried is the operator's business.
Error Journey::last_words(const Error& error) const {
    const FailureClass failure = classify(error);
    if (!is_transient(failure) || attempts_ == 0) return error;
    std::string message;
    if (failure == FailureClass::kRateLimit) {
        message = fmt::format("The model '{}' is at its rate limit right now, please retry later.", query_.model);
    } else if (error.code() == Code::kDeadlineExceeded) {
        message = fmt::format("The model '{}' did not answer in time.", query_.model);
    } else {
        message = fmt::format("The model '{}' is not available right now, please retry.", query_.model);
    }
    const Code code =
        failure == FailureClass::kOutage && error.code() != Code::kDeadlineExceeded ? Code::kUnavailable : error.code();
    return Error(code, std::move(message))
        .with_reason(error.reason().empty() ? "upstream_unavailable" : error.reason())
        .with_retry_after(error.retry_after())
        .with_cause(Error(error.code(), fmt::format("{} attempt{}: {}", attempts_, attempts_ == 1 ? "" : "s", tried_)));
}

Task<Result<>> drain_shadow(Upstream& upstream, UpstreamCall call, Lease& lease, const StopToken& stop) {
    const bool stream = call.stream;
    CO_TRY_ASSIGN(const auto answer, co_await upstream.call(std::move(call), stop));
    if (!stream) {
        CO_TRY(co_await answer->read_all(kMaxShadowBytes));
        co_return Result<>{};
    }
    while (true) {
        CO_TRY_ASSIGN(const auto events, co_await answer->next());
        if (events.empty()) co_return Result<>{};
        if (answer->facts().pieces > 0) lease.answered();
    }
}

}  // namespace

/// A copy of a request to a target whose answer nobody sees.
Task<> Dispatcher::State::shadow(std::shared_ptr<State> self, std::shared_ptr<const Snapshot> snapshot,
                                 const Entry* target, RouteQuery query, UpstreamCall call) {
    Selection selection(self->router, *target, query, call.stream);
    if (const auto choice = selection.next(steady_ms(self->clock), self->rng)) {
        const Deployment& deployment = *choice->member->deployment;
        Lease lease(choice->member->state, self->clock, query.prompt_tokens, choice->probe, call.stream);
        call.model = deployment.upstream_model;
        call.traceparent.clear();
        call.request_id += "-shadow";
        auto watch = std::make_shared<Watch>(self->stopping.get_token());
        co_await spawn_here(Watch::run(watch, milliseconds(0), std::min(deployment.total, kShadowDeadline)));
        const auto read = co_await drain_shadow(*deployment.upstream, std::move(call), lease, watch->token());
        watch->end();
        if (read) {
            lease.finished();
            self->shadows_ok.add();
        } else {
            lease.failed(watch->meaning(read.error(), query.model));
            self->shadows_failed.add();
        }
    } else {
        self->shadows_dropped.add();
    }
    self->shadows.fetch_sub(1);
}

Task<> Dispatcher::State::copy_to_shadows(const std::shared_ptr<State>& self,
                                          const std::shared_ptr<const Snapshot>& snapshot, const Entry& entry,
                                          const RouteQuery& query, const UpstreamCall& call) {
    for (const auto& arm : entry.shadows) {
        if (unit_interval(rng()) * 100 >= arm.percent || stopping.stop_requested()) continue;
        if (shadows.fetch_add(1) >= kMaxShadows) {
            shadows.fetch_sub(1);
            shadows_dropped.add();
            continue;
        }
        co_await spawn_here(shadow(self, snapshot, arm.target, query, call));
    }
}

Dispatcher::Dispatcher(Router& router, const Clock& clock, metrics::Registry& registry, Rng rng, Sleep sleep)
    : state_(
          std::make_shared<State>(router, clock, registry, std::move(rng),
                                  sleep ? std::move(sleep) : Sleep([](std::chrono::nanoseconds time, StopToken stop) {
                                      return sleep_for(time, std::move(stop));
                                  }))) {}

Dispatcher::~Dispatcher() {
    state_->stopping.request_stop();
}

Task<Result<Dispatched>> Dispatcher::open(RouteQuery query, UpstreamCall call, StopToken stop,
                                          AttemptObserver* observer) {
    CO_TRY_ASSIGN(const auto found, state_->router.find(query.model));
    const Entry& entry = *found.second;
    state_->budget.deposit();
    if (!entry.shadows.empty()) co_await state_->copy_to_shadows(state_, found.first, entry, query, call);
    Journey journey(*state_, entry, query, std::move(call), stop, observer);
    co_return co_await journey.run();
}

Task<> Dispatcher::stop() {
    state_->stopping.request_stop();
    for (int i = 0; i < 500 && state_->shadows.load() > 0; ++i) co_await sleep_for(milliseconds(10));
}

}  // namespace atrium::model
