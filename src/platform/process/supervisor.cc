#include "platform/process/supervisor.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <mutex>
#include <optional>

#include "base/check.h"
#include "base/text.h"
#include "observability/log/log.h"
#include "platform/process/internal/child_process.h"

namespace atrium::process {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Moment = std::chrono::steady_clock::time_point;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable_t<asio::io_context::executor_type>{});
constexpr auto kHealthDeadline = 5s;
constexpr int kUnhealthyAfter = 3;
constexpr auto kFirstDelay = 100ms;
constexpr auto kMaxDelay = 30'000ms;
constexpr auto kCrashWindow = 5min;
constexpr std::size_t kQuarantineAfter = 3;
constexpr auto kLastWords = 50ms;
constexpr std::size_t kMaxLine = 16 * 1024;

}  // namespace

std::string_view child_state_name(ChildState state) {
    switch (state) {
        case ChildState::kStopped: return "stopped";
        case ChildState::kStarting: return "starting";
        case ChildState::kReady: return "ready";
        case ChildState::kBackoff: return "backoff";
        case ChildState::kQuarantined: return "quarantined";
    }
    return "unknown";
}

struct Supervisor::State : std::enable_shared_from_this<State> {
    using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                             asio::io_context::executor_type>;

    State(asio::io_context& c, const Clock& k, SupervisedChild s)
        : context(c), clock(k), spec(std::move(s)), tasks(c), wake(c) {}

    asio::io_context& context;
    const Clock& clock;
    const SupervisedChild spec;

    std::atomic<ChildState> state{ChildState::kStopped};
    std::atomic<int> process_id{0};
    std::atomic<int> restarts{0};
    mutable std::mutex failure_mutex;
    std::string failure;

    TaskGroup tasks;
    Timer wake;  ///< what the supervising task sleeps on; notify() ends the sleep
    bool supervising = false;
    bool stopping = false;
    bool restarting = false;
    std::shared_ptr<ChildProcess> process;
    std::optional<int> exit_code;
    Event drained;  ///< the pipe of this life has been read to its end
    std::string last_line;
    std::deque<SteadyTime> crashes;  ///< within the window
    int crashes_in_a_row = 0;
    std::vector<std::shared_ptr<Event>> watchers;

    void notify() { wake.cancel(); }

    /// Sleeps until `until` or until something happened; all conditions are looked at again after it.
    Task<> sleep(Moment until) {
        wake.expires_at(until);
        co_await wake.async_wait(kAwait);
    }

    void enter(ChildState next) {
        state = next;
        for (const auto& watcher : std::exchange(watchers, {})) watcher->set();
    }

    /// Waits for the next change of state; false on timeout.
    Task<bool> changed(std::chrono::nanoseconds timeout) {
        const auto watcher = watchers.emplace_back(std::make_shared<Event>());
        const bool set = co_await watcher->wait(timeout);
        std::erase(watchers, watcher);
        co_return set;
    }

    void set_failure(std::string text) {
        std::scoped_lock lock(failure_mutex);
        failure = std::move(text);
    }
    std::string get_failure() const {
        std::scoped_lock lock(failure_mutex);
        return failure;
    }

    void log_line(std::string_view line) {
        if (!text::trim(line).empty()) last_line = text::shorten(text::to_valid_utf8(line), 300);
        if (spec.on_log_line) spec.on_log_line(line);
    }

    static Task<> supervise(std::shared_ptr<State> self);
    static Task<> read_lines(std::shared_ptr<State> self, std::shared_ptr<ChildProcess> child);
    static Task<> watch_exit(std::shared_ptr<State> self, std::shared_ptr<ChildProcess> child);
    static Task<> run_probe(std::shared_ptr<State> self, std::function<Task<bool>()> probe, std::shared_ptr<std::optional<bool>> answer);
    Task<bool> ask(std::function<Task<bool>()> probe, Moment deadline);
    Task<std::string> live_once();
    Task<std::string> until_ready();
    Task<std::string> while_ready();
    Task<> end_child(int first_signal, std::chrono::milliseconds grace);
    std::string describe_exit() const;
    bool interrupted() const { return stopping || restarting || exit_code; }
    void note_crash(const std::string& reason);
};

