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

/// A file being written. Nothing is promised before sync() returned.
class WritableFile {
public:
    virtual ~WritableFile() = default;
    virtual Result<> append(std::string_view bytes) = 0;
    virtual Result<> sync() = 0;   ///< fsync
    virtual Result<> close() = 0;  ///< idempotent; the destructor closes too
};

/// The file system, injected so that a test can make it fail (FaultFs). Blocking: call from a pool or start-up,
/// never from an io thread. Thread-safe. Errors name the path.
class Fs {
public:
    virtual ~Fs() = default;
    virtual Result<std::string> read_file(const Path& path, std::uint64_t max_bytes) = 0;
    virtual Result<std::string> read_range(const Path& path, std::uint64_t offset, std::uint64_t bytes) = 0;
    virtual Result<std::unique_ptr<WritableFile>> create(const Path& path, int mode = 0600) = 0;  ///< truncates
    virtual Result<std::unique_ptr<WritableFile>> open_append(const Path& path) = 0;
    virtual Result<> rename(const Path& from, const Path& to) = 0;  ///< atomic, then fsync of the directory
    virtual Result<> remove(const Path& path) = 0;                  ///< absent is success
    virtual Result<> make_directories(const Path& path) = 0;
    virtual Result<std::uint64_t> size(const Path& path) = 0;       ///< kNotFound when absent
    virtual Result<std::vector<std::string>> list(const Path& directory) = 0;
    virtual Result<std::uint64_t> free_bytes(const Path& path) = 0;
};

/// The machine's file system; a process-wide instance.
Fs& machine_fs();

/// Whole-file replacement that is there completely or not at all: temp file, fsync, rename, fsync of the directory.
Result<> write_file_atomically(Fs& fs, const Path& path, std::string_view bytes, int mode = 0600);

}  // namespace atrium
