#include "platform/fs/fault_fs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>

namespace atrium {

/// What shall go wrong, shared by the Fs and the files it opened.
struct FaultFs::Plan {
    struct Fault {
        std::uint64_t at = 0;
        int errno_value = 0;
        std::optional<Op> op;  ///< any when absent
    };

    mutable std::mutex mutex;
    std::uint64_t seen = 0;
    std::array<std::uint64_t, 11> seen_of_kind{};
    std::vector<Fault> faults;
    std::optional<std::uint64_t> crash_at;
    std::optional<std::uint64_t> short_write_at;
    std::uint64_t short_write_bytes = 0;
    std::optional<std::uint64_t> bytes_left;

    struct Verdict {
        int errno_value = 0;          ///< 0: let it pass
        std::uint64_t pass_bytes = 0; ///< of an append that fails
    };

    /// Counts one operation and decides its fate. `bytes` is the length of an append.
    Verdict next(Op op, std::uint64_t bytes = 0) {
        std::scoped_lock lock(mutex);
        const std::uint64_t index = seen++;
        const std::uint64_t of_kind = seen_of_kind[static_cast<std::size_t>(op)]++;
        if (crash_at && index >= *crash_at) return {EIO, index == *crash_at ? bytes / 2 : 0};
        const auto hit = std::ranges::find_if(faults, [&](const Fault& fault) {
            return fault.op ? *fault.op == op && fault.at == of_kind : fault.at == index;
        });
        if (hit != faults.end()) {
            const int errno_value = hit->errno_value;
            faults.erase(hit);
            return {errno_value, 0};
        }
        if (op != Op::kAppend) return {};
        if (short_write_at && of_kind == *short_write_at) return {EIO, std::min(short_write_bytes, bytes)};
        if (bytes_left) {
            const std::uint64_t fits = std::min(*bytes_left, bytes);
            *bytes_left -= fits;
            if (fits < bytes) return {ENOSPC, fits};
        }
        return {};
    }

    Result<> pass(Op op, std::string_view action, const Path& path) {
        const Verdict verdict = next(op);
        if (verdict.errno_value == 0) return {};
        return fail(from_errno(verdict.errno_value, fmt::format("{} '{}'", action, path.string())));
    }
};

namespace {

class FaultFile final : public WritableFile {
public:
    FaultFile(std::unique_ptr<WritableFile> inner, Path path, std::shared_ptr<FaultFs::Plan> plan)
        : inner_(std::move(inner)), path_(std::move(path)), plan_(std::move(plan)) {}

    Result<> append(std::string_view bytes) override {
        if (first_error_) return fail(*first_error_);
        const auto verdict = plan_->next(FaultFs::Op::kAppend, bytes.size());
        if (verdict.errno_value == 0) return inner_->append(bytes);
        static_cast<void>(inner_->append(bytes.substr(0, verdict.pass_bytes)));
        return broken(from_errno(verdict.errno_value, fmt::format("write '{}'", path_.string())));
    }
    Result<> sync() override {
        if (first_error_) return fail(*first_error_);
        auto allowed = plan_->pass(FaultFs::Op::kSync, "fsync", path_);
        if (!allowed) return broken(std::move(allowed).error());
        return inner_->sync();
    }
    Result<> close() override {
        const Result<> allowed = plan_->pass(FaultFs::Op::kClose, "close", path_);
        const Result<> closed = inner_->close();  // the descriptor is gone either way, as with close(2)
        return allowed ? closed : allowed;
    }

private:
    std::unexpected<Error> broken(Error error) {
        first_error_ = error;
        return fail(std::move(error));
    }

