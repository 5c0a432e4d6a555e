#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/knowledge/filters.h"
#include "data/lexical/lexical_index.h"
#include "data/vector/vector_index.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// Where a passage stands in one leg of the search.
struct LegHit {
    int rank = 0;  ///< from 1
    float score = 0;
};

/// A passage found by one leg or both, without its text.
struct Candidate {
    std::string chunk_id;
    std::optional<LegHit> dense;    ///< cosine
    std::optional<LegHit> lexical;  ///< BM25
    double fused = 0;               ///< reciprocal rank fusion
};

/// The searchable passages of one vector store, in memory: vectors and postings derived from SQL.
///
/// Consistency: every change that searching can see raises vector_stores.revision in its own transaction and stamps
/// the rows it touched. `refresh` compares revisions and loads only what changed, so an index follows changes made by
/// this process or by any other. Thread-safe: many searches, one refresh at a time; a search sees each file either
/// completely or not at all. Blocking and CPU-bound: call on a pool.
class StoreIndex {
public:
    explicit StoreIndex(std::string store_id);

    /// Brings the index up to what is committed. kNotFound when the store is gone.
    Result<> refresh(sql::Database& database);

    /// Best `per_leg` passages of each leg, fused. An empty vector searches words only.
    Result<std::vector<Candidate>> search(std::span<const float> query_vector, const std::string& query,
                                          const AttributeFilter& filter, std::size_t per_leg) const;

    /// Share of the query's information that occurs in `text`, by this store's term statistics.
    double coverage(std::string_view query, std::string_view text) const { return lexical_->coverage(query, text); }
    std::size_t size() const;

private:
    struct FileEntry {
        std::string id;
        std::string generation;
        json::object attributes;
        std::vector<std::uint64_t> keys;
        bool live = false;
    };
    struct Entry {
        std::string chunk_id;
        std::uint32_t file = 0;  ///< slot in files_
    };
    struct ChangedFile;
    struct Changes;

    Result<Changes> read_changes(sql::Session& session) const;
    Result<> load_file(sql::Database& database, const ChangedFile& changed, std::int64_t dimensions);
    Result<> load_chunks(sql::Database& database, const ChangedFile& changed, std::int64_t dimensions, std::uint32_t slot);
    void drop_file(const std::string& file_id);

    const std::string store_id_;
    std::mutex refresh_mutex_;  ///< one refresh at a time; taken before state_mutex_
    mutable std::shared_mutex state_mutex_;
    std::int64_t revision_ = -1;
    std::uint64_t next_key_ = 0;
    std::unordered_map<std::uint64_t, Entry> entries_;
    std::vector<FileEntry> files_;  ///< slots are not reused: a search in progress may hold one
    std::map<std::string, std::uint32_t> slots_;
    std::shared_ptr<data::VectorIndex> vectors_;  ///< null until the store knows its dimension
    std::unique_ptr<data::LexicalIndex> lexical_;
};

/// The indexes in use. Keeps at most `max_stores` and roughly `max_chunks` passages by forgetting the store unused
/// longest; an index in use lives on until its last search ends. Thread-safe.
class IndexCache {
public:
    IndexCache(sql::Database& database, std::size_t max_stores = 256, std::size_t max_chunks = 1'000'000);

    /// The store's index, up to date. kFailedPrecondition (reason vector_store_too_large) when it alone has more than
    /// `max_chunks` passages. Blocking: call on a pool.
    Result<std::shared_ptr<StoreIndex>> acquire(const std::string& store_id);
    void forget(const std::string& store_id);
    std::size_t size() const;

private:
    void evict(const std::string& keep);
    Result<> check_size(const std::string& store_id);
    Error too_large(const std::string& store_id, std::uint64_t chunks) const;

    sql::Database& database_;
    const std::size_t max_stores_;
    const std::size_t max_chunks_;
    mutable std::mutex mutex_;
    struct Slot {
        std::shared_ptr<StoreIndex> index;
        std::list<std::string>::iterator position;
    };
    std::list<std::string> recent_;  ///< most recently used first
    std::map<std::string, Slot> slots_;
};

}  // namespace atrium::app
