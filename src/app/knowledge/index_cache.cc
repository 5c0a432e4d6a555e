#include "app/knowledge/index_cache.h"

#include <algorithm>
#include <set>
#include <utility>

#include "app/knowledge/internal/codec.h"
#include "app/knowledge/internal/rows.h"
#include "observability/log/log.h"

namespace atrium::app {

namespace {

/// Rows read at once: bounds the memory of loading a large file to a few megabytes.
constexpr std::int64_t kRowsPerRead = 1000;
/// Reciprocal rank fusion as published (Cormack et al. 2009).
constexpr double kFusionConstant = 60;

}  // namespace

struct StoreIndex::ChangedFile {
    std::string id;
    std::string generation;  ///< empty: nothing to search
    json::object attributes;
    std::string title;
};

struct StoreIndex::Changes {
    std::int64_t revision = 0;
    std::int64_t dimensions = 0;
    std::vector<ChangedFile> changed;
    /// All searchable files, when the number of them does not add up (something was removed).
    std::optional<std::set<std::string>> present;
};

StoreIndex::StoreIndex(std::string store_id) : store_id_(std::move(store_id)), lexical_(data::make_bm25_index()) {}

std::size_t StoreIndex::size() const {
    std::shared_lock lock(state_mutex_);
    return entries_.size();
}

Result<StoreIndex::Changes> StoreIndex::read_changes(sql::Session& session) const {
    const sql::Params id{{"id", store_id_}};
    TRY_ASSIGN(const auto store, session.query_one("SELECT revision, dimensions FROM vector_stores WHERE id = :id", id));
    if (!store) return fail(rows::no_store(store_id_));
    Changes changes;
    changes.revision = store->integer("revision");
    changes.dimensions = store->integer("dimensions");
    if (changes.revision == revision_) return changes;

    TRY_ASSIGN(const auto changed, session.query(
        "SELECT f.file_id AS file_id, f.generation AS generation, f.attributes AS attributes, f.title AS title, "
        "d.filename AS filename FROM vector_store_files f JOIN files d ON d.id = f.file_id "
        "WHERE f.store_id = :id AND f.revision > :known", {{"id", store_id_}, {"known", revision_}}));
    // What will be searchable afterwards, if nothing was removed meanwhile.
    std::set<std::string> expected;
    for (const auto& file : files_) {
        if (file.live) expected.insert(file.id);
    }
    for (const auto& row : changed) {
        ChangedFile file;
        file.id = row.text("file_id");
        file.generation = row.text("generation");
        file.attributes = codec::decode_object(row.text("attributes"));
        file.title = row.text("title").empty() ? row.text("filename") : row.text("title") + " " + row.text("filename");
        if (!file.generation.empty()) expected.insert(file.id);
        changes.changed.push_back(std::move(file));
    }
    TRY_ASSIGN(const auto count, session.query_one(
        "SELECT COUNT(*) AS files FROM vector_store_files WHERE store_id = :id AND generation <> ''", id));
    if (count && static_cast<std::size_t>(count->integer("files")) == expected.size()) return changes;
    TRY_ASSIGN(const auto all, session.query(
        "SELECT file_id FROM vector_store_files WHERE store_id = :id AND generation <> ''", id));
    changes.present.emplace();
    for (const auto& row : all) changes.present->insert(row.text("file_id"));
    return changes;
}

Result<> StoreIndex::refresh(sql::Database& database) {
    std::scoped_lock refreshing(refresh_mutex_);
    // revision_ and files_ only change under refresh_mutex_, so read_changes may look at them without the state lock.
    TRY_ASSIGN(const auto changes, database.read_now<Changes>([this](sql::Session& session) { return read_changes(session); }));
    if (changes.revision == revision_) return {};
    if (vectors_ == nullptr && changes.dimensions > 0) {
        std::shared_ptr<data::VectorIndex> fresh = data::make_exact_vector_index(static_cast<std::size_t>(changes.dimensions));
        std::unique_lock lock(state_mutex_);
        vectors_ = std::move(fresh);
    }
    if (changes.present) {
        std::vector<std::string> gone;
        for (const auto& file : files_) {
            if (file.live && !changes.present->contains(file.id)) gone.push_back(file.id);
        }
        for (const auto& id : gone) drop_file(id);
    }
    for (const auto& file : changes.changed) TRY(load_file(database, file, changes.dimensions));
    std::unique_lock lock(state_mutex_);
    revision_ = changes.revision;
    return {};
}

Result<> StoreIndex::load_file(sql::Database& database, const ChangedFile& changed, std::int64_t dimensions) {
    const auto known = slots_.find(changed.id);
    if (known != slots_.end()) {
        auto& file = files_[known->second];
        if (file.generation == changed.generation) {
            std::unique_lock lock(state_mutex_);
            file.attributes = changed.attributes;
            return {};
        }
    }
    if (changed.generation.empty()) {
        drop_file(changed.id);
        return {};
    }
    const auto slot = static_cast<std::uint32_t>(files_.size());
    {
        std::unique_lock lock(state_mutex_);
        files_.push_back({changed.id, changed.generation, changed.attributes, {}, false});
    }
    // The indexes take the new passages while searches run: they are filtered out until the file is live.
    if (auto loaded = load_chunks(database, changed, dimensions, slot); !loaded) {
        std::vector<std::uint64_t> keys;
        {
            std::unique_lock lock(state_mutex_);
            keys = std::move(files_[slot].keys);
            for (const auto key : keys) entries_.erase(key);
        }
        lexical_->remove(keys);
        if (vectors_ != nullptr) vectors_->remove(keys);
        return loaded;
    }
    drop_file(changed.id);
    std::unique_lock lock(state_mutex_);
    files_[slot].live = true;
    slots_[changed.id] = slot;
    return {};
}

Result<> StoreIndex::load_chunks(sql::Database& database, const ChangedFile& changed, std::int64_t dimensions,
                                 std::uint32_t slot) {
    using Rows = std::vector<sql::Row>;
    for (std::int64_t from = 0;; from += kRowsPerRead) {
        TRY_ASSIGN(const auto found, database.read_now<Rows>([&](sql::Session& session) -> Result<Rows> {
            return session.query("SELECT id, text, headings, embedding FROM chunks WHERE store_id = :store AND file_id = :file "
                                 "AND generation = :generation AND ordinal >= :first AND ordinal < :last ORDER BY ordinal",
                                 {{"store", store_id_}, {"file", changed.id}, {"generation", changed.generation},
                                  {"first", from}, {"last", from + kRowsPerRead}});
        }));
        if (found.empty()) return {};
        std::vector<std::uint64_t> keys;
        std::vector<std::uint64_t> vector_keys;
        std::vector<float> vectors;
        {
            std::unique_lock lock(state_mutex_);
            for (const auto& row : found) {
                const auto key = next_key_++;
                entries_.emplace(key, Entry{row.text("id"), slot});
                files_[slot].keys.push_back(key);
                keys.push_back(key);
            }
        }
        for (std::size_t i = 0; i < found.size(); ++i) {
            std::string title = changed.title;
            for (const auto& heading : codec::decode_strings(found[i].text("headings"))) title += "\n" + heading;
            lexical_->upsert(keys[i], title, found[i].text("text"));
            const auto encoded = found[i].text("embedding");
            if (encoded.empty() || vectors_ == nullptr) continue;
            const auto vector = codec::decode_vector(encoded, static_cast<std::size_t>(dimensions));
            if (!vector) {  // one damaged vector must not take the whole store away: its passage is still found by words
                log::error("skipping a damaged embedding", {{"chunk", found[i].text("id")}, {"error", vector.error()}});
                continue;
            }
            vector_keys.push_back(keys[i]);
            vectors.insert(vectors.end(), vector->begin(), vector->end());
        }
        if (!vector_keys.empty()) TRY(vectors_->upsert(vector_keys, vectors));
    }
}

void StoreIndex::drop_file(const std::string& file_id) {
    const auto known = slots_.find(file_id);
    if (known == slots_.end()) return;
    std::vector<std::uint64_t> keys;
    {
        std::unique_lock lock(state_mutex_);
        auto& file = files_[known->second];
        keys = std::move(file.keys);
        file = FileEntry{};
        for (const auto key : keys) entries_.erase(key);
        slots_.erase(known);
    }
    lexical_->remove(keys);
    if (vectors_ != nullptr) vectors_->remove(keys);
}

Result<std::vector<Candidate>> StoreIndex::search(std::span<const float> query_vector, const std::string& query,
                                                  const AttributeFilter& filter, std::size_t per_leg) const {
    std::shared_lock lock(state_mutex_);
    std::vector<char> allowed(files_.size());
    for (std::size_t i = 0; i < files_.size(); ++i) {
        allowed[i] = files_[i].live && (filter.accepts_all() || filter.matches(files_[i].attributes)) ? 1 : 0;
    }
    const auto accept = [&](std::uint64_t key) {
        const auto entry = entries_.find(key);
        return entry != entries_.end() && allowed[entry->second.file] != 0;
    };

    std::map<std::uint64_t, Candidate> found;
    if (!query_vector.empty() && vectors_ != nullptr) {
        TRY_ASSIGN(const auto hits, vectors_->search(query_vector, per_leg, accept));
        for (std::size_t i = 0; i < hits.size(); ++i) {
            auto& candidate = found[hits[i].key];
            candidate.dense = LegHit{static_cast<int>(i) + 1, hits[i].score};
            candidate.fused += 1 / (kFusionConstant + static_cast<double>(i) + 1);
        }
    }
    const auto hits = lexical_->search(query, per_leg, accept);
    for (std::size_t i = 0; i < hits.size(); ++i) {
        auto& candidate = found[hits[i].key];
        candidate.lexical = LegHit{static_cast<int>(i) + 1, hits[i].score};
        candidate.fused += 1 / (kFusionConstant + static_cast<double>(i) + 1);
    }

    std::vector<Candidate> candidates;
    candidates.reserve(found.size());
    for (auto& [key, candidate] : found) {
        candidate.chunk_id = entries_.at(key).chunk_id;
        candidates.push_back(std::move(candidate));
    }
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
        return a.fused != b.fused ? a.fused > b.fused : a.chunk_id < b.chunk_id;
    });
    return candidates;
}

