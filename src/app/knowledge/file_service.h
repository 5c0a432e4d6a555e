#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/knowledge/types.h"
#include "base/clock.h"
#include "data/files/blob_store.h"
#include "platform/async/runtime.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// Uploaded files: a row in SQL and a blob. Owned by Knowledge. Thread-safe; blobs are touched on the pool.
///
/// A file is acknowledged after its bytes and its row are durable. Deleting the last file with some content deletes
/// the blob: the row and an `orphan_blobs` entry in one transaction, the blob after it, so that a crash in between is
/// finished by `sweep`. Several gateways may do all of this at once: the `orphan_blobs` row of a content is its lock.
/// An id of another project is kNotFound.
class FileService {
public:
    FileService(sql::Database& database, data::BlobStore& blobs, ThreadPool& pool, const Clock& clock);

    /// Bytes on their way into the blob store. Destroying it before `finish` leaves no trace. One task at a time.
    class Upload {
    public:
        Upload(std::shared_ptr<data::BlobWriter> writer, ThreadPool& pool) : writer_(std::move(writer)), pool_(pool) {}
        Task<Result<>> append(std::string bytes);
        std::uint64_t bytes() const { return bytes_; }

    private:
        friend class FileService;
        std::shared_ptr<data::BlobWriter> writer_;  // shared with the work on the pool
        ThreadPool& pool_;
        std::uint64_t bytes_ = 0;
    };
    Task<Result<std::shared_ptr<Upload>>> begin();

    struct NewFile {
        std::string project;
        std::string filename;  ///< any bytes; sanitised here
        std::string purpose;
        std::optional<std::int64_t> expires_after_seconds;  ///< 3600 … 2592000
    };
    /// kInvalidArgument: nothing was uploaded, or an unknown purpose (field "purpose"). kAborted: it collided with the
    /// removal of the same content; the upload has to be repeated.
    Task<Result<File>> finish(NewFile file, std::shared_ptr<Upload> upload);

    Task<Result<File>> get(std::string project, std::string file_id);
    /// `purpose` empty: all.
    Task<Result<Page<File>>> list(std::string project, std::string purpose, Paging paging);
    /// At most `max_bytes` from `offset`; kDataLoss when the blob is damaged or gone.
    Task<Result<std::string>> read(File file, std::uint64_t offset, std::uint64_t max_bytes);
    /// Removes the file, everywhere it is attached, and its bytes when nobody else has the same.
    Task<Result<>> remove(std::string project, std::string file_id);

    /// Removes expired files and finishes interrupted deletions; the first time also finds blobs that an interrupted
    /// upload left without a file. One task at a time.
    Task<Result<>> sweep();

    static bool is_purpose(std::string_view purpose);
    /// The last path component as well-formed UTF-8 without control characters, at most 255 bytes; "file" when nothing is left.
    static std::string clean_filename(std::string_view name);
    static File from_row(const sql::Row& row);

private:
    Task<Result<>> find_orphans();
    Task<Result<>> remove_orphans();

    sql::Database& database_;
    data::BlobStore& blobs_;
    ThreadPool& pool_;
    const Clock& clock_;
    bool orphans_found_ = false;  ///< only in sweep
};

}  // namespace atrium::app
