#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/knowledge/types.h"
#include "base/clock.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// Vector stores, the files in them, and their chunks: everything about knowledge bases that is not searching or
/// ingesting. Owned by Knowledge. Thread-safe; only SQL. An id of another project is kNotFound, always.
class VectorStoreService {
public:
    struct Defaults {
        int chunk_tokens = 300;
        int overlap_tokens = 0;
    };
    /// `on_new_work` is called (from SQL or io threads) after files were queued.
    /// `on_removed` is told the id of a store that is gone, so that nobody keeps its index.
    VectorStoreService(sql::Database& database, const Clock& clock, Defaults defaults, std::function<void()> on_new_work,
                       std::function<void(const std::string&)> on_removed = {});

    /// A file to be added. Without chunking the defaults apply.
    struct NewFile {
        std::string file_id;
        json::object attributes;
        std::optional<ChunkingStrategy> chunking;
    };
    struct NewStore {
        std::string project;
        std::string name;
        std::string description;
        json::object metadata;
        std::optional<int> expires_after_days;
        std::vector<NewFile> files;
    };
    Task<Result<VectorStore>> create(NewStore store);
    Task<Result<VectorStore>> get(std::string project, std::string store_id);
    Task<Result<Page<VectorStore>>> list(std::string project, Paging paging);
    struct StoreChanges {
        std::optional<std::string> name;
        std::optional<json::object> metadata;
        std::optional<std::optional<int>> expires_after_days;  ///< inner nothing: never
    };
    Task<Result<VectorStore>> update(std::string project, std::string store_id, StoreChanges changes);
    /// With its chunks; the files themselves stay.
    Task<Result<>> remove(std::string project, std::string store_id);

    /// Adding a file again changes nothing, except that a failed or cancelled one, or one with another chunking, is
    /// ingested anew (the old passages stay searchable until the new ones are ready).
    Task<Result<StoreFile>> add_file(std::string project, std::string store_id, NewFile file);
    Task<Result<StoreFile>> get_file(std::string project, std::string store_id, std::string file_id);
    /// `status` empty: all.
    Task<Result<Page<StoreFile>>> list_files(std::string project, std::string store_id, std::string status, Paging paging);
    Task<Result<StoreFile>> set_attributes(std::string project, std::string store_id, std::string file_id,
                                           json::object attributes);
    Task<Result<>> remove_file(std::string project, std::string store_id, std::string file_id);

    /// All or nothing: an unknown file fails the whole batch.
    Task<Result<FileBatch>> create_batch(std::string project, std::string store_id, std::vector<NewFile> files);
    Task<Result<FileBatch>> get_batch(std::string project, std::string store_id, std::string batch_id);
    /// Cancels the files that are not ready yet.
    Task<Result<FileBatch>> cancel_batch(std::string project, std::string store_id, std::string batch_id);
    Task<Result<Page<StoreFile>>> list_batch_files(std::string project, std::string store_id, std::string batch_id,
                                                   std::string status, Paging paging);

    /// The passages of a file in order. `paging.after` is a chunk id.
    Task<Result<Page<StoredChunk>>> list_chunks(std::string project, std::string store_id, std::string file_id, Paging paging);
    struct ChunkContext {
        StoredChunk chunk;
        std::optional<std::string> before;  ///< text of the neighbours in the same file
        std::optional<std::string> after;
    };
    Task<Result<ChunkContext>> get_chunk(std::string project, std::string store_id, std::string chunk_id);

    /// Notes that the store was used, at most once a minute per store.
    Task<Result<>> touch(VectorStore store);

    static constexpr std::size_t kMaxFilesPerStoreCreate = 500;
    static constexpr std::size_t kMaxFilesPerBatch = 2000;

private:
    sql::Database& database_;
    const Clock& clock_;
    const Defaults defaults_;
    const std::function<void()> on_new_work_;
    const std::function<void(const std::string&)> on_removed_;
};

}  // namespace atrium::app