IndexCache::IndexCache(sql::Database& database, std::size_t max_stores, std::size_t max_chunks)
    : database_(database), max_stores_(max_stores), max_chunks_(max_chunks) {}

Result<std::shared_ptr<StoreIndex>> IndexCache::acquire(const std::string& store_id) {
    std::shared_ptr<StoreIndex> index;
    bool fresh = false;
    {
        std::scoped_lock lock(mutex_);
        auto& slot = slots_[store_id];
        fresh = slot.index == nullptr;
        if (fresh) {
            slot.index = std::make_shared<StoreIndex>(store_id);
            recent_.push_front(store_id);
        } else {
            recent_.splice(recent_.begin(), recent_, slot.position);
        }
        slot.position = recent_.begin();
        index = slot.index;
    }
    // Before loading what would not fit; a store that outgrows the limit later is noticed after its refresh.
    auto refreshed = fresh ? check_size(store_id) : Result<>{};
    if (refreshed) refreshed = index->refresh(database_);
    if (refreshed && index->size() > max_chunks_) refreshed = fail(too_large(store_id, index->size()));
    if (!refreshed) {
        const Code code = refreshed.error().code();
        if (fresh || code == Code::kNotFound || code == Code::kFailedPrecondition) forget(store_id);
        return fail(std::move(refreshed).error());
    }
    evict(store_id);
    return index;
}

