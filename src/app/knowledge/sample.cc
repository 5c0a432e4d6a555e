#include "app/knowledge/sample.h"

#include <algorithm>

#include "app/tenancy/tenancy.h"
#include "observability/log/log.h"
#include "security/crypto/crypto.h"

namespace atrium::app {

namespace {

constexpr std::uint64_t kMaxSampleBytes = 8u << 20;

bool is_document(const std::string& name) {
    if (name == "README.md") return false;
    for (const std::string_view extension : {".md", ".txt", ".html", ".docx", ".pdf"}) {
        if (name.ends_with(extension)) return true;
    }
    return false;
}

Task<Result<bool>> is_done(sql::Database& database) {
    co_return co_await database.read<bool>([](sql::Session& session) -> Result<bool> {
        TRY_ASSIGN(const auto row, session.query_one("SELECT value FROM knowledge_state WHERE name = 'sample'"));
        if (row) return true;
        TRY_ASSIGN(const auto store, session.query_one("SELECT id FROM vector_stores WHERE project = :project AND name = :name",
                                                       {{"project", Tenancy::kDefaultProject}, {"name", kSampleStoreName}}));
        return store.has_value();
    });
}

Task<Result<>> mark_done(sql::Database& database) {
    co_return co_await database.write<void>([](sql::Session& session) -> Result<> {
        TRY(session.execute("DELETE FROM knowledge_state WHERE name = 'sample'"));
        TRY(session.execute("INSERT INTO knowledge_state (name, value) VALUES ('sample', 'created')"));
        return {};
    });
}

/// The id of the same file uploaded before, or of a new upload.
Task<Result<std::string>> upload_once(sql::Database& database, FileService& files, std::string name, std::string bytes) {
    const std::string sha256 = crypto::sha256_hex(bytes);
    CO_TRY_ASSIGN(const auto known, co_await database.read<std::string>([=](sql::Session& session) -> Result<std::string> {
        TRY_ASSIGN(const auto row, session.query_one(
            "SELECT id FROM files WHERE project = :project AND sha256 = :sha AND filename = :name AND expires_at IS NULL",
            {{"project", Tenancy::kDefaultProject}, {"sha", sha256}, {"name", name}}));
        return row ? row->text("id") : std::string();
    }));
    if (!known.empty()) co_return known;
    CO_TRY_ASSIGN(auto upload, co_await files.begin());
    CO_TRY(co_await upload->append(std::move(bytes)));
    FileService::NewFile file;
    file.project = Tenancy::kDefaultProject;
    file.filename = name;
    file.purpose = "assistants";
    CO_TRY_ASSIGN(const auto stored, co_await files.finish(std::move(file), upload));
    co_return stored.id;
}

}  // namespace

Task<Result<>> create_sample_store(sql::Database& database, FileService& files, VectorStoreService& stores, Fs& fs,
                                   ThreadPool& pool, std::string directory) {
    CO_TRY_ASSIGN(const bool done, co_await is_done(database));
    if (done) co_return co_await mark_done(database);

    auto listing = [&fs, directory] { return fs.list(directory); };
    CO_TRY_ASSIGN(auto names, co_await offload(pool, std::move(listing)));
    std::erase_if(names, [](const std::string& name) { return !is_document(name); });
    if (names.empty()) co_return fail(not_found("no sample documents in '" + directory + "'"));
    std::sort(names.begin(), names.end());

    VectorStoreService::NewStore store;
    store.project = Tenancy::kDefaultProject;
    store.name = kSampleStoreName;
    store.description = "Atrium's own guides in English and Chinese, and the employee handbook of an invented company.";
    for (const auto& name : names) {
        auto reading = [&fs, path = Path(directory) / name] { return fs.read_file(path, kMaxSampleBytes); };
        CO_TRY_ASSIGN(auto bytes, co_await offload(pool, std::move(reading)));
        CO_TRY_ASSIGN(auto id, co_await upload_once(database, files, name, std::move(bytes)));
        store.files.push_back({std::move(id), {}, {}});
    }
    CO_TRY_ASSIGN(const auto created, co_await stores.create(std::move(store)));
    log::info("sample knowledge base created", {{"store", created.id}, {"files", names.size()}});
    co_return co_await mark_done(database);
}

}  // namespace atrium::app
