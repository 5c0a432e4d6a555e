#include "platform/process/child.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>

#include "base/text.h"
#include "platform/async/runtime.h"
#include "platform/process/internal/test_processes.h"

namespace atrium::process {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

ChildCommand shell(std::string script) { return {.argv = {"/bin/sh", "-c", std::move(script)}, .environment = {}, .limits = {}, .stdin_bytes = {}}; }

ChildOutput run(ChildCommand command) { return run_blocking(run_child(std::move(command))).value(); }

TEST(Child, ReturnsOutputErrorsAndExitCode) {
    const ChildOutput done = run(shell("echo out; echo err >&2; exit 3"));
    EXPECT_EQ(done.exit_code, 3);
    EXPECT_EQ(done.output, "out\n");
    EXPECT_EQ(done.errors, "err\n");
    EXPECT_FALSE(done.timed_out);
    EXPECT_FALSE(done.output_too_large);
}

TEST(Child, ReportsTheSignalThatKilledIt) { EXPECT_EQ(run(shell("kill -SEGV $$")).exit_code, 128 + SIGSEGV); }

TEST(Child, ReadsLargeInputThatCanBeSought) {
    ChildCommand command{.argv = {"cat"}, .environment = {}, .limits = {}, .stdin_bytes = {}};
    for (int i = 0; i < 1'000'000; ++i) command.stdin_bytes += "line " + std::to_string(i) + "\n";
    const std::string sent = command.stdin_bytes;
    EXPECT_EQ(run(command).output, sent);
    command = shell("head -c 4 >/dev/null; dd bs=4 count=1 2>/dev/null; exit 0");
    command.stdin_bytes = sent;
    EXPECT_EQ(run(command).exit_code, 0) << "not reading everything is no failure";
    command = shell("echo x >&0");
    EXPECT_NE(run(command).exit_code, 0) << "the input cannot be written";
}

TEST(Child, HasEmptyInputByDefault) { EXPECT_EQ(run(shell("wc -c")).output, "0\n"); }

TEST(Child, IsKilledAtItsDeadline) {
    ChildCommand command = shell("echo begun; sleep 100");
    command.deadline = 100ms;
    const auto start = std::chrono::steady_clock::now();
    const ChildOutput done = run(command);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
    EXPECT_TRUE(done.timed_out);
    EXPECT_EQ(done.exit_code, 128 + SIGKILL);
    EXPECT_EQ(done.output, "begun\n");
}

TEST(Child, IsKilledWhenItSaysTooMuch) {
    ChildCommand command = shell("yes");
    command.max_output_bytes = 100'000;
    const ChildOutput done = run(command);
    EXPECT_TRUE(done.output_too_large);
    EXPECT_EQ(done.output.size(), 100'000u);
    ChildCommand exact = shell("head -c 5000 /dev/zero");
    exact.max_output_bytes = 5000;
    EXPECT_FALSE(run(exact).output_too_large);
}

TEST(Child, KeepsTheBeginningOfLongErrors) {
    const ChildOutput done = run(shell("head -c 1000000 /dev/zero >&2; exit 0"));
    EXPECT_EQ(done.exit_code, 0);
    EXPECT_EQ(done.errors.size(), 64u * 1024);
}

TEST(Child, IsHeldToItsLimits) {
    ChildCommand command = shell("ulimit -n; ulimit -c; ulimit -v; ulimit -t");
    command.limits = {.memory_bytes = 512 << 20, .cpu = 7s, .open_files = 77};
    EXPECT_EQ(run(command).output, "77\n0\n524288\n7\n");
    command = shell("head -c 300000000 /dev/zero | tail -n 1 | wc -c");
    command.limits.memory_bytes = 100 << 20;
    EXPECT_NE(text::trim(run(command).output), "300000000") << "tail holds its one line in memory";
    command = shell("while :; do :; done");
    command.limits.cpu = 1s;
    command.deadline = 20s;
    EXPECT_EQ(run(command).exit_code, 128 + SIGKILL);
}

TEST(Child, TakesItsGrandchildrenAlong) {
    ChildCommand command = shell("sleep 100 & echo $!; exit 0");
    const auto start = std::chrono::steady_clock::now();
    const ChildOutput done = run(command);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 3s) << "the grandchild held the pipe open";
    const auto pid = text::to_int(text::trim(done.output));
    ASSERT_TRUE(pid);
    EXPECT_TRUE(eventually([&] { return !is_alive(static_cast<int>(*pid)); }));
}

TEST(Child, EndsAlthoughSomebodyEscapedWithThePipe) {
    const ChildOutput done = run(shell("setsid sleep 3 & echo said; exit 0"));
    EXPECT_EQ(done.exit_code, 0);
    EXPECT_EQ(done.output, "said\n");
}

TEST(Child, InheritsOnlyWhatIsMeant) {
    ASSERT_EQ(::setenv("ATRIUM_SECRET", "leak", 1), 0);
    ASSERT_EQ(::setenv("TZ", "UTC", 1), 0);
    const int open = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as a careless library would
    const auto before = ::signal(SIGPIPE, SIG_IGN);
    ChildCommand command = shell("env; ls -1 /proc/self/fd | wc -l; grep -E 'SigBlk|SigIgn|NoNewPrivs' /proc/self/status");
    command.environment = {"OWN=1", "TZ=Asia/Shanghai"};
    const ChildOutput done = run(command);
    ::signal(SIGPIPE, before);
    ::close(open);
    ::unsetenv("ATRIUM_SECRET");
    EXPECT_THAT(done.output, Not(HasSubstr("leak")));
    EXPECT_THAT(done.output, HasSubstr("OWN=1\n"));
    EXPECT_THAT(done.output, HasSubstr("TZ=Asia/Shanghai\n"));
    EXPECT_THAT(done.output, Not(HasSubstr("TZ=UTC")));
    EXPECT_THAT(done.output, HasSubstr("\n4\n")) << "stdin, stdout, stderr and the folder that ls reads";
    EXPECT_THAT(done.output, HasSubstr("SigBlk:\t0000000000000000"));
    const std::size_t ignored = done.output.find("SigIgn:\t");
    ASSERT_NE(ignored, std::string::npos);
    // Signals 32 and 33 belong to the C library and cannot be reset through it; whoever started the tests may ignore them.
    EXPECT_EQ(std::stoull(done.output.substr(ignored + 8, 16), nullptr, 16) & 0x7FFFFFFF, 0u) << done.output;
    EXPECT_THAT(done.output, HasSubstr("NoNewPrivs:\t1"));
}

TEST(Child, AnExecutableThatCannotBeStartedIsNamed) {
    const auto absent = run_blocking(run_child({.argv = {"/no/such/tool"}, .environment = {}, .limits = {}, .stdin_bytes = {}}));
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().code(), Code::kNotFound);
    EXPECT_THAT(absent.error().message(), HasSubstr("/no/such/tool"));
    const auto refused = run_blocking(run_child({.argv = {"/etc/passwd"}, .environment = {}, .limits = {}, .stdin_bytes = {}}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::kPermissionDenied) << refused.error().to_string();
    EXPECT_FALSE(run_blocking(run_child({})));
}

Task<> stop_soon(StopSource stop) {
    co_await sleep_for(50ms);
    stop.request_stop();
}

Task<Result<ChildOutput>> run_and_stop() {
    StopSource stop;
    co_await spawn_here(stop_soon(stop));
    co_return co_await run_child(shell("sleep 100"), stop.get_token());
}

TEST(Child, StopsWhenAsked) {
    const auto start = std::chrono::steady_clock::now();
    const auto stopped = run_blocking(run_and_stop());
    EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code(), Code::kCancelled);
}

