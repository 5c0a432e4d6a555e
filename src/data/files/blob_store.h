#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace atrium::data {

/// Immutable bytes, named by their content.
struct BlobRef {
    std::string sha256;  ///< 64 hex digits
    std::uint64_t bytes = 0;
};

/// A blob being written. Nothing is visible before commit(); destroying an uncommitted writer leaves no trace.
/// After a failure only destruction is left. Single-threaded.
class BlobWriter {
public:
    virtual ~BlobWriter() = default;
    virtual Result<> append(std::string_view bytes) = 0;
    /// Durable when it returns (file and directory synced). Storing the same content twice is one blob.
    virtual Result<BlobRef> commit() = 0;
};

/// Where uploaded files live. Local folder by default, S3 later; blob_store_contract_test runs against each.
/// Blocking: call from a pool. Thread-safe. A full disk is kResourceExhausted, damage found by checksum kDataLoss.
class BlobStore {
public:
    virtual ~BlobStore() = default;
    virtual Result<std::unique_ptr<BlobWriter>> create() = 0;
    /// At most `max_bytes` from `offset`, fewer at the end; a whole-blob read is verified against its name.
    /// kNotFound when there is no such blob.
    virtual Result<std::string> read(const BlobRef& blob, std::uint64_t offset, std::uint64_t max_bytes) = 0;
    virtual Result<bool> exists(const BlobRef& blob) = 0;
    virtual Result<> remove(const BlobRef& blob) = 0;  ///< absent is success
    /// Calls `visit` with the hash of every stored blob; for garbage collection and checks.
    virtual Result<> list(const std::function<void(const BlobRef&)>& visit) = 0;
};

}  // namespace atrium::data
