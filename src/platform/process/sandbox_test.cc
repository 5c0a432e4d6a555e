#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "platform/async/runtime.h"
#include "platform/process/child.h"

namespace atrium::process {
namespace {

/// The name of the first check that failed inside a sandboxed child, "" when all held, "signal N" when it was killed.
class Sandbox : public testing::Test {
protected:
    Sandbox() {
        std::string pattern = (std::filesystem::temp_directory_path() / "atrium-sandbox-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        std::ofstream(folder_ / "document") << "content";
    }
    ~Sandbox() override { std::filesystem::remove_all(folder_); }

    template <class Body>
    std::string inside(SandboxProfile profile, Body body) {
        int report[2];
        EXPECT_EQ(::pipe(report), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            report_ = report[1];
            const auto entered = enter_sandbox(profile);
            if (!entered) fail_check(entered.error().code() == Code::kUnimplemented ? "unimplemented" : entered.error().to_string());
            body();
            ::_exit(0);
        }
        ::close(report[1]);
        std::string text(4096, '\0');
        const ssize_t n = ::read(report[0], text.data(), text.size());
        text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        ::close(report[0]);
        int status = 0;
        ::waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
        return text;
    }

    void fail_check(const std::string& what) {
        static_cast<void>(!::write(report_, what.data(), what.size()));
        ::_exit(1);
    }
    void check(bool good, const std::string& what) {
        if (!good) fail_check(what + " (" + std::strerror(errno) + ")");
    }
    void refused(int result, const std::string& what) {
        if (result >= 0) fail_check(what + " was allowed");
        if (errno != EPERM && errno != EACCES) fail_check(what + " failed with " + std::strerror(errno));
    }

    void check_computing() {
        int sum = 0;
        std::thread([&] { sum = 1; }).join();
        check(sum == 1, "thread");
        const std::vector<char> memory(64 << 20, 'x');
        check(memory.back() == 'x', "memory");
        struct stat info{};
        check(::stat("/usr", &info) == 0, "stat");
        const int fd = ::open("/usr/lib/os-release", O_RDONLY | O_CLOEXEC);
        char byte;
        check(fd >= 0 && ::read(fd, &byte, 1) == 1, "read a system file");
        check(run_blocking(sleep_for(std::chrono::milliseconds(1))), "event loop");
    }
    void check_no_writing() {
        const std::string document = (folder_ / "document").string();
        const std::string other = (folder_ / "other").string();
        refused(::open(document.c_str(), O_WRONLY), "open for writing");
        refused(::open(document.c_str(), O_RDWR), "open for both");
        refused(::open(other.c_str(), O_WRONLY | O_CREAT, 0600), "create");
        refused(::open(folder_.c_str(), O_TMPFILE | O_RDWR, 0600), "nameless file");
        refused(::unlink(document.c_str()), "unlink");
        refused(::rename(document.c_str(), other.c_str()), "rename");
        refused(::mkdir(other.c_str(), 0700), "mkdir");
        refused(::truncate(document.c_str(), 0), "truncate");
        refused(::chmod(document.c_str(), 0777), "chmod");
        refused(::symlink("/etc", other.c_str()), "symlink");
    }
    void check_no_exec() {
        char* argv[] = {const_cast<char*>("/bin/true"), nullptr};
        refused(::execve(argv[0], argv, nullptr), "exec");
        refused(::fork(), "fork");
    }

    std::filesystem::path folder_;
    int report_ = -1;
};

#define SKIP_WITHOUT_SECCOMP(outcome) \
    if ((outcome) == "unimplemented") GTEST_SKIP() << "this kernel has no seccomp"

TEST_F(Sandbox, AParserComputesButReachesNothing) {
    const std::string outcome = inside(SandboxProfile::kParser, [this] {
        check_computing();
        check_no_writing();
        check_no_exec();
        refused(::socket(AF_INET, SOCK_STREAM, 0), "network socket");
        refused(::socket(AF_UNIX, SOCK_STREAM, 0), "local socket");
        refused(::kill(::getppid(), 0) == 0 ? 0 : (errno = errno == ENOSYS ? EPERM : errno, -1), "signal the parent");
    });
    SKIP_WITHOUT_SECCOMP(outcome);
    EXPECT_EQ(outcome, "");
}

TEST_F(Sandbox, AParserFindsNoOtherDocument) {
    const std::string outcome = inside(SandboxProfile::kParser, [this] {
        const int fd = ::open((folder_ / "document").c_str(), O_RDONLY);
        if (fd >= 0) fail_check("readable");
    });
    SKIP_WITHOUT_SECCOMP(outcome);
    if (outcome == "readable") GTEST_SKIP() << "this kernel has no Landlock";
    EXPECT_EQ(outcome, "");
}

TEST_F(Sandbox, AnAttackKillsTheProcess) {
    for (const SandboxProfile profile : {SandboxProfile::kParser, SandboxProfile::kParserTools, SandboxProfile::kEngine}) {
        const std::string outcome = inside(profile, [] { ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); });
        SKIP_WITHOUT_SECCOMP(outcome);
        EXPECT_EQ(outcome, "signal " + std::to_string(SIGSYS));
    }
}

TEST_F(Sandbox, AbortStillWorks) {
    const std::string outcome = inside(SandboxProfile::kParser, [] { std::abort(); });
    SKIP_WITHOUT_SECCOMP(outcome);
    EXPECT_EQ(outcome, "signal " + std::to_string(SIGABRT));
}

TEST_F(Sandbox, ToolsRunUnderTheSameRules) {
    const std::string outcome = inside(SandboxProfile::kParserTools, [this] {
        check_computing();
        check_no_writing();
        refused(::socket(AF_INET, SOCK_STREAM, 0), "network socket");
        refused(::kill(-1, 0) == 0 ? 0 : (errno = errno == ENOSYS ? EPERM : errno, -1), "signal everybody");
        auto tool = run_blocking(run_child({.argv = {"tr", "a-z", "A-Z"}, .environment = {}, .limits = {}, .stdin_bytes = "text"}));
        if (!tool) fail_check(tool.error().to_string());
        check(tool->output == "TEXT" && tool->exit_code == 0, "tool said: " + tool->output + tool->errors);
        auto writer = run_blocking(run_child({.argv = {"/bin/sh", "-c", "echo x > " + (folder_ / "new").string()},
                                              .environment = {}, .limits = {}, .stdin_bytes = {}}));
        check(writer && writer->exit_code != 0, "a tool could write");
        auto slow = run_blocking(run_child({.argv = {"/bin/sh", "-c", "sleep 100"}, .environment = {}, .limits = {},
                                            .stdin_bytes = {}, .deadline = std::chrono::milliseconds(50)}));
        check(slow && slow->timed_out, "a tool could not be killed");
    });
    SKIP_WITHOUT_SECCOMP(outcome);
    EXPECT_EQ(outcome, "");
    EXPECT_FALSE(std::filesystem::exists(folder_ / "new"));
}

TEST_F(Sandbox, PopplerWorksFromStdin) {
    if (::access("/usr/bin/pdftotext", X_OK) != 0) GTEST_SKIP() << "pdftotext is not installed";
    // No cross-reference table: poppler rebuilds it.
    const std::string content = "BT /F1 12 Tf 72 700 Td (sandboxed words) Tj ET";
    const std::string pdf =
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>endobj\n"
        "4 0 obj<</Length " + std::to_string(content.size()) + ">>stream\n" + content + "\nendstream endobj\n"
        "5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R/Size 6>>\n%%EOF\n";
    const std::string outcome = inside(SandboxProfile::kParserTools, [this, &pdf] {
        auto tool = run_blocking(run_child({.argv = {"pdftotext", "-enc", "UTF-8", "-", "-"}, .environment = {},
                                            .limits = {.memory_bytes = 1ULL << 30, .cpu = std::chrono::seconds(20)},
                                            .stdin_bytes = pdf}));
        if (!tool) fail_check(tool.error().to_string());
        check(tool->output.find("sandboxed words") != std::string::npos,
              "exit " + std::to_string(tool->exit_code) + ": " + tool->output + tool->errors);
    });
    SKIP_WITHOUT_SECCOMP(outcome);
    EXPECT_EQ(outcome, "");
}

TEST_F(Sandbox, AnEngineTalksOverItsSocketOnly) {
    const std::string outcome = inside(SandboxProfile::kEngine, [this] {
        check_computing();
        check_no_writing();
        check_no_exec();
        check(::open((folder_ / "document").c_str(), O_RDONLY) >= 0, "read a model");
        refused(::socket(AF_INET, SOCK_STREAM, 0), "IPv4 socket");
        refused(::socket(AF_INET6, SOCK_DGRAM, 0), "IPv6 socket");
        refused(::socket(AF_NETLINK, SOCK_RAW, 0), "netlink socket");
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, (folder_ / "s").c_str(), sizeof address.sun_path - 1);
        const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
        check(listener >= 0, "local socket");
        check(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
        check(::listen(listener, 1) == 0, "listen");
        const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
        check(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
        const int server = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        char text[3] = {};
        check(::send(client, "hi", 2, MSG_NOSIGNAL) == 2 && ::recv(server, text, 2, 0) == 2, "talk");
    });
    SKIP_WITHOUT_SECCOMP(outcome);
    EXPECT_EQ(outcome, "");
}

}  // namespace
}  // namespace atrium::process
