#include "platform/async/runtime.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detail/concurrency_hint.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/this_coro.hpp>
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "platform/async/io_thread.h"

namespace asio = boost::asio;

namespace atrium {
namespace {

// Each io_context is run by one thread, so its sockets need no locks; the queue keeps its lock because other threads
// post to it.
constexpr int kOneThreadWithPosts = BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO;

void report_escaped(const std::exception_ptr& exception) {
    if (!exception) return;
    try {
        std::rethrow_exception(exception);
    } catch (const std::exception& error) {
        bug_found(std::string("an exception escaped a task: ") + error.what(), std::source_location::current());
    } catch (...) {
        bug_found("an exception of unknown type escaped a task", std::source_location::current());
    }
}

void name_thread(const std::string& name) {
    ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace

struct Runtime::State {
    std::vector<std::unique_ptr<asio::io_context>> contexts;
    std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work;
    std::atomic<bool> started{false};
};

Runtime::Runtime(int io_threads) : state_(std::make_unique<State>()) {
    CHECK(io_threads > 0);
    for (int i = 0; i < io_threads; ++i) {
        state_->contexts.push_back(std::make_unique<asio::io_context>(kOneThreadWithPosts));
        state_->work.push_back(asio::make_work_guard(*state_->contexts.back()));
        IoThread::of(*state_->contexts.back());
    }
}

Runtime::~Runtime() {
    state_->work.clear();
}

int Runtime::io_threads() const {
    return static_cast<int>(state_->contexts.size());
}

asio::io_context& Runtime::context(int thread) {
    return *state_->contexts.at(static_cast<std::size_t>(thread));
}

void Runtime::run() {
    CHECK(!state_->started.exchange(true));
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < state_->contexts.size(); ++i) {
        threads.emplace_back([context = state_->contexts[i].get(), i] {
            name_thread("io-" + std::to_string(i));
            context->run();
        });
    }
    state_->contexts[0]->run();
}

void Runtime::stop() {
    for (auto& context : state_->contexts) context->stop();
}

void spawn(asio::io_context& context, Task<> task) {
    asio::co_spawn(context.get_executor(), std::move(task), report_escaped);
}

Task<> spawn_here(Task<> task) {
    const auto executor = co_await asio::this_coro::executor;
    asio::co_spawn(executor, std::move(task), report_escaped);
}

void run_until_complete(Task<> task) {
    asio::io_context context(kOneThreadWithPosts);
    std::exception_ptr escaped;
    asio::co_spawn(context.get_executor(), std::move(task), [&](std::exception_ptr exception) {
        escaped = std::move(exception);
        context.stop();
    });
    context.run();
    if (escaped) std::rethrow_exception(escaped);
}

struct TaskGroup::State {
    explicit State(asio::io_context& c) : context(c) {}
    asio::io_context& context;
    int running = 0;
    StopSource stop;
    std::optional<Event> joiner;
};

TaskGroup::TaskGroup(asio::io_context& context) : state_(std::make_shared<State>(context)) {}

TaskGroup::~TaskGroup() {
    // A group destroyed with its io_context cannot join any more; then its tasks are destroyed as well.
    if (state_->running > 0) state_->stop.request_stop();
}

void TaskGroup::spawn(Task<> task) {
    ++state_->running;
    asio::co_spawn(state_->context.get_executor(), std::move(task),
                   [state = state_](const std::exception_ptr& exception) {
                       report_escaped(exception);
                       if (--state->running == 0 && state->joiner) state->joiner->set();
                   });
}

int TaskGroup::running() const {
    return state_->running;
}
StopToken TaskGroup::token() const {
    return state_->stop.get_token();
}
void TaskGroup::request_stop() {
    state_->stop.request_stop();
}

Task<> TaskGroup::join() {
    const auto state = state_;
    while (state->running > 0) {
        state->joiner.emplace();
        // No deadline: giving up would leave tasks without an owner. They end because they were told to.
        Event done = *state->joiner;
        co_await done.wait(std::chrono::hours(24));
    }
    state->joiner.reset();
}

// ---- Event -------------------------------------------------------------------------------------------------------

struct Event::State {
    std::mutex mutex;
    bool set = false;
    Pause* waiter = nullptr;                     ///< touched by the waiter's thread only, under the mutex
    std::shared_ptr<IoThread::Address> address;  ///< of the waiter

