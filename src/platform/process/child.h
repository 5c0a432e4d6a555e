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
///
/// Every child leads a process group of its own and dies with this process: by the parent-death signal, which the
/// kernel sends when the *thread* that started it ends. So start children from io threads (run_child and Supervisor do),
/// which live as long as the process, never from a pool.
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
    std::vector<std::string> argv;  ///< argv[0] is the executable's path, or a name to look up in PATH
    std::vector<std::string> environment;  ///< NAME=value; nothing is inherited except PATH, LANG, TZ, HOME
    SandboxLimits limits;
    std::string stdin_bytes;        ///< the child's stdin: a sealed file in memory, so it can be mapped and sought
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

/// Runs a short-lived child to its end. It is killed with its process group on deadline, stop, or too much output; what
/// is left of the group when it ends is killed too. A child that could not be started is an Error, and so is a stop
/// (kCancelled); one that failed is a ChildOutput. Must run on an io thread.
///
///     CO_TRY_ASSIGN(auto done, co_await run_child({.argv = {self_executable(), "parse"}, .stdin_bytes = bytes}, stop));
Task<Result<ChildOutput>> run_child(ChildCommand command, StopToken stop = {});

enum class SandboxProfile {
    kParser,  ///< no network, no exec, no new files: read stdin, write stdout; sees only system files (Landlock)
    kParserTools,  ///< as kParser, but may exec the extraction tools (poppler), which run under the same rules
    kEngine,  ///< no exec; sockets only AF_UNIX; files read-only apart from its socket
};

/// Called by a child at the start of its main, before it has threads: no_new_privs, a Landlock domain where the kernel
/// has one, and a seccomp filter for the profile. Irreversible. What a profile does not need fails with EPERM, calls this
/// list does not know with ENOSYS, and what only an attack would try (ptrace, mount, keyctl, bpf …) kills the process.
/// kUnimplemented where the kernel lacks seccomp; the caller decides whether that is fatal. kInternal where it has Landlock
/// but refuses the rules: then the process is half confined and must not go on.
Result<> enter_sandbox(SandboxProfile profile);

/// Whether the kernel has Landlock. Without it a parser that is taken over can read whatever its user can.
bool can_hide_files();

/// Absolute path of the running executable (/proc/self/exe).
std::string self_executable();

}  // namespace atrium::process
