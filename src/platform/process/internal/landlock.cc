#include "platform/process/internal/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace atrium::process {
namespace {

// Spelled out where the kernel headers of Debian 12 (6.1) do not know them yet; values from include/uapi/linux/landlock.h.
constexpr std::uint64_t kTruncate = 1ULL << 14;        // version 3
constexpr std::uint64_t kScopeAbstractSocket = 1 << 0;  // version 6
constexpr std::uint64_t kScopeSignal = 1 << 1;          // version 6

/// `struct landlock_ruleset_attr` of version 6; older kernels are told a smaller size.
struct RulesetAttributes {
    std::uint64_t handled_access_fs = 0;
    std::uint64_t handled_access_net = 0;
    std::uint64_t scoped = 0;
};

constexpr std::uint64_t kReading = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWriting = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                   LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                   LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                                   LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

bool allow_reading(int ruleset, const std::string& path) {
    const int fd = ::open(path.c_str(), O_PATH | O_CLOEXEC);
    if (fd < 0) return true;  // what is not there needs no rule
    landlock_path_beneath_attr rule{};
    rule.allowed_access = kReading;
    rule.parent_fd = fd;
    bool added = ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    if (!added) {  // a file, not a folder
        rule.allowed_access = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE;
        added = ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    }
    const int error = errno;
    ::close(fd);
    errno = error;
    return added;
}

std::unexpected<Error> refused(const std::string& what) {
    return fail(internal_error("the kernel has Landlock and refused " + what).with_cause(from_errno(errno, "landlock")));
}

}  // namespace

int landlock_version() {
    const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version < 1 ? 0 : static_cast<int>(version);
}

Result<bool> restrict_files(const FileRules& rules) {
    const int version = landlock_version();
    if (version == 0) return false;
    RulesetAttributes attributes;
    attributes.handled_access_fs = kWriting;
    if (!rules.allow_sockets) attributes.handled_access_fs |= LANDLOCK_ACCESS_FS_MAKE_SOCK;
    if (rules.restrict_reading) attributes.handled_access_fs |= kReading;
    if (version >= 2) attributes.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3) attributes.handled_access_fs |= kTruncate;
    // A taken-over parser must not signal the gateway, which runs as the same user.
    if (version >= 6) attributes.scoped = kScopeAbstractSocket | kScopeSignal;
    const std::size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;

    const int ruleset = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0));
    if (ruleset < 0) return refused("a new set of rules");
    std::string problem;
    for (const std::string& path : rules.readable) {
        if (problem.empty() && !allow_reading(ruleset, path)) problem = "the rule for " + path;
    }
    if (problem.empty() && ::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) problem = "to confine this process";
    const int error = errno;
    ::close(ruleset);
    errno = error;
    if (!problem.empty()) return refused(problem);
    return true;
}

}  // namespace atrium::process
