#include "platform/process/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "platform/async/runtime.h"
#include "platform/process/internal/child_process.h"

namespace atrium::process {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr asio::use_awaitable_t<asio::io_context::executor_type> kAwaitable{};
constexpr std::size_t kMaxErrorBytes = 64 * 1024;
constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kSlice = 1024 * 1024;

struct Run {
    std::shared_ptr<ChildProcess> child;
    ChildOutput result;
    Event exited;
    Event drained;
    int readers = 2;
};

/// A file in memory rather than a pipe: the child can seek and map it, a child that does not read cannot block us, and
/// one that ends early causes no SIGPIPE. Filled in slices, because this runs on an io thread.
Task<Result<Descriptor>> memory_file(std::string bytes) {
    Descriptor file(::memfd_create("stdin", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (file.get() < 0) co_return fail(from_errno(errno, "create a file in memory"));
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t n = ::write(file.get(), bytes.data() + done, std::min(kSlice, bytes.size() - done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) co_return fail(from_errno(errno, "write a file in memory"));
        done += static_cast<std::size_t>(n);
        if (done < bytes.size()) co_await asio::post(kAwaitable);
    }
    ::lseek(file.get(), 0, SEEK_SET);
    ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    co_return file;
}

Task<> wait_for_exit(std::shared_ptr<Run> run) {
    run->result.exit_code = co_await run->child->wait();
    run->exited.set();
}

/// Reads to the end. Beyond `max_bytes` the child is killed, or (for stderr) the rest is thrown away.
Task<> collect(std::shared_ptr<Run> run, ChildProcess::Stream& stream, std::string& into, std::size_t max_bytes, bool kill) {
    const auto buffer = std::make_unique<std::array<char, kReadBytes>>();
    while (true) {
        const auto [failed, n] = co_await stream.async_read_some(asio::buffer(*buffer), asio::as_tuple(kAwaitable));
        if (failed) break;
        const std::size_t room = max_bytes - into.size();
        into.append(buffer->data(), std::min(n, room));
        if (n > room && kill) {
            run->result.output_too_large = true;
            run->child->signal(SIGKILL);
            break;
        }
    }
    if (--run->readers == 0) run->drained.set();
}

}  // namespace

Task<Result<ChildOutput>> run_child(ChildCommand command, StopToken stop) {
    const auto executor = co_await asio::this_coro::executor;
    asio::io_context& context = executor.context();
    if (stop.stop_requested()) co_return fail(cancelled("stopped before the child was started"));

    const std::string name = command.argv.empty() ? std::string() : command.argv[0];
    CO_TRY_ASSIGN(Descriptor input, co_await memory_file(std::move(command.stdin_bytes)));
    Launch launch;
    launch.argv = std::move(command.argv);
    launch.environment = std::move(command.environment);
    launch.limits = command.limits;
    launch.input = std::move(input);
    const auto run = std::make_shared<Run>();
    CO_TRY_ASSIGN(run->child, ChildProcess::start(context, std::move(launch)));

    TaskGroup tasks(context);
    tasks.spawn(collect(run, run->child->output(), run->result.output, command.max_output_bytes, true));
    tasks.spawn(collect(run, run->child->errors(), run->result.errors, kMaxErrorBytes, false));
    tasks.spawn(wait_for_exit(run));

    const bool ended = co_await run->exited.wait(command.deadline, stop);
    if (!ended) {
        run->result.timed_out = !stop.stop_requested();
        run->child->signal(SIGKILL);
        // No deadline: SIGKILL cannot be refused, and a child in an uninterruptible call still needs its owner.
        while (!run->exited.is_set()) co_await run->exited.wait(1h);
    }
    // Whoever left the process group may hold the pipes open for ever.
    if (!co_await run->drained.wait(1s)) {
        boost::system::error_code ignored;
        run->child->output().close(ignored);
        run->child->errors().close(ignored);
    }
    co_await tasks.join();
    if (!ended && !run->result.timed_out) co_return fail(cancelled(fmt::format("'{}' was stopped", name)));
    co_return std::move(run->result);
}

std::string self_executable() {
    std::string path(4096, '\0');
    const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size());
    path.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return path;
}

}  // namespace atrium::process
