#include "platform/process/supervisor.h"

#include <gmock/gmock.h>
#include <signal.h>

#include "platform/process/internal/test_processes.h"

namespace atrium::process {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

SupervisedChild shell(std::string script) {
    SupervisedChild child;
    child.name = "test";
    child.argv = {"/bin/sh", "-c", std::move(script)};
    child.stop_grace = 2s;
    return child;
}

Task<boost::asio::io_context*> this_context() {
    const auto executor = co_await boost::asio::this_coro::executor;
    co_return &executor.context();
}

/// Waits for a condition while the supervisor goes on; false after five seconds.
Task<bool> until(std::function<bool()> condition) {
    const auto give_up = std::chrono::steady_clock::now() + 5s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > give_up) co_return false;
        co_await sleep_for(2ms);
    }
    co_return true;
}

Task<> becomes_ready_and_stops() {
    int polls = 0;
    std::vector<std::string> lines;
    SupervisedChild spec = shell("echo one >&2; echo two; printf last >&2; exec sleep 100");
    spec.is_ready = [&polls]() -> Task<bool> { co_return ++polls >= 3; };
    spec.on_log_line = [&lines](std::string_view line) { lines.emplace_back(line); };
    Supervisor supervisor(*co_await this_context(), system_clock(), spec);
    EXPECT_EQ(supervisor.state(), ChildState::kStopped);
    supervisor.start();
    EXPECT_EQ(supervisor.state(), ChildState::kStarting);
    EXPECT_TRUE(co_await supervisor.wait_ready(5s));
    EXPECT_EQ(supervisor.state(), ChildState::kReady);
    EXPECT_EQ(polls, 3);
    EXPECT_EQ(supervisor.last_failure(), "");
    const int pid = supervisor.process_id();
    EXPECT_TRUE(is_alive(pid));
    EXPECT_TRUE(co_await until([&] { return lines.size() == 2; }));
    co_await supervisor.stop();
    EXPECT_EQ(supervisor.state(), ChildState::kStopped);
    EXPECT_EQ(supervisor.process_id(), 0);
    EXPECT_FALSE(is_alive(pid));
    EXPECT_THAT(lines, ElementsAre("one", "two", "last"));
    EXPECT_EQ(supervisor.restarts(), 0);

    supervisor.start();
    EXPECT_TRUE(co_await supervisor.wait_ready(5s));
    co_await supervisor.stop();
    co_await supervisor.stop();
}
TEST(Supervisor, BecomesReadyAndStops) { run_until_complete(becomes_ready_and_stops()); }

Task<> restarts_quickly() {
    Supervisor supervisor(*co_await this_context(), system_clock(), shell("exec sleep 100"));
    supervisor.start();
    EXPECT_TRUE(co_await supervisor.wait_ready(5s));
    const int first = supervisor.process_id();
    ::kill(first, SIGKILL);
    const auto killed = std::chrono::steady_clock::now();
    EXPECT_TRUE(co_await until([&] { return supervisor.state() == ChildState::kBackoff; }));
    EXPECT_THAT(supervisor.last_failure(), HasSubstr("exited with 137 (SIGKILL)"));
    EXPECT_TRUE(co_await until([&] { return supervisor.process_id() != first && supervisor.process_id() != 0; }));
    const auto took = std::chrono::steady_clock::now() - killed;
    EXPECT_GE(took, 100ms);
    EXPECT_LT(took, 1s) << "100 ms of backoff; the rest is for a busy machine";
    EXPECT_TRUE(co_await supervisor.wait_ready(5s));
    EXPECT_EQ(supervisor.restarts(), 1);
    EXPECT_EQ(supervisor.last_failure(), "");
    co_await supervisor.stop();
}
TEST(Supervisor, StartsAgainSoonAfterACrash) { run_until_complete(restarts_quickly()); }