Task<> Supervisor::State::read_lines(std::shared_ptr<State> self, std::shared_ptr<ChildProcess> child) {
    std::string pending;
    const auto buffer = std::make_unique<std::array<char, kMaxLine>>();
    while (true) {
        const auto [failed, n] = co_await child->errors().async_read_some(asio::buffer(*buffer), kAwait);
        if (failed) break;
        pending.append(buffer->data(), n);
        std::size_t begin = 0;
        while (true) {
            const std::size_t end = pending.find('\n', begin);
            const bool whole = end != std::string::npos;
            if (!whole && pending.size() - begin < kMaxLine) break;
            const std::size_t length = std::min(whole ? end - begin : kMaxLine, kMaxLine);
            self->log_line(std::string_view(pending).substr(begin, length));
            begin += length + (whole && begin + length == end ? 1 : 0);
        }
        pending.erase(0, begin);
    }
    if (!pending.empty()) self->log_line(pending);
    self->drained.set();
}

Task<> Supervisor::State::watch_exit(std::shared_ptr<State> self, std::shared_ptr<ChildProcess> child) {
    const int code = co_await child->wait();
    self->process_id = 0;
    // The last words in the pipe are often the reason. Somebody who left the process group may hold it open, though.
    if (!co_await self->drained.wait(kLastWords)) {
        boost::system::error_code ignored;
        child->errors().close(ignored);
    }
    self->exit_code = code;
    self->notify();
}

Task<> Supervisor::State::run_probe(std::shared_ptr<State> self, std::function<Task<bool>()> probe,
                                    std::shared_ptr<std::optional<bool>> answer) {
    bool good = false;
    try {
        good = co_await probe();
    } catch (const std::exception& error) {
        log::warning("a probe of a child failed", {{"child", self->spec.name}, {"error", error.what()}});
    }
    *answer = good;
    self->notify();
}

/// Runs a probe beside this task, so that an exit or a stop is noticed while it waits for its own deadline.
Task<bool> Supervisor::State::ask(std::function<Task<bool>()> probe, Moment deadline) {
    const auto answer = std::make_shared<std::optional<bool>>();
    tasks.spawn(run_probe(shared_from_this(), std::move(probe), answer));
    while (!answer->has_value() && !interrupted() && std::chrono::steady_clock::now() < deadline) co_await sleep(deadline);
    co_return answer->value_or(false);
}

std::string Supervisor::State::describe_exit() const {
    const std::string signal = signal_of_exit_code(*exit_code);
    std::string text = fmt::format("exited with {}", *exit_code);
    if (!signal.empty()) text += fmt::format(" ({})", signal);
    if (!last_line.empty()) text += fmt::format(", last saying: {}", last_line);
    return text;
}

Task<> Supervisor::State::end_child(int first_signal, std::chrono::milliseconds grace) {
    process->signal(first_signal);
    const Moment deadline = std::chrono::steady_clock::now() + grace;
    while (!exit_code && std::chrono::steady_clock::now() < deadline) co_await sleep(deadline);
    if (!exit_code && first_signal != SIGKILL) {
        log::warning("a child did not stop when asked and is killed", {{"child", spec.name}});
    }
    if (!exit_code) process->signal(SIGKILL);
    while (!exit_code) co_await sleep(std::chrono::steady_clock::now() + 1h);
}

/// Transitions 1 and 2. Empty when ready, or when stop() or restart() was called.
Task<std::string> Supervisor::State::until_ready() {
    const Moment deadline = std::chrono::steady_clock::now() + spec.start_deadline;
    while (true) {
        if (exit_code) co_return describe_exit();
        if (interrupted()) co_return std::string();
        if (!spec.is_ready || co_await ask(spec.is_ready, deadline)) {
            if (!interrupted()) co_return std::string();
            continue;
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            co_await end_child(SIGKILL, 0ms);
            co_return fmt::format("was not ready within {} ms and was killed", spec.start_deadline.count());
        }
        if (!interrupted()) co_await sleep(std::min(deadline, std::chrono::steady_clock::now() + spec.ready_every));
    }
}

/// Transition 3.
Task<std::string> Supervisor::State::while_ready() {
    int failures = 0;
    while (true) {
        const Moment next = std::chrono::steady_clock::now() + spec.healthy_every;
        while (!interrupted() && std::chrono::steady_clock::now() < next) co_await sleep(next);
        if (exit_code) co_return describe_exit();
        if (interrupted()) co_return std::string();
        if (!spec.is_healthy) continue;
        const bool healthy = co_await ask(spec.is_healthy, std::chrono::steady_clock::now() + kHealthDeadline);
        if (interrupted()) continue;
        failures = healthy ? 0 : failures + 1;
        if (failures < kUnhealthyAfter) continue;
        co_await end_child(SIGKILL, 0ms);
        co_return std::string("did not answer its health checks and was killed");
    }
}

