#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "platform/fs/fs.h"

namespace atrium {

/// A file system that fails on command, for the tests of everything that stores bytes. Wraps another Fs (which must
/// outlive it and the files it opened) and counts every operation, those of the opened files included. Thread-safe.
///
/// The loop to test a store with: `for (n = 0;; ++n)` { fresh directory; fault.crash_at(n); do the work; if it succeeded,
/// stop; open the store again on the real Fs and check that nothing promised is missing }.
class FaultFs final : public Fs {
public:
    enum class Op { kRead, kCreate, kAppend, kSync, kClose, kRename, kRemove, kMakeDirectories, kSize, kList, kFreeBytes };

    explicit FaultFs(Fs& inner);
    ~FaultFs() override;

    /// Operation number `n` (0 is the next one) fails once with `errno_value`; those after it work again.
    void fail_at(std::uint64_t n, int errno_value);
    /// The same, counting only operations of one kind.
    void fail_at(Op op, std::uint64_t n, int errno_value);
    /// Operation `n` and all after it fail with EIO, as if the process had died there. An append at `n` still writes
    /// half of its bytes.
    void crash_at(std::uint64_t n);
    /// The next append but `n` writes only `bytes` of what it was given, then fails with EIO.
    void short_write_at(std::uint64_t n, std::uint64_t bytes);
    /// After `bytes` more appended bytes the disk is full: the rest of that append and all later ones fail with ENOSPC,
    /// and free_bytes() reports what is left.
    void limit_bytes(std::uint64_t bytes);
    /// Everything works again; counters start at 0.
    void clear();

    /// Operations seen since construction or clear().
    std::uint64_t operations() const;

    Result<std::string> read_file(const Path& path, std::uint64_t max_bytes) override;
    Result<std::string> read_range(const Path& path, std::uint64_t offset, std::uint64_t bytes) override;
    Result<std::unique_ptr<WritableFile>> create(const Path& path, int mode = 0600) override;
    Result<std::unique_ptr<WritableFile>> open_append(const Path& path) override;
    Result<> rename(const Path& from, const Path& to) override;
    Result<> remove(const Path& path) override;
    Result<> make_directories(const Path& path) override;
    Result<std::uint64_t> size(const Path& path) override;
    Result<std::vector<std::string>> list(const Path& directory) override;
    Result<std::uint64_t> free_bytes(const Path& path) override;

    struct Plan;  ///< internal

private:
    Fs& inner_;
    std::shared_ptr<Plan> plan_;
};

}  // namespace atrium
