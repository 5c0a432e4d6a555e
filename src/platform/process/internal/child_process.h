#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "platform/async/task.h"
#include "platform/process/child.h"

namespace atrium::process {

/// A file descriptor with an owner.
class Descriptor {
public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor();
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

private:
    int fd_;
};

struct Launch {
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    SandboxLimits limits;
    Descriptor input;           ///< none: /dev/null
    bool join_outputs = false;  ///< stdout goes where stderr goes
};

/// A started child and the ends of its pipes. Belongs to one io thread. Destroying it kills the process group and reaps
/// the child, so nothing is ever left behind; no SIGCHLD handler is involved, so a program that embeds us keeps its own.
class ChildProcess {
public:
    using Stream = boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

    /// Starts the child; an error names the executable and the reason (absent, not executable, no memory).
    static Result<std::shared_ptr<ChildProcess>> start(boost::asio::io_context& context, Launch launch);
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    int id() const { return pid_; }
    /// Sends a signal to the whole process group; nothing once the child was reaped.
    void signal(int number);
    /// Waits for the end, kills what is left of the process group, reaps. Exit status, or 128 + signal. Once.
    Task<int> wait();

    Stream& output() { return output_; }  ///< closed when the outputs are joined
    Stream& errors() { return errors_; }

private:
    ChildProcess(boost::asio::io_context& context, int pid);
    bool has_ended() const;
    int reap();

    int pid_;
    bool reaped_ = false;
    Stream exit_;  ///< a pidfd; closed where the kernel has none
    Stream output_;
    Stream errors_;
};

/// "NAME=value" lines: the four that are inherited, then `own`, which win.
std::vector<std::string> child_environment(const std::vector<std::string>& own);

/// "SIGSEGV" for 139, "" for an ordinary exit code.
std::string signal_of_exit_code(int exit_code);

}  // namespace atrium::process
