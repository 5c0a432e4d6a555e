#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "platform/async/task.h"

/// Children: the same executable re-executed (`atrium engine`, `atrium parse`) or a tool such as pdftotext.
namespace atrium::process {

/// What a child may do. Applied between fork and exec (rlimits, process group, parent-death signal, no_new_privs)
/// and by the child itself on entry (`enter_sandbox`), because seccomp must allow exec first.
struct SandboxLimits {
    std::uint64_t memory_bytes = 0;  ///< RLIMIT_AS; 0 = unlimited
    std::chrono::seconds cpu{0};     ///< RLIMIT_CPU; 0 = unlimited
    std::uint64_t file_bytes = 0;    ///< RLIMIT_FSIZE; 0 = unlimited
    int open_files = 256;
};

struct ChildCommand {
    std::vector<std::string> argv;  ///< argv[0] is the executable's path
    std::vector<std::string> environment;  ///< NAME=value; nothing is inherited except PATH, LANG, TZ, HOME
    SandboxLimits limits;
    std::string stdin_bytes;        ///< written to the child, then closed
    std::size_t max_output_bytes = 64 * 1024 * 1024;
    std::chrono::milliseconds deadline{60'000};
};

struct ChildOutput {
    int exit_code = 0;  ///< 128 + signal when killed
    std::string output;
    std::string errors;  ///< at most 64 KiB of stderr
    bool timed_out = false;
    bool output_too_large = false;
};

/// Runs a short-lived child to its end. It is killed with its process group on deadline, stop, or too much output.
/// A child that could not be started is an Error; one that failed is a ChildOutput.
Task<Result<ChildOutput>> run_child(ChildCommand command, StopToken stop = {});

enum class SandboxProfile {
    kParser,  ///< no network, no exec, no new files: read stdin, write stdout
    kParserTools,  ///< as kParser, but may exec the extraction tools (poppler)
    kEngine,  ///< no exec; sockets only AF_UNIX; files read-only apart from its socket
};

/// Called by a child at the start of its main: no_new_privs + seccomp filter for the profile. Irreversible.
/// kUnimplemented where the kernel lacks seccomp; the caller decides whether that is fatal.
Result<> enter_sandbox(SandboxProfile profile);

/// Absolute path of the running executable (/proc/self/exe).
std::string self_executable();

}  // namespace atrium::process
