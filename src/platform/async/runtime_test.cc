#include "platform/async/runtime.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/check.h"

namespace atrium {
namespace {

using namespace std::chrono_literals;

/// A runtime whose threads run until the end of the test.
class RuntimeTest : public testing::Test {
protected:
    explicit RuntimeTest(int threads = 2) : runtime_(threads), thread_([this] { runtime_.run(); }) {}
    ~RuntimeTest() override { stop(); }
    void stop() {
        runtime_.stop();
        if (thread_.joinable()) thread_.join();
    }
    Runtime runtime_;
    std::thread thread_;
};

Task<int> answer() {
    co_return 42;
}
Task<> throws() {
    throw std::runtime_error("as planned");
    co_return;
}

TEST(RunUntilComplete, ReturnsTheValueAndRethrows) {
    EXPECT_EQ(run_blocking(answer()), 42);
    EXPECT_THROW(run_until_complete(throws()), std::runtime_error);
}

Task<bool> timed_sleep(std::chrono::milliseconds duration, std::chrono::milliseconds* took) {
    const auto before = std::chrono::steady_clock::now();
    const bool slept = co_await sleep_for(duration);
    *took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - before);
    co_return slept;
}

TEST(Sleep, LastsAsLongAsAsked) {
    std::chrono::milliseconds took{};
    EXPECT_TRUE(run_blocking(timed_sleep(20ms, &took)));
    EXPECT_GE(took, 20ms);
    EXPECT_LT(took, 2s);
}

Task<bool> sleep_until_stopped(StopToken stop) {
    co_return co_await sleep_for(1h, stop);
}

TEST(Sleep, EndsAtOnceWhenStoppedFromAnotherThread) {
    StopSource source;
    std::thread stopper([&] {
        std::this_thread::sleep_for(5ms);
        source.request_stop();
    });
    EXPECT_FALSE(run_blocking(sleep_until_stopped(source.get_token())));
    stopper.join();
    EXPECT_FALSE(run_blocking(sleep_until_stopped(source.get_token())));
}

Task<> count_after(std::chrono::milliseconds duration, int id, std::vector<int>* order) {
    co_await sleep_for(duration);
    order->push_back(id);
}

Task<std::vector<int>> sleepers(boost::asio::io_context* context) {
    std::vector<int> order;
    TaskGroup group(*context);
    for (int i : {3, 1, 2, 0, 4}) group.spawn(count_after(std::chrono::milliseconds(4 * i), i, &order));
    EXPECT_EQ(group.running(), 5);
    co_await group.join();
    EXPECT_EQ(group.running(), 0);
    co_return order;
}

Task<> collect(Runtime* runtime, std::vector<int>* out, Event done) {
    *out = co_await sleepers(&runtime->context(0));
    done.set();
}

Task<bool> await_event(Event event, std::chrono::nanoseconds timeout, StopToken stop) {
    co_return co_await event.wait(timeout, stop);
}

TEST_F(RuntimeTest, DeadlinesFireInOrder) {
    std::vector<int> order;
    Event done;
    spawn(runtime_.context(0), collect(&runtime_, &order, done));
    ASSERT_TRUE(run_blocking(await_event(done, 5s, {})));
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(EventTest, SetBeforeWait) {
    Event event;
    EXPECT_FALSE(event.is_set());
    event.set();
    event.set();
    EXPECT_TRUE(event.is_set());
    EXPECT_TRUE(run_blocking(await_event(event, 0ns, {})));
}

TEST(EventTest, TimesOut) {
    Event event;
    EXPECT_FALSE(run_blocking(await_event(event, 5ms, {})));
    EXPECT_FALSE(run_blocking(await_event(event, -1ns, {})));
}

TEST(EventTest, StopBeatsTimeout) {
    StopSource source;
    source.request_stop();
    EXPECT_FALSE(run_blocking(await_event(Event(), 1h, source.get_token())));
}

Task<bool> start_waiting_on_temporary(Event* keep) {
    Event event;
    *keep = event;
    return event.wait(5s);
}

TEST(EventTest, OutlivesItsObjectWhileAwaited) {
    Event keep;
    Task<bool> waiting = start_waiting_on_temporary(&keep);
    std::thread setter([&] {
        std::this_thread::sleep_for(5ms);
        keep.set();
    });
    EXPECT_TRUE(run_blocking(std::move(waiting)));
    setter.join();
}

Task<> ping(Event to_set, Event to_await, std::atomic<int>* rounds) {
    to_set.set();
    if (co_await to_await.wait(5s)) ++*rounds;
}

TEST_F(RuntimeTest, EventsCrossThreads) {
    std::atomic<int> rounds{0};
    constexpr int kPairs = 500;
    for (int i = 0; i < kPairs; ++i) {
        Event a, b;
        spawn(runtime_.context(0), ping(a, b, &rounds));
        spawn(runtime_.context(1), ping(b, a, &rounds));
    }
    for (int i = 0; i < 500 && rounds != 2 * kPairs; ++i) std::this_thread::sleep_for(5ms);
    EXPECT_EQ(rounds, 2 * kPairs);
}

struct Tracker {
    explicit Tracker(std::atomic<int>* c) : count(c) { ++*count; }
    ~Tracker() { --*count; }
    std::atomic<int>* count;
};
Task<> wait_forever(Event event, StopToken stop, std::atomic<int>* alive) {
    Tracker tracker(alive);
    co_await event.wait(1h, stop);
}

TEST(RuntimeShutdown, DestroysParkedTasksWhileOthersSetAndStop) {
    std::atomic<int> alive{0};
    for (int round = 0; round < 20; ++round) {
        StopSource source;
        std::vector<Event> events(50);
        std::thread setter;
        {
            Runtime runtime(2);
            std::thread runner([&] { runtime.run(); });
            for (int i = 0; i < 50; ++i)
                spawn(runtime.context(i % 2), wait_forever(events[i], source.get_token(), &alive));
            setter = std::thread([&] {
                for (int i = 0; i < 25; ++i) events[i].set();
                source.request_stop();
                for (int i = 25; i < 50; ++i) events[i].set();
            });
            runtime.stop();
            runner.join();
        }
        EXPECT_EQ(alive, 0);
        setter.join();
    }
}

Task<Result<int>> double_on(ThreadPool* pool, int n, std::thread::id* where) {
    const auto here = std::this_thread::get_id();
    auto work = [n, where]() -> Result<int> {
        *where = std::this_thread::get_id();
        if (n < 0) return fail(invalid_argument("negative"));
        if (n == 13) throw std::runtime_error("unlucky");
        return 2 * n;
    };
    auto result = co_await offload(*pool, work);
    EXPECT_EQ(std::this_thread::get_id(), here);
    co_return result;
}

TEST(Offload, RunsElsewhereAndComesBack) {
    ThreadPool pool("test", 2);
    std::thread::id where;
    auto result = run_blocking(double_on(&pool, 21, &where));
    ASSERT_TRUE(result);
    EXPECT_EQ(*result, 42);
    EXPECT_NE(where, std::this_thread::get_id());
    EXPECT_EQ(run_blocking(double_on(&pool, -1, &where)).error().code(), Code::kInvalidArgument);
    auto thrown = run_blocking(double_on(&pool, 13, &where));
    EXPECT_EQ(thrown.error().code(), Code::kInternal);
    EXPECT_NE(thrown.error().to_string().find("unlucky"), std::string::npos);
}

TEST(Offload, RefusesWhenTheQueueIsFull) {
    std::atomic<bool> started{false}, go{false};
    ThreadPool pool("test", 1, 1);
    ASSERT_TRUE(pool.post([&] {
        started = true;
        while (!go) std::this_thread::sleep_for(1ms);
    }));
    while (!started) std::this_thread::sleep_for(1ms);
    ASSERT_TRUE(pool.post([] {}));
    std::thread::id where;
    EXPECT_EQ(run_blocking(double_on(&pool, 1, &where)).error().code(), Code::kResourceExhausted);
    go = true;
}

TEST(ThreadPoolTest, FinishesWhatIsQueued) {
    std::atomic<int> done{0};
    {
        ThreadPool pool("test", 2);
        for (int i = 0; i < 100; ++i) ASSERT_TRUE(pool.post([&] { ++done; }));
    }
    EXPECT_EQ(done, 100);
}

Task<> stopped_by_group(StopToken stop, int* stopped) {
    if (!co_await sleep_for(1h, stop)) ++*stopped;
}
Task<int> group_stop(boost::asio::io_context* context) {
    int stopped = 0;
    TaskGroup group(*context);
    for (int i = 0; i < 3; ++i) group.spawn(stopped_by_group(group.token(), &stopped));
    group.request_stop();
    co_await group.join();
    co_return stopped;
}
Task<> group_main(Runtime* runtime, std::atomic<int>* out, Event done) {
    *out = co_await group_stop(&runtime->context(0));
    done.set();
}

TEST_F(RuntimeTest, GroupStopsAndJoins) {
    std::atomic<int> stopped{0};
    Event done;
    spawn(runtime_.context(0), group_main(&runtime_, &stopped, done));
    ASSERT_TRUE(run_blocking(await_event(done, 5s, {})));
    EXPECT_EQ(stopped, 3);
}

Task<> set_then_throw(Event event) {
    event.set();
    throw std::runtime_error("as planned");
    co_return;
}

TEST_F(RuntimeTest, AnEscapedExceptionIsReportedAndTheThreadLives) {
    static std::atomic<int> bugs{0};
    set_bug_handler([](std::string_view, std::source_location) { ++bugs; });
    Event thrown, after;
    spawn(runtime_.context(0), set_then_throw(thrown));
    ASSERT_TRUE(run_blocking(await_event(thrown, 5s, {})));
    std::atomic<int> rounds{0};
    after.set();
    Event set_by_ping;
    spawn(runtime_.context(0), ping(set_by_ping, after, &rounds));
    EXPECT_TRUE(run_blocking(await_event(set_by_ping, 5s, {})));
    // Both tasks are waited for: they hold pointers to what lives on this stack.
    for (int i = 0; i < 2000 && (bugs == 0 || rounds == 0); ++i) std::this_thread::sleep_for(5ms);
    EXPECT_EQ(bugs, 1);
    EXPECT_EQ(rounds, 1);
    set_bug_handler(nullptr);
}

}  // namespace
}  // namespace atrium
