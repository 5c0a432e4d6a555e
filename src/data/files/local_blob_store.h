#pragma once

#include <memory>

#include "data/files/blob_store.h"
#include "platform/fs/fs.h"

namespace atrium::data {

/// Blobs in a folder: ROOT/ab/cd/abcd…(64 hex digits), written to ROOT/tmp first, synced, then renamed into place.
/// Storing content again replaces the file, which heals a damaged one. One process per folder: opening the store
/// removes what interrupted uploads left in ROOT/tmp.
class LocalBlobStore final : public BlobStore {
public:
    /// `fs` must outlive the store and its writers. Creates the folder; kPermissionDenied, kResourceExhausted … name it.
    static Result<std::unique_ptr<LocalBlobStore>> open(Fs& fs, Path root);

    Result<std::unique_ptr<BlobWriter>> create() override;
    Result<std::string> read(const BlobRef& blob, std::uint64_t offset, std::uint64_t max_bytes) override;
    Result<bool> exists(const BlobRef& blob) override;
    Result<> remove(const BlobRef& blob) override;
    Result<> list(const std::function<void(const BlobRef&)>& visit) override;

private:
    LocalBlobStore(Fs& fs, Path root) : fs_(fs), root_(std::move(root)) {}

    Fs& fs_;
    Path root_;
};

}  // namespace atrium::data
