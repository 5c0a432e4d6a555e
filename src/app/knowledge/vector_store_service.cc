#include "app/knowledge/vector_store_service.h"

#include <algorithm>
#include <utility>

#include "app/knowledge/internal/codec.h"
#include "app/knowledge/internal/paging.h"
#include "app/knowledge/internal/rows.h"
#include "base/id.h"
#include "base/text.h"

namespace atrium::app {

namespace {

constexpr std::int64_t kTouchMillis = 60'000;
constexpr int kMaxFilesPerStore = 10'000;

bool same_chunking(const ChunkingStrategy& a, const ChunkingStrategy& b) {
    return a.max_tokens == b.max_tokens && a.overlap_tokens == b.overlap_tokens;
}

Error no_batch(const std::string& batch_id) {
    return not_found("No file batch found with id '" + text::shorten(text::to_valid_utf8(batch_id), 80) + "'.")
        .with_field("batch_id")
        .with_reason("file_batch_not_found");
}

/// Forgets the half-built passages of files in progress that match `condition` (on vector_store_files, with :store).
Result<> drop_pending(sql::Session& session, const std::string& condition, const sql::Params& params) {
    TRY(session.execute("DELETE FROM chunks WHERE store_id = :store AND generation IN (SELECT pending FROM vector_store_files "
                        "WHERE store_id = :store AND pending <> '' AND " + condition + ")", params));
    return {};
}

/// Adds or re-queues one file; true when there is something to ingest.
Result<bool> queue_file(sql::Session& session, const std::string& project, const std::string& store_id,
                        const VectorStoreService::NewFile& file, const ChunkingStrategy& chunking, std::int64_t now) {
    if (!is_id(file.file_id, "file-")) {
        return fail(not_found("No such File object: " + text::shorten(text::to_valid_utf8(file.file_id), 80))
                        .with_field("file_id").with_reason("file_not_found"));
    }
    TRY_ASSIGN(const auto known, session.query_one("SELECT id FROM files WHERE id = :file AND project = :project {{for_update}}",
                                                   {{"file", file.file_id}, {"project", project}}));
    if (!known) {
        return fail(not_found("No such File object: " + file.file_id).with_field("file_id").with_reason("file_not_found"));
    }
    const sql::Params key{{"store", store_id}, {"file", file.file_id}};
    TRY_ASSIGN(const auto row, session.query_one(rows::kSelectStoreFile + " WHERE f.store_id = :store AND f.file_id = :file", key));
    const std::string attributes = json::serialize(file.attributes);
    if (!row) {
        TRY(session.execute(
            "INSERT INTO vector_store_files (store_id, file_id, project, created_at, status, stage, progress, attempts, failures, "
            "next_attempt_at, claim, claim_until, generation, pending, revision, title, language, pages, chunks, usage_bytes, "
            "error_code, error_message, attributes, chunking_auto, chunk_tokens, overlap_tokens, warnings) VALUES "
            "(:store, :file, :project, :now, 'in_progress', 'queued', 0, 0, 0, 0, '', 0, '', '', 0, '', '', 0, 0, 0, '', '', "
            ":attributes, :auto, :tokens, :overlap, '[]')",
            {{"store", store_id}, {"file", file.file_id}, {"project", project}, {"now", now}, {"attributes", attributes},
             {"auto", chunking.automatic}, {"tokens", chunking.max_tokens}, {"overlap", chunking.overlap_tokens}}));
        return true;
    }
    const auto existing = rows::store_file_from(*row);
    if (!file.attributes.empty()) {
        TRY_ASSIGN(const auto revision, rows::next_revision(session, store_id));
        TRY(session.execute("UPDATE vector_store_files SET attributes = :attributes, revision = :revision "
                            "WHERE store_id = :store AND file_id = :file",
                            {{"attributes", attributes}, {"revision", revision}, {"store", store_id}, {"file", file.file_id}}));
    }
    const bool alive = existing.status == "completed" || existing.status == "in_progress";
    if (alive && same_chunking(existing.chunking, chunking)) return existing.status == "in_progress";
    TRY(drop_pending(session, "file_id = :file", key));
    TRY(session.execute(
        "UPDATE vector_store_files SET status = 'in_progress', stage = 'queued', progress = 0, attempts = 0, failures = 0, "
        "next_attempt_at = 0, claim = '', claim_until = 0, pending = '', error_code = '', error_message = '', "
        "chunking_auto = :auto, chunk_tokens = :tokens, overlap_tokens = :overlap, warnings = '[]' "
        "WHERE store_id = :store AND file_id = :file",
        {{"auto", chunking.automatic}, {"tokens", chunking.max_tokens}, {"overlap", chunking.overlap_tokens},
         {"store", store_id}, {"file", file.file_id}}));
    return true;
}

Result<> check_room(sql::Session& session, const std::string& store_id) {
    TRY_ASSIGN(const auto row, session.query_one("SELECT COUNT(*) AS files FROM vector_store_files WHERE store_id = :store",
                                                 {{"store", store_id}}));
    if (row && row->integer("files") > kMaxFilesPerStore) {
        return fail(failed_precondition("a vector store holds at most 10000 files; create another one")
                        .with_reason("vector_store_full"));
    }
    return {};
}

/// Neither removed nor expired, and not removed before this transaction ends.
Result<> require_usable(sql::Session& session, const std::string& project, const std::string& store_id, std::int64_t now) {
    TRY(rows::lock_store(session, project, store_id));
    TRY_ASSIGN(const auto store, rows::load_store(session, project, store_id, now));
    if (store.expired) {
        return fail(failed_precondition("vector store '" + store_id + "' has expired").with_reason("vector_store_expired"));
    }
    return {};
}

Result<FileBatch> load_batch(sql::Session& session, const std::string& store_id, const std::string& batch_id) {
    TRY_ASSIGN(const auto row, session.query_one(
        "SELECT created_at, cancelled FROM vector_store_batches WHERE id = :id AND store_id = :store",
        {{"id", batch_id}, {"store", store_id}}));
    if (!row) return fail(no_batch(batch_id));
    FileBatch batch;
    batch.id = batch_id;
    batch.store_id = store_id;
    batch.created_at = row->integer("created_at") / 1000;
    batch.cancelled = row->integer("cancelled") != 0;
    TRY_ASSIGN(const auto counts, session.query(
        "SELECT f.status AS status, COUNT(*) AS files FROM vector_store_batch_files b JOIN vector_store_files f "
        "ON f.file_id = b.file_id AND f.store_id = :store WHERE b.batch_id = :id GROUP BY f.status",
        {{"id", batch_id}, {"store", store_id}}));
    for (const auto& count : counts) {
        const auto status = count.text("status");
        const auto files = count.integer("files");
        if (status == "in_progress") batch.file_counts.in_progress = files;
        if (status == "completed") batch.file_counts.completed = files;
        if (status == "failed") batch.file_counts.failed = files;
        if (status == "cancelled") batch.file_counts.cancelled = files;
    }
    return batch;
}

Result<Page<StoreFile>> file_page(sql::Session& session, const std::string& store_id, const std::string& extra_condition,
                                  sql::Params params, const std::string& status, const Paging& paging) {
    PageQuery page(paging, "f.created_at", "f.file_id");
    TRY(page.locate(session, "SELECT created_at AS position FROM vector_store_files WHERE file_id = :cursor AND store_id = :store",
                    {{"store", store_id}}));
    std::string statement = rows::kSelectStoreFile + " WHERE f.store_id = :store" + extra_condition;
    params.emplace_back("store", store_id);
    if (!status.empty()) {
        statement += " AND f.status = :status";
        params.emplace_back("status", status);
    }
    TRY_ASSIGN(const auto found, session.query(statement + page.condition() + page.order(), page.with(std::move(params))));
    std::vector<StoreFile> files;
    files.reserve(found.size());
    for (const auto& row : found) files.push_back(rows::store_file_from(row));
    return page.take(std::move(files));
}

}  // namespace

VectorStoreService::VectorStoreService(sql::Database& database, const Clock& clock, Defaults defaults,
                                       std::function<void()> on_new_work, std::function<void(const std::string&)> on_removed)
    : database_(database),
      clock_(clock),
      defaults_(defaults),
      on_new_work_(std::move(on_new_work)),
      on_removed_(std::move(on_removed)) {}

Task<Result<VectorStore>> VectorStoreService::create(NewStore wanted) {
    const std::int64_t now = unix_millis(clock_.system());
    const std::string id = new_id("vs_");
    const ChunkingStrategy standard{true, defaults_.chunk_tokens, defaults_.overlap_tokens};
    const bool has_files = !wanted.files.empty();
    auto store = co_await database_.write<VectorStore>(
        [=, wanted = std::move(wanted)](sql::Session& session) -> Result<VectorStore> {
            TRY(session.execute(
                "INSERT INTO vector_stores (id, project, name, description, metadata, created_at, last_active_at, expires_days, "
                "embedding_model, dimensions, revision) VALUES (:id, :project, :name, :description, :metadata, :now, :now, "
                ":days, '', 0, 0)",
                {{"id", id}, {"project", wanted.project}, {"name", wanted.name}, {"description", wanted.description},
                 {"metadata", json::serialize(wanted.metadata)}, {"now", now}, {"days", wanted.expires_after_days}}));
            for (const auto& file : wanted.files) {
                TRY(queue_file(session, wanted.project, id, file, file.chunking.value_or(standard), now));
            }
            return rows::load_store(session, wanted.project, id, now);
        });
    if (store && has_files) on_new_work_();
    co_return store;
}

Task<Result<VectorStore>> VectorStoreService::get(std::string project, std::string store_id) {
    const std::int64_t now = unix_millis(clock_.system());
    if (!is_id(store_id, "vs_")) co_return fail(rows::no_store(store_id));
    co_return co_await database_.read<VectorStore>(
        [=](sql::Session& session) { return rows::load_store(session, project, store_id, now); });
}

Task<Result<Page<VectorStore>>> VectorStoreService::list(std::string project, Paging paging) {
    const std::int64_t now = unix_millis(clock_.system());
    co_return co_await database_.read<Page<VectorStore>>([=](sql::Session& session) -> Result<Page<VectorStore>> {
        const sql::Params params{{"project", project}};
        PageQuery page(paging, "created_at", "id");
        TRY(page.locate(session, "SELECT created_at AS position FROM vector_stores WHERE id = :cursor AND project = :project",
                        params));
        TRY_ASSIGN(const auto found, session.query("SELECT id FROM vector_stores WHERE project = :project" + page.condition() +
                                                       page.order(), page.with(params)));
        std::vector<VectorStore> stores;
        for (const auto& row : found) {
            TRY_ASSIGN(auto store, rows::load_store(session, project, row.text("id"), now));
            stores.push_back(std::move(store));
        }
        return page.take(std::move(stores));
    });
}

Task<Result<VectorStore>> VectorStoreService::update(std::string project, std::string store_id, StoreChanges changes) {
    const std::int64_t now = unix_millis(clock_.system());
    co_return co_await database_.write<VectorStore>([=](sql::Session& session) -> Result<VectorStore> {
        TRY(rows::require_store(session, project, store_id));
        if (changes.name) {
            TRY(session.execute("UPDATE vector_stores SET name = :name WHERE id = :id", {{"name", *changes.name}, {"id", store_id}}));
        }
        if (changes.metadata) {
            TRY(session.execute("UPDATE vector_stores SET metadata = :metadata WHERE id = :id",
                                {{"metadata", json::serialize(*changes.metadata)}, {"id", store_id}}));
        }
        if (changes.expires_after_days) {
            TRY(session.execute("UPDATE vector_stores SET expires_days = :days, last_active_at = :now WHERE id = :id",
                                {{"days", *changes.expires_after_days}, {"now", now}, {"id", store_id}}));
        }
        return rows::load_store(session, project, store_id, now);
    });
}

Task<Result<>> VectorStoreService::remove(std::string project, std::string store_id) {
    CO_TRY(co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        TRY(rows::lock_store(session, project, store_id));
        const sql::Params id{{"id", store_id}};
        // Before the passages: a worker that is storing some holds its row here until they are there to be deleted.
        TRY(session.execute("DELETE FROM vector_store_files WHERE store_id = :id", id));
        TRY(session.execute("DELETE FROM chunks WHERE store_id = :id", id));
        TRY(session.execute("DELETE FROM vector_store_batch_files WHERE batch_id IN "
                            "(SELECT id FROM vector_store_batches WHERE store_id = :id)", id));
        TRY(session.execute("DELETE FROM vector_store_batches WHERE store_id = :id", id));
        TRY(session.execute("DELETE FROM vector_stores WHERE id = :id", id));
        return {};
    }));
    if (on_removed_) on_removed_(store_id);
    co_return Result<>{};
}