/// One life of the child, from start to end. Why it ended, or empty when it was meant to.
Task<std::string> Supervisor::State::live_once() {
    enter(ChildState::kStarting);
    exit_code.reset();
    drained = Event();
    last_line.clear();
    Launch launch;
    launch.argv = spec.argv;
    launch.environment = spec.environment;
    launch.limits = spec.limits;
    launch.join_outputs = true;
    auto started = ChildProcess::start(context, std::move(launch));
    if (!started) co_return std::string(started.error().message());
    process = std::move(*started);
    process_id = process->id();
    tasks.spawn(read_lines(shared_from_this(), process));
    tasks.spawn(watch_exit(shared_from_this(), process));

    std::string reason = co_await until_ready();
    if (reason.empty() && !interrupted()) {
        set_failure({});
        log::info("a child is ready", {{"child", spec.name}, {"pid", process->id()}});
        const SteadyTime since = clock.steady();
        enter(ChildState::kReady);
        reason = co_await while_ready();
        if (clock.steady() - since >= kCrashWindow) crashes_in_a_row = 0;
    }
    if (!exit_code) co_await end_child(SIGTERM, spec.stop_grace);
    process.reset();
    co_return stopping || restarting ? std::string() : reason;
}

void Supervisor::State::note_crash(const std::string& reason) {
    const SteadyTime now = clock.steady();
    crashes.push_back(now);
    while (now - crashes.front() > kCrashWindow) crashes.pop_front();
    ++crashes_in_a_row;
    set_failure(reason);
}

Task<> Supervisor::State::supervise(std::shared_ptr<State> self) {
    State& me = *self;
    for (bool first = true; !me.stopping; first = false) {
        me.restarting = false;
        if (!first) ++me.restarts;
        const std::string reason = co_await me.live_once();
        if (me.stopping) break;
        if (me.restarting) continue;
        me.note_crash(reason);
        Moment until = Moment::max();
        if (me.crashes.size() >= kQuarantineAfter) {
            log::error("a child keeps crashing and is not started again until asked",
                       {{"child", me.spec.name}, {"reason", reason}});
            me.enter(ChildState::kQuarantined);
        } else {
            const auto delay = std::min(kMaxDelay, kFirstDelay * (1 << std::min(me.crashes_in_a_row - 1, 10)));
            log::warning("a child ended and is started again",
                         {{"child", me.spec.name}, {"reason", reason}, {"delay_ms", delay.count()}});
            until = std::chrono::steady_clock::now() + delay;
            me.enter(ChildState::kBackoff);
        }
        while (!me.stopping && !me.restarting && std::chrono::steady_clock::now() < until) co_await me.sleep(until);
    }
    me.supervising = false;
    me.enter(ChildState::kStopped);
}

Supervisor::Supervisor(asio::io_context& context, const Clock& clock, SupervisedChild child)
    : state_(std::make_shared<State>(context, clock, std::move(child))) {}

Supervisor::~Supervisor() {
    const bool destroyed_while_running = state_->supervising;
    if (BUG_IF(destroyed_while_running)) {
        state_->stopping = true;
        if (state_->process) state_->process->signal(SIGKILL);
    }
}

void Supervisor::start() {
    if (state_->supervising) return;
    state_->supervising = true;
    state_->stopping = false;
    state_->crashes.clear();
    state_->crashes_in_a_row = 0;
    state_->set_failure({});
    state_->enter(ChildState::kStarting);
    state_->tasks.spawn(State::supervise(state_));
}

Task<> Supervisor::stop() {
    const auto state = state_;
    state->stopping = true;
    state->notify();
    co_await state->tasks.join();
}

void Supervisor::restart() {
    if (!state_->supervising) return start();
    state_->restarting = true;
    state_->crashes.clear();
    state_->crashes_in_a_row = 0;
    state_->notify();
}

ChildState Supervisor::state() const { return state_->state; }
int Supervisor::process_id() const { return state_->process_id; }
int Supervisor::restarts() const { return state_->restarts; }
std::string Supervisor::last_failure() const { return state_->get_failure(); }

Task<Result<>> Supervisor::wait_ready(std::chrono::milliseconds timeout) {
    const auto state = state_;
    const Moment deadline = std::chrono::steady_clock::now() + timeout;
    while (true) {
        const ChildState now = state->state;
        if (now == ChildState::kReady) co_return Result<>();
        const auto left = deadline - std::chrono::steady_clock::now();
        if (now == ChildState::kQuarantined || now == ChildState::kStopped || left <= 0ns) {
            const std::string reason = state->get_failure();
            co_return fail(unavailable(fmt::format("'{}' is not ready ({}); please retry later", state->spec.name, child_state_name(now)))
                               .with_cause(unavailable(reason.empty() ? "no failure so far" : reason)));
        }
        co_await state->changed(left);
    }
}

}  // namespace atrium::process
