#include "app/knowledge/file_service.h"

#include <algorithm>
#include <array>
#include <utility>

#include "app/knowledge/internal/paging.h"
#include "base/id.h"
#include "base/text.h"
#include "observability/log/log.h"

namespace atrium::app {

namespace {

constexpr std::array<std::string_view, 6> kPurposes{"assistants", "batch", "fine-tune", "vision", "user_data", "evals"};
constexpr std::size_t kMaxFilename = 255;
/// As OpenAI does for batch input.
constexpr std::int64_t kBatchFileSeconds = 30 * 24 * 3600;

constexpr std::string_view kColumns = "id, purpose, filename, bytes, sha256, created_at, expires_at";

Error no_file(const std::string& id) {
    return not_found("No such File object: " + text::shorten(text::to_valid_utf8(id), 80))
        .with_field("id")
        .with_reason("file_not_found");
}

/// One transaction at a time decides about a content: whoever adds its file, removes its last one or removes the blob
/// writes this row first and waits here for the others. The row stays when the blob has no file.
Result<> lock_content(sql::Session& session, const std::string& sha256, std::int64_t bytes) {
    TRY(session.execute("INSERT INTO orphan_blobs (sha256, bytes) VALUES (:sha, :bytes) "
                        "ON CONFLICT (sha256) DO UPDATE SET bytes = excluded.bytes", {{"sha", sha256}, {"bytes", bytes}}));
    return {};
}

/// The end of a transaction that locked the content and leaves files of it.
Result<> keep_content(sql::Session& session, const std::string& sha256) {
    TRY(session.execute("DELETE FROM orphan_blobs WHERE sha256 = :sha", {{"sha", sha256}}));
    return {};
}

/// Removes the file's rows everywhere and remembers the blob when this was its last file.
Result<> remove_rows(sql::Session& session, const File& file) {
    const sql::Params id{{"file", file.id}};
    TRY(lock_content(session, file.sha256, file.bytes));
    // First: who adds the file to a vector store holds this row, so afterwards all its memberships are visible.
    TRY(session.execute("DELETE FROM files WHERE id = :file", id));
    // A worker that is storing passages holds its row; they are complete, and removed, when it lets go.
    TRY(session.query("SELECT store_id FROM vector_store_files WHERE file_id = :file {{for_update}}", id));
    TRY(session.execute("UPDATE vector_stores SET revision = revision + 1 WHERE id IN "
                        "(SELECT store_id FROM vector_store_files WHERE file_id = :file)", id));
    TRY(session.execute("DELETE FROM chunks WHERE file_id = :file AND store_id IN "
                        "(SELECT store_id FROM vector_store_files WHERE file_id = :file)", id));
    TRY(session.execute("DELETE FROM vector_store_files WHERE file_id = :file", id));
    TRY(session.execute("DELETE FROM vector_store_batch_files WHERE file_id = :file", id));
    TRY_ASSIGN(const auto other, session.query_one("SELECT id FROM files WHERE sha256 = :sha LIMIT 1", {{"sha", file.sha256}}));
    if (other) return keep_content(session, file.sha256);
    return {};
}

}  // namespace

FileService::FileService(sql::Database& database, data::BlobStore& blobs, ThreadPool& pool, const Clock& clock)
    : database_(database), blobs_(blobs), pool_(pool), clock_(clock) {}

bool FileService::is_purpose(std::string_view purpose) {
    return std::find(kPurposes.begin(), kPurposes.end(), purpose) != kPurposes.end();
}

std::string FileService::clean_filename(std::string_view name) {
    // Some clients send the whole local path.
    if (const auto slash = name.find_last_of("/\\"); slash != std::string_view::npos) name.remove_prefix(slash + 1);
    const std::string valid = text::to_valid_utf8(name);
    std::string clean;
    for (std::size_t offset = 0; offset < valid.size();) {
        const char32_t c = text::next_char(valid, offset);
        const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
        const bool direction = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);  // would disguise "gpj.exe"
        if (!control && !direction) text::append_utf8(clean, c);
    }
    clean = std::string(text::trim(clean));
    if (clean.size() > kMaxFilename) {
        // The extension decides how the file is read, so it is kept.
        const auto dot = clean.rfind('.');
        const std::string extension = dot != std::string::npos && clean.size() - dot <= 16 ? clean.substr(dot) : "";
        clean.resize(text::complete_utf8_prefix(std::string_view(clean).substr(0, kMaxFilename - extension.size())));
        clean += extension;
    }
    return clean.empty() || clean == "." || clean == ".." ? "file" : clean;
}