Task<Result<StoreFile>> VectorStoreService::add_file(std::string project, std::string store_id, NewFile file) {
    const std::int64_t now = unix_millis(clock_.system());
    const ChunkingStrategy standard{true, defaults_.chunk_tokens, defaults_.overlap_tokens};
    auto added = co_await database_.write<StoreFile>([=](sql::Session& session) -> Result<StoreFile> {
        TRY(require_usable(session, project, store_id, now));
        TRY(queue_file(session, project, store_id, file, file.chunking.value_or(standard), now));
        TRY(check_room(session, store_id));
        return rows::load_store_file(session, store_id, file.file_id);
    });
    if (added) on_new_work_();
    co_return added;
}

Task<Result<StoreFile>> VectorStoreService::get_file(std::string project, std::string store_id, std::string file_id) {
    co_return co_await database_.read<StoreFile>([=](sql::Session& session) -> Result<StoreFile> {
        TRY(rows::require_store(session, project, store_id));
        return rows::load_store_file(session, store_id, file_id);
    });
}

Task<Result<Page<StoreFile>>> VectorStoreService::list_files(std::string project, std::string store_id, std::string status,
                                                             Paging paging) {
    co_return co_await database_.read<Page<StoreFile>>([=](sql::Session& session) -> Result<Page<StoreFile>> {
        TRY(rows::require_store(session, project, store_id));
        return file_page(session, store_id, "", {}, status, paging);
    });
}

