#include "platform/process/internal/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "platform/async/runtime.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ATRIUM_PLAIN_FORK 1  // the sanitizers' shadow memory does not survive sharing the address space
#endif
#endif

namespace atrium::process {
namespace {

namespace asio = boost::asio;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable_t<asio::io_context::executor_type>{});

/// What the child needs between fork and exec, where only async-signal-safe calls are allowed: everything is computed
/// and allocated before.
struct Setup {
    const char* path = nullptr;
    char* const* argv = nullptr;
    char* const* environment = nullptr;
    int input = -1;
    int output = -1;
    int errors = -1;
    int report = -1;  ///< errno of what failed; closed by a successful exec
    pid_t parent = 0;
    SandboxLimits limits;
    sigset_t no_signals{};
};

void limit(int resource, rlim_t value) {
    const rlimit both{value, value};
    // Failing to lower a limit is impossible; a value above the hard limit keeps the hard limit.
    static_cast<void>(::setrlimit(static_cast<__rlimit_resource>(resource), &both));
}

/// Children go first when the machine runs out of memory; the gateway has everybody's requests.
void prefer_as_victim() {
    const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    static_cast<void>(!::write(fd, "500", 3));
    ::close(fd);
}

[[noreturn]] void give_up(const Setup& setup) {
    const int error_number = errno;
    static_cast<void>(!::write(setup.report, &error_number, sizeof error_number));
    ::_exit(127);
}

[[noreturn]] void become_child(const Setup& setup) {
    // No handler of ours may run here (the memory is the parent's), and ignored signals would stay ignored.
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction fresh{};
        fresh.sa_handler = SIG_DFL;
        static_cast<void>(::sigaction(number, &fresh, nullptr));
    }
    if (::setpgid(0, 0) != 0) give_up(setup);
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(setup);
    if (::getppid() != setup.parent) ::_exit(127);  // it died before the signal was armed
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(setup);
    ::umask(077);
    prefer_as_victim();

    limit(RLIMIT_CORE, 0);  // a core file would hold documents
    limit(RLIMIT_NOFILE, static_cast<rlim_t>(setup.limits.open_files));
    if (setup.limits.memory_bytes > 0) limit(RLIMIT_AS, setup.limits.memory_bytes);
    if (setup.limits.cpu.count() > 0) limit(RLIMIT_CPU, static_cast<rlim_t>(setup.limits.cpu.count()));
    if (setup.limits.file_bytes > 0) limit(RLIMIT_FSIZE, setup.limits.file_bytes);

    if (::dup2(setup.input, 0) < 0 || ::dup2(setup.output, 1) < 0 || ::dup2(setup.errors, 2) < 0) give_up(setup);
    // A library may have opened files without O_CLOEXEC.
    static_cast<void>(::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC));
    if (::sigprocmask(SIG_SETMASK, &setup.no_signals, nullptr) != 0) give_up(setup);
    ::execve(setup.path, setup.argv, setup.environment);
    give_up(setup);
}

/// vfork: the cost does not grow with our memory (fork copies page tables, tens of milliseconds for some gigabytes, on
/// an io thread), at the price of the rules above. All signals are blocked meanwhile.
pid_t start_child(const Setup& setup) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
#ifdef ATRIUM_PLAIN_FORK
    const pid_t pid = ::fork();
#else
    const pid_t pid = ::vfork();
#endif
    if (pid == 0) become_child(setup);
    const int error_number = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error_number;
    return pid;
}

/// Descriptors above 2, so that dup2 onto stdin, stdout and stderr cannot overwrite one that is still needed.
Descriptor above_standard(int fd) {
    if (fd < 0 || fd > 2) return Descriptor(fd);
    Descriptor low(fd);
    return Descriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

struct Pipe {
    Descriptor read;
    Descriptor write;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail(from_errno(errno, "create a pipe"));
    return Pipe{above_standard(ends[0]), above_standard(ends[1])};
}

/// Looks a bare name up in PATH, as a shell would.
std::string find_executable(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    const char* path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    while (!rest.empty()) {
        const std::size_t colon = std::min(rest.find(':'), rest.size());
        const std::string candidate = fmt::format("{}/{}", rest.substr(0, colon), name);
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
        rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
    return name;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> result;
    for (std::string& word : words) result.push_back(word.data());
    result.push_back(nullptr);
    return result;
}

}  // namespace

Descriptor::~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
}

