#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace atrium {

using Path = std::filesystem::path;

/// A file being written. Owned by one caller, used by one thread at a time. Nothing is promised before sync() returned.
/// After a failed append or sync every further call fails with the first error: the kernel may have dropped the dirty
/// pages, so a repeated fsync that succeeds would prove nothing. Throw the file away and write a new one.
class WritableFile {
public:
    virtual ~WritableFile() = default;
    virtual Result<> append(std::string_view bytes) = 0;  ///< all of it, or an error and an unknown part of it
    virtual Result<> sync() = 0;   ///< fsync
    virtual Result<> close() = 0;  ///< idempotent; the destructor closes too
};

/// The file system, injected so that a test can make it fail (FaultFs). Blocking: call from a pool or start-up,
/// never from an io thread. Thread-safe. Errors name the path.
class Fs {
public:
    virtual ~Fs() = default;
    /// The whole file. kNotFound when absent, kOutOfRange when it is larger than `max_bytes`.
    virtual Result<std::string> read_file(const Path& path, std::uint64_t max_bytes) = 0;
    /// Up to `bytes` from `offset`; shorter only where the file ends.
    virtual Result<std::string> read_range(const Path& path, std::uint64_t offset, std::uint64_t bytes) = 0;
    virtual Result<std::unique_ptr<WritableFile>> create(const Path& path, int mode = 0600) = 0;  ///< truncates
    virtual Result<std::unique_ptr<WritableFile>> open_append(const Path& path) = 0;  ///< creates with mode 0600
    virtual Result<> rename(const Path& from, const Path& to) = 0;  ///< atomic, then fsync of the directory
    virtual Result<> remove(const Path& path) = 0;  ///< a file or an empty directory; absent is success
    virtual Result<> make_directories(const Path& path) = 0;        ///< with parents, mode 0700; there already is success
    virtual Result<std::uint64_t> size(const Path& path) = 0;       ///< kNotFound when absent
    virtual Result<std::vector<std::string>> list(const Path& directory) = 0;  ///< names, sorted, without "." and ".."
    /// What an unprivileged process may still write on the file system that holds `path` or its nearest existing parent.
    virtual Result<std::uint64_t> free_bytes(const Path& path) = 0;
};

/// The machine's file system; a process-wide instance.
Fs& machine_fs();

/// Whole-file replacement that is there completely or not at all: temp file "PATH.tmp-…" beside it, fsync, rename,
/// fsync of the directory. On failure the old file is untouched and the temp file removed; a crash may leave one behind.
Result<> write_file_atomically(Fs& fs, const Path& path, std::string_view bytes, int mode = 0600);

}  // namespace atrium
