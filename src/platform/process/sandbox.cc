#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <memory>

#include "platform/process/child.h"
#include "platform/process/internal/landlock.h"

namespace atrium::process {
namespace {

/// Adds rules to a filter; the first failure is kept and reported at the end.
class Filter {
public:
    explicit Filter(scmp_filter_ctx context) : context_(context) {}

    void add(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> conditions = {}) {
        const int result = ::seccomp_rule_add_array(context_, action, call, static_cast<unsigned>(conditions.size()),
                                                    conditions.size() == 0 ? nullptr : conditions.begin());
        // -EDOM and -EOPNOTSUPP: this processor has no such call.
        if (result != 0 && result != -EDOM && result != -EOPNOTSUPP && error_ == 0) error_ = -result;
    }
    void allow(std::initializer_list<int> calls) {
        for (const int call : calls) add(SCMP_ACT_ALLOW, call);
    }
    void allow_if(int call, std::initializer_list<scmp_arg_cmp> conditions) { add(SCMP_ACT_ALLOW, call, conditions); }
    void deny(std::initializer_list<int> calls) {
        for (const int call : calls) add(SCMP_ACT_ERRNO(EPERM), call);
    }
    void kill(std::initializer_list<int> calls) {
        for (const int call : calls) add(SCMP_ACT_KILL_PROCESS, call);
    }
    int error() const { return error_; }

private:
    scmp_filter_ctx context_;
    int error_ = 0;
};

/// Compares the lower 32 bits, which is all that the kernel looks at where an argument is an int.
constexpr scmp_arg_cmp is_int(unsigned argument, std::uint32_t value) {
    return {argument, SCMP_CMP_MASKED_EQ, 0xffffffff, value};
}
constexpr scmp_arg_cmp has_none_of(unsigned argument, std::uint64_t bits) { return {argument, SCMP_CMP_MASKED_EQ, bits, 0}; }

// Arithmetic on memory, threads, time, and descriptors that are open already.
void allow_computing(Filter& filter) {
    filter.allow({SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2), SCMP_SYS(write),
                  SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(pwritev2), SCMP_SYS(lseek), SCMP_SYS(close),
                  SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(flock),
                  SCMP_SYS(fadvise64), SCMP_SYS(readahead), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(eventfd2),
                  SCMP_SYS(splice), SCMP_SYS(tee), SCMP_SYS(sendfile), SCMP_SYS(copy_file_range)});
    filter.allow({SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create),
                  SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
                  SCMP_SYS(epoll_pwait2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime),
                  SCMP_SYS(signalfd4)});
    filter.allow({SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
                  SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(munlock), SCMP_SYS(mlockall), SCMP_SYS(munlockall),
                  SCMP_SYS(mincore), SCMP_SYS(msync), SCMP_SYS(membarrier), SCMP_SYS(mbind), SCMP_SYS(set_mempolicy),
                  SCMP_SYS(get_mempolicy), SCMP_SYS(memfd_create), SCMP_SYS(pkey_alloc), SCMP_SYS(pkey_free),
                  SCMP_SYS(pkey_mprotect)});
    filter.allow({SCMP_SYS(futex), SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq),
                  SCMP_SYS(set_tid_address), SCMP_SYS(gettid), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
                  SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler),
                  SCMP_SYS(sched_get_priority_max), SCMP_SYS(sched_get_priority_min), SCMP_SYS(getpriority),
                  SCMP_SYS(setpriority), SCMP_SYS(getcpu), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(restart_syscall)});
    filter.allow({SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending),
                  SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigsuspend), SCMP_SYS(sigaltstack), SCMP_SYS(pause), SCMP_SYS(alarm),
                  SCMP_SYS(setitimer), SCMP_SYS(getitimer), SCMP_SYS(timer_create), SCMP_SYS(timer_settime),
                  SCMP_SYS(timer_delete)});
    filter.allow({SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
                  SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(getrandom), SCMP_SYS(uname),
                  SCMP_SYS(sysinfo), SCMP_SYS(getrusage), SCMP_SYS(getrlimit), SCMP_SYS(arch_prctl)});
    filter.allow({SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getpgrp), SCMP_SYS(getpgid), SCMP_SYS(getsid), SCMP_SYS(getuid),
                  SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getgroups), SCMP_SYS(getresuid),
                  SCMP_SYS(getresgid), SCMP_SYS(capget), SCMP_SYS(umask), SCMP_SYS(personality)});
    // Limits of its own only: they can be lowered, and raising them needs a privilege.
    filter.allow_if(SCMP_SYS(prlimit64), {is_int(0, 0)});
    filter.allow_if(SCMP_SYS(prlimit64), {is_int(0, static_cast<std::uint32_t>(::getpid()))});
    for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_SET_NO_NEW_PRIVS,
                             PR_GET_NO_NEW_PRIVS, PR_GET_DUMPABLE, PR_SET_VMA, PR_CAPBSET_READ, PR_SET_TIMERSLACK}) {
        filter.allow_if(SCMP_SYS(prctl), {is_int(0, static_cast<std::uint32_t>(option))});
    }
    // What the C library asks of a descriptor; never TIOCSTI, which types into somebody's terminal.
    for (const unsigned long request : {TCGETS, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, TIOCGWINSZ, TIOCGPGRP}) {
        filter.allow_if(SCMP_SYS(ioctl), {is_int(1, static_cast<std::uint32_t>(request))});
    }
    filter.add(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), {is_int(1, TIOCSTI)});
}