Task<> quarantines() {
    SupervisedChild spec = shell("echo 'cannot open the model' >&2; exit 7");
    spec.is_ready = []() -> Task<bool> { co_return false; };
    ManualClock clock;
    Supervisor supervisor(*co_await this_context(), clock, spec);
    supervisor.start();
    const auto ready = co_await supervisor.wait_ready(10s);
    EXPECT_EQ(ready.error().code(), Code::kUnavailable);
    EXPECT_THAT(ready.error().to_string(), HasSubstr("exited with 7"));
    EXPECT_EQ(supervisor.state(), ChildState::kQuarantined);
    EXPECT_EQ(supervisor.restarts(), 2);
    EXPECT_THAT(supervisor.last_failure(), HasSubstr("cannot open the model"));
    co_await sleep_for(50ms);
    EXPECT_EQ(supervisor.state(), ChildState::kQuarantined);
    supervisor.restart();
    EXPECT_TRUE(co_await until([&] { return supervisor.restarts() == 3; }));
    EXPECT_TRUE(co_await until([&] { return supervisor.state() == ChildState::kQuarantined; }));
    co_await supervisor.stop();
    EXPECT_EQ(supervisor.state(), ChildState::kStopped);
}
TEST(Supervisor, QuarantinesAfterThreeCrashes) { run_until_complete(quarantines()); }

Task<> old_crashes_do_not_count() {
    ManualClock clock;
    SupervisedChild spec = shell("exec sleep 100");
    Supervisor supervisor(*co_await this_context(), clock, spec);
    supervisor.start();
    for (int crash = 1; crash <= 4; ++crash) {
        EXPECT_TRUE(co_await supervisor.wait_ready(5s));
        clock.advance(6min);
        ::kill(supervisor.process_id(), SIGKILL);
        EXPECT_TRUE(co_await until([&] { return supervisor.restarts() == crash; }));
    }
    EXPECT_TRUE(co_await supervisor.wait_ready(5s));
    co_await supervisor.stop();
}
TEST(Supervisor, CrashesFarApartAreForgiven) { run_until_complete(old_crashes_do_not_count()); }

Task<> gives_up_waiting_for_ready() {
    SupervisedChild spec = shell("exec sleep 100");
    spec.start_deadline = 80ms;
    spec.is_ready = []() -> Task<bool> { co_return false; };
    Supervisor supervisor(*co_await this_context(), system_clock(), spec);
    supervisor.start();
    const int pid = supervisor.process_id();
    EXPECT_FALSE(co_await supervisor.wait_ready(30ms));
    EXPECT_TRUE(co_await until([&] { return supervisor.state() == ChildState::kBackoff; }));
    EXPECT_THAT(supervisor.last_failure(), HasSubstr("not ready within 80 ms"));
    EXPECT_TRUE(pid == 0 || !is_alive(pid));
    co_await supervisor.stop();
}
TEST(Supervisor, KillsWhatDoesNotBecomeReady) { run_until_complete(gives_up_waiting_for_ready()); }

Task<> kills_the_unhealthy() {
    bool healthy = true;
    int probes = 0;
    SupervisedChild spec = shell("exec sleep 100");
    spec.healthy_every = 20ms;
    spec.is_healthy = [&]() -> Task<bool> {
        ++probes;
        co_return healthy;
    };
    Supervisor supervisor(*co_await this_context(), system_clock(), spec);
    supervisor.start();
    EXPECT_TRUE(co_await until([&] { return probes >= 4; }));
    EXPECT_EQ(supervisor.state(), ChildState::kReady);
    const int pid = supervisor.process_id();
    healthy = false;
    EXPECT_TRUE(co_await until([&] { return supervisor.state() == ChildState::kBackoff; }));
    EXPECT_THAT(supervisor.last_failure(), HasSubstr("health"));
    EXPECT_FALSE(is_alive(pid));
    healthy = true;
    EXPECT_TRUE(co_await supervisor.wait_ready(5s));
    co_await supervisor.stop();
}
TEST(Supervisor, KillsWhatIsUnhealthy) { run_until_complete(kills_the_unhealthy()); }

