#pragma once

#include <chrono>
#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>

#include "base/result.h"
#include "base/stop.h"
#include "platform/async/task.h"

namespace atrium {

/// The I/O threads of the process: one io_context per thread, objects never change thread. Owned by main;
/// outlives everything that spawns. Construction starts nothing; `run()` blocks until `stop()`.
class Runtime {
public:
    explicit Runtime(int io_threads);
    ~Runtime();
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;

    int io_threads() const;
    boost::asio::io_context& context(int thread);

    /// Runs the io threads (thread 0 on the caller) until stop(). May be called once.
    void run();
    /// Thread-safe, idempotent.
    void stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Starts a top-level task on `context`. Whoever spawns answers for its end: use TaskGroup unless the task is
/// bounded by itself. An exception that escapes the task is logged and counted, never rethrown.
void spawn(boost::asio::io_context& context, Task<> task);

/// Starts `task` on the io_context of the current task.
Task<> spawn_here(Task<> task);

/// Tasks with one owner. Not thread-safe: spawn and join from one io thread. The owner must `co_await join()`
/// (after asking its tasks to stop by their StopToken) before the group is destroyed.
class TaskGroup {
public:
    explicit TaskGroup(boost::asio::io_context& context);
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    void spawn(Task<> task);
    int running() const;
    /// Fires when the owner wants its tasks to end; hand it to each task.
    StopToken token() const;
    void request_stop();
    Task<> join();

private:
    struct State;
    std::shared_ptr<State> state_;
};

/// Runs a task to its end on a private io_context; for main(), CLI verbs and tests.
void run_until_complete(Task<> task);
template <class T>
T run_blocking(Task<T> task);

/// Returns after `duration`, or at once when the token fires (then false).
Task<bool> sleep_for(std::chrono::nanoseconds duration, StopToken stop = {});

/// Threads for CPU work and blocking calls (hashing, scanning, SQL, files). The queue is bounded: when it is
/// full, offload answers kResourceExhausted instead of growing. Thread-safe.
class ThreadPool {
public:
    ThreadPool(std::string_view name, int threads, std::size_t max_queued = 4096);
    ~ThreadPool();  ///< finishes what is queued
    /// False when the queue is full.
    bool post(std::move_only_function<void()> work);

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Wakes one waiting task from any thread. One-shot: set() may come before wait().
class Event {
public:
    Event();
    void set();                                                              ///< thread-safe, idempotent
    Task<bool> wait(std::chrono::nanoseconds timeout, StopToken stop = {});  ///< false on timeout or stop
    bool is_set() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

/// Runs `work` (a callable returning Result<T>) on the pool and resumes on the caller's io thread.
/// An exception from `work` becomes kInternal. The work itself is not interrupted.
template <class Work, class R = std::invoke_result_t<Work&>>
Task<R> offload(ThreadPool& pool, Work work) {
    struct Shared {
        explicit Shared(Work w) : work(std::move(w)) {}
        Work work;
        std::optional<R> result;
        Event done;
    };
    auto shared = std::make_shared<Shared>(std::move(work));
    const bool queued = pool.post([shared] {
        try {
            shared->result.emplace(shared->work());
        } catch (const std::exception& error) {
            shared->result.emplace(std::unexpected<Error>(internal_error(error.what())));
        } catch (...) {
            shared->result.emplace(std::unexpected<Error>(internal_error("an exception of unknown type")));
        }
        shared->done.set();
    });
    if (!queued) co_return std::unexpected<Error>(resource_exhausted("the server is overloaded, please retry"));
    // No deadline here: the pool always answers, and abandoning the wait would leave `work` without an owner.
    while (!shared->done.is_set()) co_await shared->done.wait(std::chrono::hours(24));
    co_return std::move(*shared->result);
}

template <class T>
T run_blocking(Task<T> task) {
    std::optional<T> result;
    struct Runner {
        static Task<> run(Task<T> task, std::optional<T>& out) { out.emplace(co_await std::move(task)); }
    };
    run_until_complete(Runner::run(std::move(task), result));
    return std::move(*result);
}

}  // namespace atrium