Task<Result<StoreFile>> VectorStoreService::set_attributes(std::string project, std::string store_id, std::string file_id,
                                                           json::object attributes) {
    co_return co_await database_.write<StoreFile>([=](sql::Session& session) -> Result<StoreFile> {
        TRY(rows::require_store(session, project, store_id));
        TRY_ASSIGN(const auto revision, rows::next_revision(session, store_id));
        TRY(session.execute("UPDATE vector_store_files SET attributes = :attributes, revision = :revision "
                            "WHERE store_id = :store AND file_id = :file",
                            {{"attributes", json::serialize(attributes)}, {"revision", revision}, {"store", store_id},
                             {"file", file_id}}));
        return rows::load_store_file(session, store_id, file_id);
    });
}

Task<Result<>> VectorStoreService::remove_file(std::string project, std::string store_id, std::string file_id) {
    co_return co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        TRY(rows::lock_store(session, project, store_id));
        TRY(rows::load_store_file(session, store_id, file_id));
        TRY(rows::next_revision(session, store_id));
        const sql::Params key{{"store", store_id}, {"file", file_id}};
        TRY(session.execute("DELETE FROM vector_store_files WHERE store_id = :store AND file_id = :file", key));
        TRY(session.execute("DELETE FROM chunks WHERE store_id = :store AND file_id = :file", key));
        TRY(session.execute("DELETE FROM vector_store_batch_files WHERE file_id = :file AND batch_id IN "
                            "(SELECT id FROM vector_store_batches WHERE store_id = :store)", key));
        return {};
    });
}