Task<bool> slow_probe() {
    co_await sleep_for(1s);
    co_return true;
}

Task<> notices_an_exit_during_a_probe() {
    SupervisedChild spec = shell("sleep 0.05; exit 1");
    spec.is_ready = slow_probe;
    Supervisor supervisor(*co_await this_context(), system_clock(), spec);
    supervisor.start();
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(co_await until([&] { return supervisor.state() == ChildState::kBackoff; }));
    EXPECT_LT(std::chrono::steady_clock::now() - start, 900ms);
    co_await supervisor.stop();
}
TEST(Supervisor, NoticesAnExitDuringAProbe) { run_until_complete(notices_an_exit_during_a_probe()); }

Task<> stop_escalates() {
    SupervisedChild spec = shell("trap '' TERM; sleep 100 & echo $!; wait; sleep 100");
    spec.stop_grace = 100ms;
    int grandchild = 0;
    spec.on_log_line = [&grandchild](std::string_view line) { grandchild = std::stoi(std::string(line)); };
    Supervisor supervisor(*co_await this_context(), system_clock(), spec);
    supervisor.start();
    EXPECT_TRUE(co_await until([&] { return grandchild != 0; }));
    const int pid = supervisor.process_id();
    const auto start = std::chrono::steady_clock::now();
    co_await supervisor.stop();
    const auto took = std::chrono::steady_clock::now() - start;
    EXPECT_GE(took, 100ms);
    EXPECT_LT(took, 2s);
    EXPECT_FALSE(is_alive(pid));
    EXPECT_TRUE(eventually([grandchild] { return !is_alive(grandchild); }));
}
TEST(Supervisor, StopEscalates) { run_until_complete(stop_escalates()); }

Task<> restart_replaces_a_healthy_child() {
    Supervisor supervisor(*co_await this_context(), system_clock(), shell("exec sleep 100"));
    supervisor.restart();
    EXPECT_TRUE(co_await supervisor.wait_ready(5s));
    const int first = supervisor.process_id();
    supervisor.restart();
    EXPECT_TRUE(co_await until([&] { return supervisor.restarts() == 1 && supervisor.state() == ChildState::kReady; }));
    EXPECT_NE(supervisor.process_id(), first);
    EXPECT_FALSE(is_alive(first));
    EXPECT_EQ(supervisor.last_failure(), "") << "asked for, so no crash";
    co_await supervisor.stop();
}
TEST(Supervisor, RestartReplacesAHealthyChild) { run_until_complete(restart_replaces_a_healthy_child()); }

Task<> reports_what_cannot_be_started() {
    SupervisedChild spec = shell("");
    spec.argv = {"/no/such/engine"};
    Supervisor supervisor(*co_await this_context(), system_clock(), spec);
    supervisor.start();
    EXPECT_TRUE(co_await until([&] { return supervisor.state() == ChildState::kQuarantined; }));
    EXPECT_THAT(supervisor.last_failure(), HasSubstr("/no/such/engine"));
    co_await supervisor.stop();
}
TEST(Supervisor, ReportsWhatCannotBeStarted) { run_until_complete(reports_what_cannot_be_started()); }

Task<> splits_endless_lines() {
    std::size_t longest = 0;
    std::size_t bytes = 0;
    SupervisedChild spec = shell("head -c 100000 /dev/zero | tr '\\0' x; echo; echo end; exec sleep 100");
    bool ended = false;
    spec.on_log_line = [&](std::string_view line) {
        longest = std::max(longest, line.size());
        if (line == "end") ended = true;
        else bytes += line.size();
    };
    Supervisor supervisor(*co_await this_context(), system_clock(), spec);
    supervisor.start();
    EXPECT_TRUE(co_await until([&] { return ended; }));
    EXPECT_EQ(longest, 16u * 1024);
    EXPECT_EQ(bytes, 100'000u);
    co_await supervisor.stop();
}
TEST(Supervisor, SplitsEndlessLines) { run_until_complete(splits_endless_lines()); }

}  // namespace
}  // namespace atrium::process
