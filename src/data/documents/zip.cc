#include "data/documents/internal/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "data/documents/internal/block_writer.h"

namespace atrium::data::internal {
namespace {

constexpr std::uint64_t kMaxRatio = 200;
constexpr std::uint64_t kRatioMatters = 32ull << 20;

struct ArchiveClose {
    void operator()(archive* handle) const { archive_read_free(handle); }
};
using Archive = std::unique_ptr<archive, ArchiveClose>;

Error bomb(std::string_view what) {
    return out_of_range(fmt::format("the file unpacks to {}; it looks like a decompression bomb and was not read", what))
        .with_reason("invalid_file");
}

class ZipReader {
public:
    ZipReader(std::string_view bytes, const std::vector<std::string_view>& wanted, const ParseLimits& limits)
        : bytes_(bytes), wanted_(wanted), limits_(limits) {}

    Result<std::vector<ZipMember>> read() {
        const Archive handle(archive_read_new());
        archive_read_support_format_zip(handle.get());
        if (archive_read_open_memory(handle.get(), bytes_.data(), bytes_.size()) != ARCHIVE_OK) return fail(damaged());
        while (true) {
            archive_entry* entry = nullptr;
            const int status = archive_read_next_header(handle.get(), &entry);
            if (status == ARCHIVE_EOF) break;
            if (status < ARCHIVE_WARN) return fail(damaged());
            const char* name = archive_entry_pathname(entry);
            if (name == nullptr) continue;
            if (static_cast<int>(members_.size()) >= limits_.archive_members) {
                return fail(bomb(fmt::format("more than {} members, which is the limit", limits_.archive_members)));
            }
            members_.push_back({name, {}});
            if (archive_entry_size_is_set(entry)) TRY(declare(static_cast<std::uint64_t>(archive_entry_size(entry))));
            if (std::find(wanted_.begin(), wanted_.end(), name) == wanted_.end()) continue;
            if (archive_entry_is_encrypted(entry) != 0) {
                return fail(unreadable("the document is protected by a password; remove it and upload the file again"));
            }
            TRY_ASSIGN(members_.back().content, unpack(handle.get()));
        }
        return std::move(members_);
    }

private:
    static Error damaged() { return unreadable("the file is damaged: its ZIP container cannot be read"); }

    Result<> declare(std::uint64_t size) {
        declared_ += size;
        return declared_ > limits_.unpacked_bytes ? Result<>(fail(too_large())) : Result<>();
    }

    Error too_large() const { return bomb(fmt::format("more than {} MiB, which is the limit", limits_.unpacked_bytes >> 20)); }

    Result<std::string> unpack(archive* handle) {
        std::string content;
        std::string buffer(256 * 1024, '\0');
        while (true) {
            const la_ssize_t n = archive_read_data(handle, buffer.data(), buffer.size());
            if (n == 0) return content;
            if (n < 0) return fail(damaged());
            content.append(buffer.data(), static_cast<std::size_t>(n));
            unpacked_ += static_cast<std::uint64_t>(n);
            if (unpacked_ > limits_.unpacked_bytes) return fail(too_large());
            if (unpacked_ > kRatioMatters && unpacked_ / kMaxRatio > bytes_.size()) {
                return fail(bomb(fmt::format("more than {} times its size", kMaxRatio)));
            }
        }
    }

    std::string_view bytes_;
    const std::vector<std::string_view>& wanted_;
    const ParseLimits& limits_;
    std::vector<ZipMember> members_;
    std::uint64_t declared_ = 0;
    std::uint64_t unpacked_ = 0;
};

}  // namespace

Result<std::vector<ZipMember>> read_zip(std::string_view bytes, const std::vector<std::string_view>& wanted,
                                        const ParseLimits& limits) {
    return ZipReader(bytes, wanted, limits).read();
}

}  // namespace atrium::data::internal