File FileService::from_row(const sql::Row& row) {
    File file;
    file.id = row.text("id");
    file.purpose = row.text("purpose");
    file.filename = row.text("filename");
    file.bytes = row.integer("bytes");
    file.sha256 = row.text("sha256");
    file.created_at = row.integer("created_at") / 1000;
    if (const auto expires = row.optional_integer("expires_at")) file.expires_at = *expires / 1000;
    return file;
}

Task<Result<>> FileService::Upload::append(std::string bytes) {
    bytes_ += bytes.size();
    auto work = [writer = writer_, bytes = std::move(bytes)]() -> Result<> { return writer->append(bytes); };
    co_return co_await offload(pool_, std::move(work));
}

Task<Result<std::shared_ptr<FileService::Upload>>> FileService::begin() {
    auto work = [this]() -> Result<std::shared_ptr<data::BlobWriter>> {
        TRY_ASSIGN(auto writer, blobs_.create());
        return std::shared_ptr<data::BlobWriter>(std::move(writer));
    };
    CO_TRY_ASSIGN(auto writer, co_await offload(pool_, std::move(work)));
    co_return std::make_shared<Upload>(std::move(writer), pool_);
}

Task<Result<File>> FileService::finish(NewFile wanted, std::shared_ptr<Upload> upload) {
    if (!is_purpose(wanted.purpose)) {
        co_return fail(invalid_argument("purpose must be one of assistants, batch, fine-tune, vision, user_data, evals")
                           .with_field("purpose"));
    }
    if (upload->bytes() == 0) co_return fail(invalid_argument("the file is empty").with_field("file").with_reason("empty_file"));

    auto commit = [writer = upload->writer_]() -> Result<data::BlobRef> { return writer->commit(); };
    CO_TRY_ASSIGN(const auto blob, co_await offload(pool_, std::move(commit)));

    const std::int64_t now = unix_millis(clock_.system());
    File file;
    file.id = new_id("file-");
    file.filename = clean_filename(wanted.filename);
    file.purpose = wanted.purpose;
    file.sha256 = blob.sha256;
    file.bytes = static_cast<std::int64_t>(blob.bytes);
    file.created_at = now / 1000;
    auto lifetime = wanted.expires_after_seconds;
    if (!lifetime && file.purpose == "batch") lifetime = kBatchFileSeconds;
    if (lifetime) file.expires_at = file.created_at + *lifetime;

    CO_TRY(co_await database_.write<void>([file, project = wanted.project, now](sql::Session& session) -> Result<> {
        std::optional<std::int64_t> expires;
        if (file.expires_at) expires = *file.expires_at * 1000;
        TRY(lock_content(session, file.sha256, file.bytes));
        TRY(session.execute("INSERT INTO files (id, project, purpose, filename, bytes, sha256, created_at, expires_at) "
                            "VALUES (:id, :project, :purpose, :filename, :bytes, :sha, :created, :expires)",
                            {{"id", file.id}, {"project", project}, {"purpose", file.purpose}, {"filename", file.filename},
                             {"bytes", file.bytes}, {"sha", file.sha256}, {"created", now}, {"expires", expires}}));
        return keep_content(session, file.sha256);
    }));

    // A deletion of the last other file with this content may have taken the blob between our commit and our row.
    auto check = [this, blob]() -> Result<bool> { return blobs_.exists(blob); };
    CO_TRY_ASSIGN(const bool there, co_await offload(pool_, std::move(check)));
    if (!there) {
        CO_TRY(co_await database_.write<void>([file](sql::Session& session) { return remove_rows(session, file); }));
        co_return fail(aborted("the upload collided with the deletion of the same content; please upload the file again"));
    }
    co_return file;
}

Task<Result<File>> FileService::get(std::string project, std::string file_id) {
    if (!is_id(file_id, "file-")) co_return fail(no_file(file_id));
    co_return co_await database_.read<File>([project, file_id](sql::Session& session) -> Result<File> {
        TRY_ASSIGN(const auto row, session.query_one(
            "SELECT " + std::string(kColumns) + " FROM files WHERE id = :id AND project = :project",
            {{"id", file_id}, {"project", project}}));
        if (!row) return fail(no_file(file_id));
        return from_row(*row);
    });
}

Task<Result<Page<File>>> FileService::list(std::string project, std::string purpose, Paging paging) {
    co_return co_await database_.read<Page<File>>([=](sql::Session& session) -> Result<Page<File>> {
        sql::Params params{{"project", project}};
        PageQuery page(paging, "created_at", "id");
        TRY(page.locate(session, "SELECT created_at AS position FROM files WHERE id = :cursor AND project = :project", params));
        std::string statement = "SELECT " + std::string(kColumns) + " FROM files WHERE project = :project";
        if (!purpose.empty()) {
            statement += " AND purpose = :purpose";
            params.emplace_back("purpose", purpose);
        }
        TRY_ASSIGN(const auto rows, session.query(statement + page.condition() + page.order(), page.with(params)));
        std::vector<File> files;
        files.reserve(rows.size());
        for (const auto& row : rows) files.push_back(from_row(row));
        return page.take(std::move(files));
    });
}