Task<Result<FileBatch>> VectorStoreService::create_batch(std::string project, std::string store_id, std::vector<NewFile> files) {
    const std::int64_t now = unix_millis(clock_.system());
    const std::string id = new_id("vsfb_");
    const ChunkingStrategy standard{true, defaults_.chunk_tokens, defaults_.overlap_tokens};
    auto batch = co_await database_.write<FileBatch>([=, files = std::move(files)](sql::Session& session) -> Result<FileBatch> {
        TRY(require_usable(session, project, store_id, now));
        TRY(session.execute("INSERT INTO vector_store_batches (id, store_id, created_at, cancelled) VALUES (:id, :store, :now, 0)",
                            {{"id", id}, {"store", store_id}, {"now", now}}));
        for (const auto& file : files) {
            TRY(queue_file(session, project, store_id, file, file.chunking.value_or(standard), now));
            const sql::Params member{{"batch", id}, {"file", file.file_id}};
            TRY(session.execute("DELETE FROM vector_store_batch_files WHERE batch_id = :batch AND file_id = :file", member));
            TRY(session.execute("INSERT INTO vector_store_batch_files (batch_id, file_id) VALUES (:batch, :file)", member));
        }
        TRY(check_room(session, store_id));
        return load_batch(session, store_id, id);
    });
    if (batch) on_new_work_();
    co_return batch;
}

Task<Result<FileBatch>> VectorStoreService::get_batch(std::string project, std::string store_id, std::string batch_id) {
    co_return co_await database_.read<FileBatch>([=](sql::Session& session) -> Result<FileBatch> {
        TRY(rows::require_store(session, project, store_id));
        return load_batch(session, store_id, batch_id);
    });
}

Task<Result<FileBatch>> VectorStoreService::cancel_batch(std::string project, std::string store_id, std::string batch_id) {
    co_return co_await database_.write<FileBatch>([=](sql::Session& session) -> Result<FileBatch> {
        TRY(rows::require_store(session, project, store_id));
        TRY_ASSIGN(const auto batch, load_batch(session, store_id, batch_id));
        if (batch.file_counts.in_progress > 0) {
            const sql::Params key{{"store", store_id}, {"id", batch_id}};
            const std::string members =
                "status = 'in_progress' AND file_id IN (SELECT file_id FROM vector_store_batch_files WHERE batch_id = :id)";
            TRY(drop_pending(session, members, key));
            // Taking the claim away fences the worker: its next write finds no row of its own and it gives up.
            TRY(session.execute(
                "UPDATE vector_store_files SET status = 'cancelled', claim = '', claim_until = 0, pending = '' "
                "WHERE store_id = :store AND " + members, key));
            TRY(session.execute("UPDATE vector_store_batches SET cancelled = 1 WHERE id = :id", {{"id", batch_id}}));
        }
        return load_batch(session, store_id, batch_id);
    });
}