// Threads. clone3 hides its flags in memory where a filter cannot look; unlisted, it answers ENOSYS, which makes the C
// library use clone.
void allow_threads(Filter& filter) {
    constexpr std::uint64_t kThread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
    filter.allow_if(SCMP_SYS(clone), {{0, SCMP_CMP_MASKED_EQ, kThread, kThread}});
    // abort() and raise() signal their own process.
    const auto self = static_cast<std::uint32_t>(::getpid());
    for (const int call : {SCMP_SYS(kill), SCMP_SYS(tgkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo)}) {
        filter.allow_if(call, {is_int(0, self)});
    }
}

void allow_reading_files(Filter& filter) {
    constexpr std::uint64_t kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
    filter.allow_if(SCMP_SYS(open), {has_none_of(1, kWriting)});
    filter.allow_if(SCMP_SYS(openat), {has_none_of(2, kWriting)});
    filter.add(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(open), {{1, SCMP_CMP_MASKED_EQ, O_WRONLY, O_WRONLY}});
    for (const int bit : {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND}) {
        const auto flag = static_cast<std::uint64_t>(bit);
        filter.add(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(openat), {{2, SCMP_CMP_MASKED_EQ, flag, flag}});
        if (bit != O_WRONLY) filter.add(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(open), {{1, SCMP_CMP_MASKED_EQ, flag, flag}});
    }
    filter.allow({SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs),
                  SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
                  SCMP_SYS(readlinkat), SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(chdir),
                  SCMP_SYS(fchdir), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate)});
    filter.deny({SCMP_SYS(creat), SCMP_SYS(truncate), SCMP_SYS(fallocate), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
                 SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir),
                 SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(mknod), SCMP_SYS(mknodat),
                 SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(fchown), SCMP_SYS(lchown),
                 SCMP_SYS(fchownat), SCMP_SYS(utime), SCMP_SYS(utimes), SCMP_SYS(utimensat), SCMP_SYS(futimesat),
                 SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(fsetxattr), SCMP_SYS(removexattr), SCMP_SYS(lremovexattr),
                 SCMP_SYS(fremovexattr)});
}

void deny_exec(Filter& filter) {
    filter.deny({SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork)});
    filter.add(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), {has_none_of(0, CLONE_THREAD)});
}