Task<Result<std::string>> FileService::read(File file, std::uint64_t offset, std::uint64_t max_bytes) {
    auto work = [this, blob = data::BlobRef{file.sha256, static_cast<std::uint64_t>(file.bytes)}, offset, max_bytes] {
        return blobs_.read(blob, offset, max_bytes);
    };
    auto bytes = co_await offload(pool_, std::move(work));
    if (!bytes && bytes.error().code() == Code::kNotFound) {  // the row says it is there
        co_return fail(data_loss("the stored bytes of the file are gone").with_cause(bytes.error()));
    }
    co_return bytes;
}

Task<Result<>> FileService::remove(std::string project, std::string file_id) {
    CO_TRY_ASSIGN(const auto file, co_await get(project, file_id));
    CO_TRY(co_await database_.write<void>([file](sql::Session& session) { return remove_rows(session, file); }));
    // The file is gone whatever happens to its blob; what fails here is finished by the next sweep.
    if (const auto removed = co_await remove_orphans(); !removed) {
        log::warning("blob not removed yet", {{"error", removed.error()}});
    }
    co_return Result<>{};
}

Task<Result<>> FileService::remove_orphans() {
    using Blobs = std::vector<data::BlobRef>;
    CO_TRY_ASSIGN(const auto orphans, co_await database_.read<Blobs>([](sql::Session& session) -> Result<Blobs> {
        TRY_ASSIGN(const auto rows, session.query("SELECT sha256, bytes FROM orphan_blobs LIMIT 1000"));
        Blobs found;
        for (const auto& row : rows) found.push_back({row.text("sha256"), static_cast<std::uint64_t>(row.integer("bytes"))});
        return found;
    }));
    for (const auto& blob : orphans) {
        // Under the lock of the content: an upload of it either has its row before (then the blob stays) or inserts it
        // after (then it finds out that the blob is gone, see finish). Repeating the removal is harmless.
        CO_TRY(co_await database_.write<void>([this, blob](sql::Session& session) -> Result<> {
            TRY_ASSIGN(const auto orphan, session.query_one(
                "SELECT sha256 FROM orphan_blobs WHERE sha256 = :sha {{for_update}}", {{"sha", blob.sha256}}));
            if (!orphan) return {};
            TRY_ASSIGN(const auto user, session.query_one("SELECT id FROM files WHERE sha256 = :sha LIMIT 1",
                                                          {{"sha", blob.sha256}}));
            if (!user) TRY(blobs_.remove(blob));
            TRY(session.execute("DELETE FROM orphan_blobs WHERE sha256 = :sha", {{"sha", blob.sha256}}));
            return {};
        }));
    }
    co_return Result<>{};
}

Task<Result<>> FileService::find_orphans() {
    // A process that ended between the commit of a blob and the row of its file left a blob that nothing names.
    using Blobs = std::vector<data::BlobRef>;
    auto work = [this]() -> Result<Blobs> {
        Blobs stored;
        TRY(blobs_.list([&](const data::BlobRef& blob) { stored.push_back(blob); }));
        return stored;
    };
    CO_TRY_ASSIGN(const auto stored, co_await offload(pool_, std::move(work)));
    for (const auto& blob : stored) {
        CO_TRY_ASSIGN(const bool named, co_await database_.read<bool>([blob](sql::Session& session) -> Result<bool> {
            TRY_ASSIGN(const auto file, session.query_one("SELECT id FROM files WHERE sha256 = :sha LIMIT 1",
                                                          {{"sha", blob.sha256}}));
            return file.has_value();
        }));
        if (named) continue;
        CO_TRY(co_await database_.write<void>([blob](sql::Session& session) {
            return lock_content(session, blob.sha256, static_cast<std::int64_t>(blob.bytes));
        }));
    }
    co_return Result<>{};
}

Task<Result<>> FileService::sweep() {
    if (!orphans_found_) {
        CO_TRY(co_await find_orphans());
        orphans_found_ = true;
    }
    const std::int64_t now = unix_millis(clock_.system());
    CO_TRY(co_await database_.write<void>([now](sql::Session& session) -> Result<> {
        TRY_ASSIGN(const auto rows, session.query("SELECT " + std::string(kColumns) +
                                                      " FROM files WHERE expires_at IS NOT NULL AND expires_at <= :now LIMIT 100",
                                                  {{"now", now}}));
        for (const auto& row : rows) TRY(remove_rows(session, from_row(row)));
        return {};
    }));
    co_return co_await remove_orphans();
}

}  // namespace atrium::app