    std::unique_ptr<WritableFile> inner_;
    Path path_;
    std::shared_ptr<FaultFs::Plan> plan_;
    std::optional<Error> first_error_;
};

}  // namespace

FaultFs::FaultFs(Fs& inner) : inner_(inner), plan_(std::make_shared<Plan>()) {}
FaultFs::~FaultFs() = default;

void FaultFs::fail_at(std::uint64_t n, int errno_value) {
    std::scoped_lock lock(plan_->mutex);
    plan_->faults.push_back({plan_->seen + n, errno_value, std::nullopt});
}

void FaultFs::fail_at(Op op, std::uint64_t n, int errno_value) {
    std::scoped_lock lock(plan_->mutex);
    plan_->faults.push_back({plan_->seen_of_kind[static_cast<std::size_t>(op)] + n, errno_value, op});
}

void FaultFs::crash_at(std::uint64_t n) {
    std::scoped_lock lock(plan_->mutex);
    plan_->crash_at = plan_->seen + n;
}

void FaultFs::short_write_at(std::uint64_t n, std::uint64_t bytes) {
    std::scoped_lock lock(plan_->mutex);
    plan_->short_write_at = plan_->seen_of_kind[static_cast<std::size_t>(Op::kAppend)] + n;
    plan_->short_write_bytes = bytes;
}

void FaultFs::limit_bytes(std::uint64_t bytes) {
    std::scoped_lock lock(plan_->mutex);
    plan_->bytes_left = bytes;
}

void FaultFs::clear() {
    std::scoped_lock lock(plan_->mutex);
    plan_->seen = 0;
    plan_->seen_of_kind.fill(0);
    plan_->faults.clear();
    plan_->crash_at.reset();
    plan_->short_write_at.reset();
    plan_->bytes_left.reset();
}

std::uint64_t FaultFs::operations() const {
    std::scoped_lock lock(plan_->mutex);
    return plan_->seen;
}

Result<std::string> FaultFs::read_file(const Path& path, std::uint64_t max_bytes) {
    TRY(plan_->pass(Op::kRead, "read", path));
    return inner_.read_file(path, max_bytes);
}

Result<std::string> FaultFs::read_range(const Path& path, std::uint64_t offset, std::uint64_t bytes) {
    TRY(plan_->pass(Op::kRead, "read", path));
    return inner_.read_range(path, offset, bytes);
}

Result<std::unique_ptr<WritableFile>> FaultFs::create(const Path& path, int mode) {
    TRY(plan_->pass(Op::kCreate, "create", path));
    TRY_ASSIGN(auto file, inner_.create(path, mode));
    return std::make_unique<FaultFile>(std::move(file), path, plan_);
}

Result<std::unique_ptr<WritableFile>> FaultFs::open_append(const Path& path) {
    TRY(plan_->pass(Op::kCreate, "open", path));
    TRY_ASSIGN(auto file, inner_.open_append(path));
    return std::make_unique<FaultFile>(std::move(file), path, plan_);
}

Result<> FaultFs::rename(const Path& from, const Path& to) {
    TRY(plan_->pass(Op::kRename, "rename", to));
    return inner_.rename(from, to);
}

Result<> FaultFs::remove(const Path& path) {
    TRY(plan_->pass(Op::kRemove, "remove", path));
    return inner_.remove(path);
}

Result<> FaultFs::make_directories(const Path& path) {
    TRY(plan_->pass(Op::kMakeDirectories, "create directory", path));
    return inner_.make_directories(path);
}

Result<std::uint64_t> FaultFs::size(const Path& path) {
    TRY(plan_->pass(Op::kSize, "stat", path));
    return inner_.size(path);
}

Result<std::vector<std::string>> FaultFs::list(const Path& directory) {
    TRY(plan_->pass(Op::kList, "list", directory));
    return inner_.list(directory);
}

Result<std::uint64_t> FaultFs::free_bytes(const Path& path) {
    TRY(plan_->pass(Op::kFreeBytes, "statvfs", path));
    TRY_ASSIGN(std::uint64_t free, inner_.free_bytes(path));
    std::scoped_lock lock(plan_->mutex);
    return plan_->bytes_left ? std::min(free, *plan_->bytes_left) : free;
}

}  // namespace atrium