std::vector<std::string> child_environment(const std::vector<std::string>& own) {
    std::vector<std::string> result;
    for (const char* name : {"PATH", "LANG", "TZ", "HOME"}) {
        const std::string prefix = std::string(name) + "=";
        const char* value = std::getenv(name);
        const bool replaced = std::ranges::any_of(own, [&](const std::string& line) { return line.starts_with(prefix); });
        if (value != nullptr && !replaced) result.push_back(prefix + value);
    }
    result.insert(result.end(), own.begin(), own.end());
    return result;
}

std::string signal_of_exit_code(int exit_code) {
    if (exit_code <= 128) return {};
    const char* name = ::sigabbrev_np(exit_code - 128);
    return name != nullptr ? std::string("SIG") + name : std::string();
}

ChildProcess::ChildProcess(asio::io_context& context, int pid) : pid_(pid), exit_(context), output_(context), errors_(context) {}

Result<std::shared_ptr<ChildProcess>> ChildProcess::start(asio::io_context& context, Launch launch) {
    if (launch.argv.empty()) return fail(internal_error("start a child: no executable given"));
    const std::string path = find_executable(launch.argv[0]);
    std::vector<std::string> environment = child_environment(launch.environment);
    const std::vector<char*> argv = pointers(launch.argv);
    const std::vector<char*> variables = pointers(environment);

    TRY_ASSIGN(Pipe errors, make_pipe());
    TRY_ASSIGN(Pipe report, make_pipe());
    Pipe output;
    if (!launch.join_outputs) {
        TRY_ASSIGN(output, make_pipe());
    }
    Descriptor input = above_standard(launch.input.release());
    if (input.get() < 0) input = above_standard(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (input.get() < 0) return fail(from_errno(errno, "open '/dev/null'"));

    Setup setup;
    setup.path = path.c_str();
    setup.argv = argv.data();
    setup.environment = variables.data();
    setup.input = input.get();
    setup.output = launch.join_outputs ? errors.write.get() : output.write.get();
    setup.errors = errors.write.get();
    setup.report = report.write.get();
    setup.parent = ::getpid();
    setup.limits = launch.limits;
    sigemptyset(&setup.no_signals);

    const pid_t pid = start_child(setup);
    if (pid < 0) return fail(from_errno(errno, fmt::format("start '{}'", path)));
    std::shared_ptr<ChildProcess> child(new ChildProcess(context, pid));

    ::close(report.write.release());
    int error_number = 0;
    ssize_t n;
    do {
        n = ::read(report.read.get(), &error_number, sizeof error_number);
    } while (n < 0 && errno == EINTR);
    if (n > 0) return fail(from_errno(error_number, fmt::format("start '{}'", path)));

    boost::system::error_code failed;
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pidfd >= 0) child->exit_.assign(pidfd, failed);
    if (!launch.join_outputs) child->output_.assign(output.read.release(), failed);
    if (!failed) child->errors_.assign(errors.read.release(), failed);
    if (failed) return fail(unavailable(fmt::format("start '{}': {}", path, failed.message())));
    return child;
}

ChildProcess::~ChildProcess() {
    if (reaped_) return;
    signal(SIGKILL);
    reap();
}

void ChildProcess::signal(int number) {
    // Until it is reaped the number of the process, and with it of the group, belongs to nobody else.
    if (!reaped_) ::kill(-pid_, number);
}

bool ChildProcess::has_ended() const {
    siginfo_t info{};
    const int result = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
    return result != 0 || info.si_pid == pid_;
}

int ChildProcess::reap() {
    siginfo_t info{};
    int result;
    do {
        result = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
    } while (result != 0 && errno == EINTR);
    reaped_ = true;
    if (result != 0) return 255;  // somebody ignores SIGCHLD, so the kernel threw the status away
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

Task<int> ChildProcess::wait() {
    while (!has_ended()) {
        if (exit_.is_open()) {
            auto [failed] = co_await exit_.async_wait(Stream::wait_read, kAwait);
            if (failed) break;
        } else {
            co_await sleep_for(std::chrono::milliseconds(10));
        }
    }
    signal(SIGKILL);  // grandchildren
    co_return reap();
}

}  // namespace atrium::process
