#include "data/files/local_blob_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/id.h"
#include "security/crypto/crypto.h"

namespace atrium::data {
namespace {

constexpr std::string_view kTemporaryFolder = "tmp";
constexpr std::size_t kHexDigits = 64;

bool is_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// A hash is used as a path, so it is checked first.
Result<Path> path_of(const Path& root, std::string_view sha256) {
    if (sha256.size() != kHexDigits || !is_hex(sha256)) {
        return fail(invalid_argument("the name of a blob must be 64 lower-case hexadecimal digits"));
    }
    return root / sha256.substr(0, 2) / sha256.substr(2, 2) / sha256;
}

Error damaged(std::string_view sha256, std::string_view how) {
    return data_loss(fmt::format("the stored file {}… is damaged: {}; restore it from a backup or upload it again",
                                 sha256.substr(0, 12), how));
}

class LocalBlobWriter final : public BlobWriter {
public:
    LocalBlobWriter(Fs& fs, Path root, Path temporary, std::unique_ptr<WritableFile> file)
        : fs_(fs), root_(std::move(root)), temporary_(std::move(temporary)), file_(std::move(file)) {}

    ~LocalBlobWriter() override {
        if (committed_) return;
        file_.reset();
        static_cast<void>(fs_.remove(temporary_));  // if that fails too, the next start removes it
    }

    LocalBlobWriter(const LocalBlobWriter&) = delete;
    LocalBlobWriter& operator=(const LocalBlobWriter&) = delete;

    Result<> append(std::string_view bytes) override {
        TRY(check_usable());
        if (auto written = file_->append(bytes); !written) {
            failed_ = true;
            return written;
        }
        hash_.update(bytes);
        bytes_ += bytes.size();
        return {};
    }

    Result<BlobRef> commit() override {
        TRY(check_usable());
        failed_ = true;  // until everything below has worked
        TRY(file_->sync());
        TRY(file_->close());
        BlobRef blob{hash_.finish_hex(), bytes_};
        TRY_ASSIGN(const Path path, path_of(root_, blob.sha256));
        TRY(fs_.make_directories(path.parent_path()));
        TRY(fs_.rename(temporary_, path));
        committed_ = true;
        return blob;
    }

private:
    Result<> check_usable() const {
        if (failed_ || committed_) return fail(failed_precondition("this upload has failed or ended already; start it again"));
        return {};
    }

    Fs& fs_;
    Path root_;
    Path temporary_;
    std::unique_ptr<WritableFile> file_;
    crypto::Sha256Stream hash_;
    std::uint64_t bytes_ = 0;
    bool failed_ = false;
    bool committed_ = false;
};

}  // namespace

Result<std::unique_ptr<LocalBlobStore>> LocalBlobStore::open(Fs& fs, Path root) {
    const Path temporary = root / kTemporaryFolder;
    TRY(fs.make_directories(temporary));
    TRY_ASSIGN(const auto leftovers, fs.list(temporary));
    for (const auto& name : leftovers) TRY(fs.remove(temporary / name));
    return std::unique_ptr<LocalBlobStore>(new LocalBlobStore(fs, std::move(root)));
}

Result<std::unique_ptr<BlobWriter>> LocalBlobStore::create() {
    Path temporary = root_ / kTemporaryFolder / new_id("upload-");
    TRY_ASSIGN(auto file, fs_.create(temporary));
    return std::make_unique<LocalBlobWriter>(fs_, root_, std::move(temporary), std::move(file));
}

Result<std::string> LocalBlobStore::read(const BlobRef& blob, std::uint64_t offset, std::uint64_t max_bytes) {
    TRY_ASSIGN(const Path path, path_of(root_, blob.sha256));
    auto bytes = fs_.read_range(path, offset, max_bytes);
    if (!bytes) {
        if (bytes.error().code() == Code::kNotFound) return fail(not_found("the stored file does not exist any more"));
        return bytes;
    }
    const std::uint64_t wanted = offset >= blob.bytes ? 0 : std::min(max_bytes, blob.bytes - offset);
    if (bytes->size() < wanted) {
        return fail(damaged(blob.sha256, fmt::format("{} bytes are missing", wanted - bytes->size())));
    }
    if (offset == 0 && bytes->size() >= blob.bytes && crypto::sha256_hex(*bytes) != blob.sha256) {
        // A file that has grown ends up here as well; a read of exactly its former size would still match.
        return fail(damaged(blob.sha256, "its content does not match its checksum"));
    }
    return bytes;
}

Result<bool> LocalBlobStore::exists(const BlobRef& blob) {
    TRY_ASSIGN(const Path path, path_of(root_, blob.sha256));
    const auto size = fs_.size(path);
    if (size) return true;
    if (size.error().code() == Code::kNotFound) return false;
    return std::unexpected<Error>(size.error());
}

Result<> LocalBlobStore::remove(const BlobRef& blob) {
    TRY_ASSIGN(const Path path, path_of(root_, blob.sha256));
    return fs_.remove(path);
}

Result<> LocalBlobStore::list(const std::function<void(const BlobRef&)>& visit) {
    TRY_ASSIGN(const auto first, fs_.list(root_));
    for (const auto& a : first) {
        if (a.size() != 2 || !is_hex(a)) continue;
        TRY_ASSIGN(const auto second, fs_.list(root_ / a));
        for (const auto& b : second) {
            if (b.size() != 2 || !is_hex(b)) continue;
            TRY_ASSIGN(const auto names, fs_.list(root_ / a / b));
            for (const auto& name : names) {
                const auto path = path_of(root_, name);
                if (!path || *path != root_ / a / b / name) continue;  // not ours
                const auto size = fs_.size(*path);
                if (!size && size.error().code() == Code::kNotFound) continue;  // removed meanwhile
                if (!size) return std::unexpected<Error>(size.error());
                visit({name, *size});
            }
        }
    }
    return {};
}

}  // namespace atrium::data