Task<Result<Page<StoreFile>>> VectorStoreService::list_batch_files(std::string project, std::string store_id,
                                                                   std::string batch_id, std::string status, Paging paging) {
    co_return co_await database_.read<Page<StoreFile>>([=](sql::Session& session) -> Result<Page<StoreFile>> {
        TRY(rows::require_store(session, project, store_id));
        TRY(load_batch(session, store_id, batch_id));
        return file_page(session, store_id,
                         " AND f.file_id IN (SELECT file_id FROM vector_store_batch_files WHERE batch_id = :batch)",
                         {{"batch", batch_id}}, status, paging);
    });
}

Task<Result<Page<StoredChunk>>> VectorStoreService::list_chunks(std::string project, std::string store_id, std::string file_id,
                                                                Paging paging) {
    co_return co_await database_.read<Page<StoredChunk>>([=](sql::Session& session) -> Result<Page<StoredChunk>> {
        TRY(rows::require_store(session, project, store_id));
        TRY(rows::load_store_file(session, store_id, file_id));
        const sql::Params key{{"store", store_id}, {"file", file_id}};
        PageQuery page(paging, "c.ordinal", "c.id");
        TRY(page.locate(session, "SELECT ordinal AS position FROM chunks WHERE id = :cursor AND store_id = :store AND file_id = :file",
                        key));
        TRY_ASSIGN(const auto found, session.query(
            rows::kSelectChunk + " JOIN vector_store_files f ON f.store_id = c.store_id AND f.file_id = c.file_id AND "
                "f.generation = c.generation WHERE c.store_id = :store AND c.file_id = :file" + page.condition() + page.order(),
            page.with(key)));
        std::vector<StoredChunk> chunks;
        chunks.reserve(found.size());
        for (const auto& row : found) chunks.push_back(rows::chunk_from(row));
        return page.take(std::move(chunks));
    });
}

Task<Result<VectorStoreService::ChunkContext>> VectorStoreService::get_chunk(std::string project, std::string store_id,
                                                                             std::string chunk_id) {
    co_return co_await database_.read<ChunkContext>([=](sql::Session& session) -> Result<ChunkContext> {
        TRY(rows::require_store(session, project, store_id));
        TRY_ASSIGN(const auto row, session.query_one(rows::kSelectChunk + " WHERE c.id = :id AND c.store_id = :store",
                                                     {{"id", chunk_id}, {"store", store_id}}));
        if (!row) {
            return fail(not_found("No chunk found with id '" + text::shorten(text::to_valid_utf8(chunk_id), 80) +
                                  "'; its file was removed or ingested again.").with_field("chunk_id").with_reason("chunk_not_found"));
        }
        ChunkContext context{rows::chunk_from(*row), {}, {}};
        TRY_ASSIGN(const auto neighbours, session.query(
            "SELECT n.ordinal AS ordinal, n.text AS text FROM chunks n JOIN chunks c ON n.store_id = c.store_id AND "
            "n.file_id = c.file_id AND n.generation = c.generation WHERE c.id = :id AND n.ordinal >= c.ordinal - 1 "
            "AND n.ordinal <= c.ordinal + 1", {{"id", chunk_id}}));
        for (const auto& neighbour : neighbours) {
            const auto ordinal = neighbour.integer("ordinal");
            if (ordinal < context.chunk.ordinal) context.before = neighbour.text("text");
            if (ordinal > context.chunk.ordinal) context.after = neighbour.text("text");
        }
        return context;
    });
}

Task<Result<>> VectorStoreService::touch(VectorStore store) {
    const std::int64_t now = unix_millis(clock_.system());
    if (now - store.last_active_at * 1000 < kTouchMillis) co_return Result<>{};
    co_return co_await database_.write<void>([id = store.id, now](sql::Session& session) -> Result<> {
        TRY(session.execute("UPDATE vector_stores SET last_active_at = :now WHERE id = :id AND last_active_at < :now",
                            {{"now", now}, {"id", id}}));
        return {};
    });
}

}  // namespace atrium::app