// The tools run under this filter too, which exec keeps.
void allow_exec(Filter& filter) {
    constexpr std::uint64_t kNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                                          CLONE_NEWUTS | CLONE_NEWCGROUP;
    filter.allow({SCMP_SYS(execve), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(pidfd_open),
                  SCMP_SYS(setpgid), SCMP_SYS(setsid), SCMP_SYS(setrlimit), SCMP_SYS(prlimit64), SCMP_SYS(tgkill)});
    filter.allow_if(SCMP_SYS(clone), {has_none_of(0, kNamespaces | CLONE_THREAD)});
    // Process groups, that is negative numbers, but not -1, which is everybody and has no zero among its bits. Process
    // numbers have at most 22 bits. Where the kernel can, Landlock confines signals as well.
    for (int bit = 0; bit < 22; ++bit) {
        const std::uint64_t mask = 0x80000000 | (1ULL << bit);
        filter.allow_if(SCMP_SYS(kill), {{0, SCMP_CMP_MASKED_EQ, mask, 0x80000000}});
    }
    filter.deny({SCMP_SYS(execveat)});
}

void allow_local_sockets(Filter& filter) {
    filter.allow_if(SCMP_SYS(socket), {is_int(0, AF_UNIX)});
    filter.add(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), {{0, SCMP_CMP_NE, AF_UNIX, 0}});
    filter.allow_if(SCMP_SYS(socketpair), {is_int(0, AF_UNIX)});
    filter.allow({SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(shutdown),
                  SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg),
                  SCMP_SYS(recvmmsg), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(setsockopt),
                  SCMP_SYS(getsockopt)});
}

void deny_sockets(Filter& filter) {
    filter.deny({SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
                 SCMP_SYS(connect), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg)});
}

// No honest parser or engine calls these.
void kill_attacks(Filter& filter) {
    filter.kill({SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(mount), SCMP_SYS(umount2),
                 SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(keyctl),
                 SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
                 SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module), SCMP_SYS(finit_module),
                 SCMP_SYS(delete_module), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct),
                 SCMP_SYS(open_by_handle_at), SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setresuid), SCMP_SYS(setresgid),
                 SCMP_SYS(capset), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(quotactl), SCMP_SYS(sethostname),
                 SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(io_uring_setup)});
}

FileRules file_rules(SandboxProfile profile) {
    FileRules rules;
    rules.allow_sockets = profile == SandboxProfile::kEngine;
    // An engine reads models from wherever they are; a parser gets its document on stdin and must not find another one.
    rules.restrict_reading = profile != SandboxProfile::kEngine;
    if (rules.restrict_reading) {
        rules.readable = {"/usr", "/lib", "/lib64", "/bin", "/opt", "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime",
                          "/dev/null", "/dev/zero", "/dev/urandom", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
                          self_executable()};
    }
    return rules;
}

}  // namespace

bool can_hide_files() { return landlock_version() > 0; }

Result<> enter_sandbox(SandboxProfile profile) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return fail(unimplemented("the kernel cannot forbid new privileges (PR_SET_NO_NEW_PRIVS)"));
    }
    // Without Landlock seccomp alone has to do; can_hide_files() tells the operator at start.
    TRY(restrict_files(file_rules(profile)));

    const std::unique_ptr<void, void (*)(scmp_filter_ctx)> context(::seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), ::seccomp_release);
    if (!context) return fail(unimplemented("cannot make a seccomp filter"));
    // All threads, should a library have started one; a tree of comparisons instead of a list of three hundred.
    static_cast<void>(::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_TSYNC, 1));
    static_cast<void>(::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
    Filter filter(context.get());
    allow_computing(filter);
    allow_threads(filter);
    allow_reading_files(filter);
    kill_attacks(filter);
    if (profile == SandboxProfile::kEngine) {
        allow_local_sockets(filter);
    } else {
        deny_sockets(filter);
    }
    if (profile == SandboxProfile::kParserTools) {
        allow_exec(filter);
    } else {
        deny_exec(filter);
    }
    if (filter.error() != 0) return fail(from_errno(filter.error(), "make a seccomp filter"));
    if (const int result = ::seccomp_load(context.get()); result != 0) {
        return fail(unimplemented(fmt::format("the kernel refused the seccomp filter (error {})", -result)));
    }
    return {};
}

}  // namespace atrium::process
