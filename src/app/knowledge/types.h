#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

/// The objects of the knowledge room as callers see them. A knowledge base is a vector store, a document is a file in
/// it: one concept, one table, one id. Times are unix seconds.
namespace atrium::app {

/// Which part of a list is wanted: newest first unless `ascending`. Cursors are ids of the same list.
struct Paging {
    int limit = 20;
    bool ascending = false;
    std::string after;
    std::string before;
};

template <class T>
struct Page {
    std::vector<T> items;
    bool has_more = false;
};

/// An uploaded file.
struct File {
    std::string id;  ///< "file-…"
    std::string filename;
    std::string purpose;
    std::string sha256;  ///< of its bytes; where the blob store keeps them
    std::int64_t bytes = 0;
    std::int64_t created_at = 0;
    std::optional<std::int64_t> expires_at;
};

/// How a file is cut into passages. `automatic` was asked for as {"type":"auto"}; the sizes are what is used.
struct ChunkingStrategy {
    bool automatic = true;
    int max_tokens = 0;
    int overlap_tokens = 0;
};

struct FileCounts {
    std::int64_t in_progress = 0;
    std::int64_t completed = 0;
    std::int64_t failed = 0;
    std::int64_t cancelled = 0;
    std::int64_t total() const { return in_progress + completed + failed + cancelled; }
};

/// A knowledge base.
struct VectorStore {
    std::string id;  ///< "vs_…"
    std::string project;
    std::string name;
    std::string description;
    json::object metadata;
    std::int64_t created_at = 0;
    std::int64_t last_active_at = 0;
    std::optional<int> expires_after_days;  ///< counted from last_active_at
    std::optional<std::int64_t> expires_at;
    std::string embedding_model;  ///< pinned by the first file that is embedded; empty before
    std::int64_t dimensions = 0;
    std::int64_t usage_bytes = 0;
    FileCounts file_counts;
    bool expired = false;
    /// "expired", "in_progress" while files are being ingested, else "completed".
    std::string_view status() const {
        return expired ? "expired" : file_counts.in_progress > 0 ? "in_progress" : "completed";
    }
};

/// A file inside a vector store.
///
/// `status` is OpenAI's: in_progress, completed, failed, cancelled. `stage` is where the pipeline stands:
/// queued → parsing → chunking → embedding → indexed | failed.
struct StoreFile {
    std::string file_id;
    std::string store_id;
    std::string filename;
    std::int64_t bytes = 0;
    std::int64_t created_at = 0;
    std::string status;
    std::string stage;
    double progress = 0;  ///< 0 … 1
    std::int64_t pages = 0;
    std::int64_t chunks = 0;
    std::string language;
    std::int64_t usage_bytes = 0;
    std::string error_code;  ///< server_error, unsupported_file, invalid_file; empty when none
    std::string error_message;
    json::object attributes;
    ChunkingStrategy chunking;
    std::vector<std::string> warnings;
};

/// A group of files added together.
struct FileBatch {
    std::string id;  ///< "vsfb_…"
    std::string store_id;
    std::int64_t created_at = 0;
    bool cancelled = false;
    FileCounts file_counts;
    std::string_view status() const {
        if (cancelled) return "cancelled";
        if (file_counts.in_progress > 0) return "in_progress";
        return file_counts.total() > 0 && file_counts.failed == file_counts.total() ? "failed" : "completed";
    }
};

/// A passage of a file.
struct StoredChunk {
    std::string id;  ///< "chunk_…"
    std::string file_id;
    std::string filename;
    std::int64_t ordinal = 0;
    std::string text;
    std::vector<std::string> headings;
    std::int64_t page = 0;  ///< 0: unknown
    std::int64_t tokens = 0;
};

}  // namespace atrium::app