    static void poke(const std::shared_ptr<State>& state) {
        std::shared_ptr<IoThread::Address> address;
        {
            std::scoped_lock lock(state->mutex);
            address = state->address;
        }
        if (!address) return;
        address->post([state] {
            Pause* waiter = nullptr;
            {
                std::scoped_lock lock(state->mutex);
                waiter = state->waiter;
            }
            // Still valid: a waiter leaves only on this thread.
            if (waiter) waiter->wake();
        });
    }

    static Task<bool> wait(std::shared_ptr<State> state, std::chrono::nanoseconds timeout, StopToken stop) {
        const SteadyTime deadline = deadline_after(timeout);
        const auto executor = co_await asio::this_coro::executor;
        IoThread& thread = IoThread::of(executor.context());
        Pause pause(thread);
        {
            std::scoped_lock lock(state->mutex);
            if (state->set) co_return true;
            if (BUG_IF(state->waiter != nullptr)) co_return false;
            state->waiter = &pause;
            state->address = thread.address();
        }
        struct Leave {
            State& state;
            ~Leave() {
                std::scoped_lock lock(state.mutex);
                state.waiter = nullptr;
                state.address.reset();
            }
        } leave{*state};
        auto on_stop = [&state] { poke(state); };
        StopCallback<decltype(on_stop)> stopped(stop, std::move(on_stop));
        while (true) {
            {
                std::scoped_lock lock(state->mutex);
                if (state->set) co_return true;
            }
            if (stop.stop_requested() || std::chrono::steady_clock::now() >= deadline) co_return false;
            co_await pause.wait(deadline);
        }
    }
};

Event::Event() : state_(std::make_shared<State>()) {}

void Event::set() {
    {
        std::scoped_lock lock(state_->mutex);
        if (std::exchange(state_->set, true)) return;
    }
    State::poke(state_);
}

bool Event::is_set() const {
    std::scoped_lock lock(state_->mutex);
    return state_->set;
}

// Not a coroutine itself: it takes its share of the state before the caller can destroy the Event.
Task<bool> Event::wait(std::chrono::nanoseconds timeout, StopToken stop) {
    return State::wait(state_, timeout, std::move(stop));
}

Task<bool> sleep_for(std::chrono::nanoseconds duration, StopToken stop) {
    Event nobody_sets_it;
    co_await nobody_sets_it.wait(duration, stop);
    co_return !stop.stop_requested();
}

// ---- ThreadPool --------------------------------------------------------------------------------------------------

struct ThreadPool::State {
    std::mutex mutex;
    std::condition_variable ready;
    std::deque<std::move_only_function<void()>> queue;
    std::size_t max_queued = 0;
    bool closing = false;
    std::vector<std::thread> threads;

    void work() {
        std::unique_lock lock(mutex);
        while (true) {
            ready.wait(lock, [this] { return closing || !queue.empty(); });
            if (queue.empty()) return;
            auto work = std::move(queue.front());
            queue.pop_front();
            lock.unlock();
            try {
                work();
            } catch (...) {
                report_escaped(std::current_exception());
            }
            work = nullptr;  // what it captured is destroyed here, not under the lock
            lock.lock();
        }
    }
};

ThreadPool::ThreadPool(std::string_view name, int threads, std::size_t max_queued) : state_(std::make_unique<State>()) {
    CHECK(threads > 0);
    state_->max_queued = max_queued;
    for (int i = 0; i < threads; ++i) {
        state_->threads.emplace_back([state = state_.get(), name = std::string(name) + "-" + std::to_string(i)] {
            name_thread(name);
            state->work();
        });
    }
}

ThreadPool::~ThreadPool() {
    {
        std::scoped_lock lock(state_->mutex);
        state_->closing = true;
    }
    state_->ready.notify_all();
    for (auto& thread : state_->threads) thread.join();
}

bool ThreadPool::post(std::move_only_function<void()> work) {
    {
        std::scoped_lock lock(state_->mutex);
        if (state_->closing || state_->queue.size() >= state_->max_queued) return false;
        state_->queue.push_back(std::move(work));
    }
    state_->ready.notify_one();
    return true;
}

}  // namespace atrium
