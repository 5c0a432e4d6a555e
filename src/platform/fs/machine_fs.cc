#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>

#include "base/id.h"
#include "platform/fs/fs.h"

namespace atrium {
namespace {

Error failed(int error_number, std::string_view action, const Path& path) {
    return from_errno(error_number, fmt::format("{} '{}'", action, path.string()));
}

/// Owns a descriptor for the length of one call.
class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

private:
    int fd_;
};

int open_retrying(const Path& path, int flags, int mode = 0) {
    int fd;
    do {
        fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

int sync_retrying(int fd) {
    int result;
    do {
        result = ::fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result;
}

/// Reads up to `out.size()` bytes at `offset`; returns how many there were, or -1 with errno.
ssize_t read_at(int fd, std::string& out, std::uint64_t offset) {
    std::size_t done = 0;
    while (done < out.size()) {
        const ssize_t n = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        done += static_cast<std::size_t>(n);
    }
    return static_cast<ssize_t>(done);
}

class MachineFile final : public WritableFile {
public:
    MachineFile(int fd, Path path) : fd_(fd), path_(std::move(path)) {}
    ~MachineFile() override {
        if (fd_ >= 0) ::close(fd_);
    }

    Result<> append(std::string_view bytes) override {
        TRY(check_usable());
        while (!bytes.empty()) {
            const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return broken(failed(errno, "write", path_));
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return {};
    }

    Result<> sync() override {
        TRY(check_usable());
        if (sync_retrying(fd_) != 0) return broken(failed(errno, "fsync", path_));
        return {};
    }

    Result<> close() override {
        if (fd_ < 0) return {};
        // Linux releases the descriptor even when close reports EINTR; trying again could close somebody else's.
        const int result = ::close(std::exchange(fd_, -1));
        if (result != 0 && errno != EINTR) return fail(failed(errno, "close", path_));
        return {};
    }

private:
    Result<> check_usable() const {
        if (first_error_) return fail(*first_error_);
        if (fd_ < 0) return fail(internal_error(fmt::format("write '{}': the file is closed", path_.string())));
        return {};
    }
    std::unexpected<Error> broken(Error error) {
        first_error_ = error;
        return fail(std::move(error));
    }

    int fd_;
    Path path_;
    std::optional<Error> first_error_;
};

class MachineFs final : public Fs {
public:
    Result<std::string> read_file(const Path& path, std::uint64_t max_bytes) override {
        const Descriptor file(open_retrying(path, O_RDONLY));
        if (file.get() < 0) return fail(failed(errno, "open", path));
        TRY_ASSIGN(const std::uint64_t bytes, size_of(file.get(), path));
        if (bytes > max_bytes) return fail(too_large(path, max_bytes));
        // /proc files report size 0 and a file may grow while it is read, so the end is where read says it is.
        std::string content;
        std::uint64_t step = bytes + 1;
        while (true) {
            std::string part(static_cast<std::size_t>(step), '\0');
            const ssize_t n = read_at(file.get(), part, content.size());
            if (n < 0) return fail(failed(errno, "read", path));
            part.resize(static_cast<std::size_t>(n));
            content = content.empty() ? std::move(part) : content + part;
            if (content.size() > max_bytes) return fail(too_large(path, max_bytes));
            if (static_cast<std::uint64_t>(n) < step) return content;
            step = 64 * 1024;
        }
    }

    Result<std::string> read_range(const Path& path, std::uint64_t offset, std::uint64_t bytes) override {
        const Descriptor file(open_retrying(path, O_RDONLY));
        if (file.get() < 0) return fail(failed(errno, "open", path));
        TRY_ASSIGN(const std::uint64_t total, size_of(file.get(), path));
        if (offset >= total) return std::string();
        std::string content(static_cast<std::size_t>(std::min(bytes, total - offset)), '\0');
        const ssize_t n = read_at(file.get(), content, offset);
        if (n < 0) return fail(failed(errno, "read", path));
        content.resize(static_cast<std::size_t>(n));
        return content;
    }

    Result<std::unique_ptr<WritableFile>> create(const Path& path, int mode) override {
        return open_for_writing(path, O_WRONLY | O_CREAT | O_TRUNC, mode, "create");
    }

    Result<std::unique_ptr<WritableFile>> open_append(const Path& path) override {
        return open_for_writing(path, O_WRONLY | O_CREAT | O_APPEND, 0600, "open");
    }

    Result<> rename(const Path& from, const Path& to) override {
        if (::rename(from.c_str(), to.c_str()) != 0) {
            return fail(failed(errno, fmt::format("rename '{}' to", from.string()), to));
        }
        TRY(sync_directory(to.parent_path()));
        if (from.parent_path() != to.parent_path()) TRY(sync_directory(from.parent_path()));
        return {};
    }

    Result<> remove(const Path& path) override {
        // std::remove: unlink for files, rmdir for directories.
        if (std::remove(path.c_str()) != 0 && errno != ENOENT) return fail(failed(errno, "remove", path));
        return {};
    }

    Result<> make_directories(const Path& path) override {
        if (path.empty()) return {};
        struct stat info{};
        if (::stat(path.c_str(), &info) == 0) {
            if (S_ISDIR(info.st_mode)) return {};
            return fail(failed(ENOTDIR, "create directory", path));
        }
        if (errno != ENOENT) return fail(failed(errno, "create directory", path));
        const Path parent = path.parent_path();
        if (parent != path) TRY(make_directories(parent));
        if (path.filename().empty()) return {};  // "a/b/" : its parent was "a/b"
        if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
            return fail(failed(errno, "create directory", path));
        }
        return sync_directory(parent);
    }

    Result<std::uint64_t> size(const Path& path) override {
        struct stat info{};
        if (::stat(path.c_str(), &info) != 0) return fail(failed(errno, "stat", path));
        return static_cast<std::uint64_t>(info.st_size);
    }

    Result<std::vector<std::string>> list(const Path& directory) override {
        DIR* handle = ::opendir(directory.c_str());
        if (handle == nullptr) return fail(failed(errno, "list", directory));
        std::vector<std::string> names;
        int error_number = 0;
        while (true) {
            errno = 0;
            const dirent* entry = ::readdir(handle);
            if (entry == nullptr) {
                error_number = errno;
                break;
            }
            std::string name = entry->d_name;
            if (name != "." && name != "..") names.push_back(std::move(name));
        }
        ::closedir(handle);
        if (error_number != 0) return fail(failed(error_number, "list", directory));
        std::ranges::sort(names);
        return names;
    }

    Result<std::uint64_t> free_bytes(const Path& path) override {
        Path existing = path.empty() ? Path(".") : path;
        struct statvfs info{};
        while (::statvfs(existing.c_str(), &info) != 0) {
            const Path parent = existing.has_parent_path() ? existing.parent_path() : Path(".");
            if (errno != ENOENT || parent == existing) return fail(failed(errno, "statvfs", path));
            existing = parent;
        }
        return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
    }

private:
    static Error too_large(const Path& path, std::uint64_t max_bytes) {
        return out_of_range(fmt::format("read '{}': larger than the limit of {} bytes", path.string(), max_bytes));
    }

    static Result<std::uint64_t> size_of(int fd, const Path& path) {
        struct stat info{};
        if (::fstat(fd, &info) != 0) return fail(failed(errno, "stat", path));
        if (S_ISDIR(info.st_mode)) return fail(failed(EISDIR, "read", path));
        return static_cast<std::uint64_t>(info.st_size);
    }

    static Result<std::unique_ptr<WritableFile>> open_for_writing(const Path& path, int flags, int mode,
                                                                  std::string_view action) {
        const int fd = open_retrying(path, flags, mode);
        if (fd < 0) return fail(failed(errno, action, path));
        return std::make_unique<MachineFile>(fd, path);
    }

    /// Makes a created, renamed or removed name survive a power cut.
    static Result<> sync_directory(const Path& directory) {
        const Path path = directory.empty() ? Path(".") : directory;
        const Descriptor handle(open_retrying(path, O_RDONLY | O_DIRECTORY));
        if (handle.get() < 0) return fail(failed(errno, "open directory", path));
        // Some network file systems cannot sync a directory and say EINVAL; they order renames themselves.
        if (sync_retrying(handle.get()) != 0 && errno != EINVAL) return fail(failed(errno, "fsync directory", path));
        return {};
    }
};

Result<> write_and_sync(Fs& fs, const Path& path, std::string_view bytes, int mode) {
    TRY_ASSIGN(auto file, fs.create(path, mode));
    TRY(file->append(bytes));
    TRY(file->sync());
    return file->close();
}

}  // namespace

Fs& machine_fs() {
    static MachineFs instance;
    return instance;
}

Result<> write_file_atomically(Fs& fs, const Path& path, std::string_view bytes, int mode) {
    const Path temporary = Path(path).concat(new_id(".tmp-"));
    Result<> done = write_and_sync(fs, temporary, bytes, mode);
    if (done) done = fs.rename(temporary, path);
    // The first failure is the one worth reporting; a leftover temp file is harmless.
    if (!done) static_cast<void>(fs.remove(temporary));
    return done;
}

}  // namespace atrium