Error IndexCache::too_large(const std::string& store_id, std::uint64_t chunks) const {
    return failed_precondition("vector store '" + store_id + "' has " + std::to_string(chunks) + " passages; searching is limited to " +
                               std::to_string(max_chunks_) + ". Split it into several.")
        .with_reason("vector_store_too_large");
}

Result<> IndexCache::check_size(const std::string& store_id) {
    TRY_ASSIGN(const auto chunks, database_.read_now<std::int64_t>([&](sql::Session& session) -> Result<std::int64_t> {
        TRY_ASSIGN(const auto row, session.query_one("SELECT CAST(COALESCE(SUM(chunks), 0) AS BIGINT) AS chunks FROM vector_store_files "
                                                     "WHERE store_id = :store AND generation <> ''", {{"store", store_id}}));
        return row ? row->integer("chunks") : 0;
    }));
    if (static_cast<std::uint64_t>(chunks) > max_chunks_) return fail(too_large(store_id, static_cast<std::uint64_t>(chunks)));
    return {};
}

void IndexCache::forget(const std::string& store_id) {
    std::scoped_lock lock(mutex_);
    const auto slot = slots_.find(store_id);
    if (slot == slots_.end()) return;
    recent_.erase(slot->second.position);
    slots_.erase(slot);
}

std::size_t IndexCache::size() const {
    std::scoped_lock lock(mutex_);
    return slots_.size();
}

void IndexCache::evict(const std::string& keep) {
    std::scoped_lock lock(mutex_);
    std::size_t chunks = 0;
    for (const auto& [id, slot] : slots_) chunks += slot.index->size();
    while (!recent_.empty() && recent_.back() != keep && (slots_.size() > max_stores_ || chunks > max_chunks_)) {
        const auto slot = slots_.find(recent_.back());
        chunks -= slot->second.index->size();
        slots_.erase(slot);
        recent_.pop_back();
    }
}

}  // namespace atrium::app
