#include "app/knowledge/internal/rows.h"

#include "app/knowledge/internal/codec.h"
#include "base/text.h"

namespace atrium::app::rows {

namespace {

constexpr std::int64_t kDayMillis = 24ll * 3600 * 1000;

std::string shown(const std::string& id) { return text::shorten(text::to_valid_utf8(id), 80); }

}  // namespace

Error no_store(const std::string& store_id) {
    return not_found("No vector store found with id '" + shown(store_id) + "'.")
        .with_field("vector_store_id")
        .with_reason("vector_store_not_found");
}

Error no_store_file(const std::string& store_id, const std::string& file_id) {
    return not_found("No file found with id '" + shown(file_id) + "' in vector store '" + shown(store_id) + "'.")
        .with_field("file_id")
        .with_reason("file_not_found");
}

Result<> require_store(sql::Session& session, const std::string& project, const std::string& store_id) {
    TRY_ASSIGN(const auto row, session.query_one("SELECT id FROM vector_stores WHERE id = :id AND project = :project",
                                                 {{"id", store_id}, {"project", project}}));
    if (!row) return fail(no_store(store_id));
    return {};
}

Result<> lock_store(sql::Session& session, const std::string& project, const std::string& store_id) {
    TRY_ASSIGN(const auto row,
               session.query_one("SELECT id FROM vector_stores WHERE id = :id AND project = :project {{for_update}}",
                                 {{"id", store_id}, {"project", project}}));
    if (!row) return fail(no_store(store_id));
    return {};
}

Result<VectorStore> load_store(sql::Session& session, const std::string& project, const std::string& store_id,
                               std::int64_t now) {
    TRY_ASSIGN(const auto row, session.query_one(
        "SELECT id, project, name, description, metadata, created_at, last_active_at, expires_days, embedding_model, "
        "dimensions FROM vector_stores WHERE id = :id AND project = :project",
        {{"id", store_id}, {"project", project}}));
    if (!row) return fail(no_store(store_id));
    VectorStore store;
    store.id = row->text("id");
    store.project = row->text("project");
    store.name = row->text("name");
    store.description = row->text("description");
    store.metadata = codec::decode_object(row->text("metadata"));
    store.created_at = row->integer("created_at") / 1000;
    const std::int64_t last_active = row->integer("last_active_at");
    store.last_active_at = last_active / 1000;
    if (const auto days = row->optional_integer("expires_days")) {
        store.expires_after_days = static_cast<int>(*days);
        const std::int64_t expires = last_active + *days * kDayMillis;
        store.expires_at = expires / 1000;
        store.expired = expires <= now;
    }
    store.embedding_model = row->text("embedding_model");
    store.dimensions = row->integer("dimensions");

    TRY_ASSIGN(const auto counts, session.query(
        "SELECT status, COUNT(*) AS files, CAST(COALESCE(SUM(usage_bytes), 0) AS BIGINT) AS used "
        "FROM vector_store_files WHERE store_id = :id GROUP BY status", {{"id", store_id}}));
    for (const auto& count : counts) {
        const auto status = count.text("status");
        const auto files = count.integer("files");
        store.usage_bytes += count.integer("used");
        if (status == "in_progress") store.file_counts.in_progress = files;
        if (status == "completed") store.file_counts.completed = files;
        if (status == "failed") store.file_counts.failed = files;
        if (status == "cancelled") store.file_counts.cancelled = files;
    }
    return store;
}

const std::string kSelectStoreFile =
    "SELECT f.file_id AS file_id, f.store_id AS store_id, d.filename AS filename, d.bytes AS bytes, "
    "f.created_at AS created_at, f.status AS status, f.stage AS stage, f.progress AS progress, f.pages AS pages, "
    "f.chunks AS chunks, f.language AS language, f.usage_bytes AS usage_bytes, f.error_code AS error_code, "
    "f.error_message AS error_message, f.attributes AS attributes, f.chunking_auto AS chunking_auto, "
    "f.chunk_tokens AS chunk_tokens, f.overlap_tokens AS overlap_tokens, f.warnings AS warnings "
    "FROM vector_store_files f JOIN files d ON d.id = f.file_id";

StoreFile store_file_from(const sql::Row& row) {
    StoreFile file;
    file.file_id = row.text("file_id");
    file.store_id = row.text("store_id");
    file.filename = row.text("filename");
    file.bytes = row.integer("bytes");
    file.created_at = row.integer("created_at") / 1000;
    file.status = row.text("status");
    file.stage = row.text("stage");
    file.progress = row.number("progress");
    file.pages = row.integer("pages");
    file.chunks = row.integer("chunks");
    file.language = row.text("language");
    file.usage_bytes = row.integer("usage_bytes");
    file.error_code = row.text("error_code");
    file.error_message = row.text("error_message");
    file.attributes = codec::decode_object(row.text("attributes"));
    file.chunking = {row.integer("chunking_auto") != 0, static_cast<int>(row.integer("chunk_tokens")),
                     static_cast<int>(row.integer("overlap_tokens"))};
    file.warnings = codec::decode_strings(row.text("warnings"));
    return file;
}

Result<StoreFile> load_store_file(sql::Session& session, const std::string& store_id, const std::string& file_id) {
    TRY_ASSIGN(const auto row, session.query_one(kSelectStoreFile + " WHERE f.store_id = :store AND f.file_id = :file",
                                                 {{"store", store_id}, {"file", file_id}}));
    if (!row) return fail(no_store_file(store_id, file_id));
    return store_file_from(*row);
}

const std::string kSelectChunk =
    "SELECT c.id AS id, c.file_id AS file_id, d.filename AS filename, c.ordinal AS ordinal, c.text AS text, "
    "c.headings AS headings, c.page AS page, c.tokens AS tokens FROM chunks c JOIN files d ON d.id = c.file_id";

StoredChunk chunk_from(const sql::Row& row) {
    StoredChunk chunk;
    chunk.id = row.text("id");
    chunk.file_id = row.text("file_id");
    chunk.filename = row.text("filename");
    chunk.ordinal = row.integer("ordinal");
    chunk.text = row.text("text");
    chunk.headings = codec::decode_strings(row.text("headings"));
    chunk.page = row.integer("page");
    chunk.tokens = row.integer("tokens");
    return chunk;
}

Result<std::int64_t> next_revision(sql::Session& session, const std::string& store_id) {
    TRY(session.execute("UPDATE vector_stores SET revision = revision + 1 WHERE id = :id", {{"id", store_id}}));
    TRY_ASSIGN(const auto row, session.query_one("SELECT revision FROM vector_stores WHERE id = :id", {{"id", store_id}}));
    if (!row) return fail(no_store(store_id));
    return row->integer("revision");
}

}  // namespace atrium::app::rows