Task<> one_of_many(int number, int& good) {
    auto done = co_await run_child(shell("echo " + std::to_string(number)));
    if (done && done->output == std::to_string(number) + "\n") ++good;
}

Task<int> many_at_once() {
    const auto executor = co_await boost::asio::this_coro::executor;
    int good = 0;
    TaskGroup group(executor.context());
    for (int i = 0; i < 20; ++i) group.spawn(one_of_many(i, good));
    co_await group.join();
    co_return good;
}

TEST(Child, ManyRunAtOnce) { EXPECT_EQ(run_blocking(many_at_once()), 20); }

TEST(Child, LeavesNoDescriptorsBehind) {
    const auto count = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
    };
    run(shell("true"));
    const auto before = count();
    for (int i = 0; i < 5; ++i) run(shell("true"));
    EXPECT_EQ(count(), before);
}

TEST(Child, DiesWhenItsParentIsKilled) {
    std::string pattern = (std::filesystem::temp_directory_path() / "atrium-child-XXXXXX").string();
    const std::filesystem::path folder = ::mkdtemp(pattern.data());
    const std::string file = (folder / "pid").string();
    const pid_t parent = ::fork();
    ASSERT_GE(parent, 0);
    if (parent == 0) {
        run(shell("echo $$ > " + file + ".new; mv " + file + ".new " + file + "; exec sleep 100"));
        ::_exit(0);
    }
    int child = 0;
    EXPECT_TRUE(eventually([&] { return static_cast<bool>(std::ifstream(file) >> child); }));
    EXPECT_TRUE(is_alive(child));
    ::kill(parent, SIGKILL);
    ::waitpid(parent, nullptr, 0);
    EXPECT_TRUE(eventually([&] { return !is_alive(child); }, 2s));
    std::filesystem::remove_all(folder);
}

TEST(Child, KnowsItsOwnExecutable) { EXPECT_THAT(self_executable(), testing::EndsWith("platform_process_test")); }

}  // namespace
}  // namespace atrium::process
