#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/knowledge/knowledge.h"
#include "base/text.h"
#include "data/files/local_blob_store.h"
#include "data/lexical/analyzer.h"
#include "platform/fs/fs.h"

/// For the tests of this room: a knowledge installation in a temporary folder with models that need no engine.
namespace atrium::app::testing {

/// Embeds by hashing terms, so that texts which share words are similar; answers with whatever the test scripts.
class FakeModels final : public KnowledgeModels {
public:
    static constexpr std::size_t kDimensions = 64;

    Result<std::string> default_embedding_model() const override {
        if (no_model) return fail(unavailable("no embedding model is ready"));
        return embedding_model;
    }

    Task<Result<ChatService::Embeddings>> embed(CallContext, std::string name, std::vector<std::string> texts, bool) override {
        ++embed_calls;
        if (fail_embeddings > 0) {
            --fail_embeddings;
            co_return fail(embedding_error);
        }
        ChatService::Embeddings embeddings;
        embeddings.model = name;
        embeddings.dimensions = dimensions;
        for (const auto& text : texts) {
            if (text.size() > longest_text) co_return fail(invalid_argument("the input is too long"));
            embedded_texts.push_back(text);
            const auto vector = vector_of(text, dimensions);
            embeddings.values.insert(embeddings.values.end(), vector.begin(), vector.end());
        }
        if (after_embed) after_embed();
        co_return embeddings;
    }

    Result<AnswerModel> answer_model(std::string_view requested) const override {
        if (!requested.empty() && requested != model.id) return fail(not_found("no such model").with_reason("model_not_found"));
        if (no_answer_model) return fail(unavailable("no chat model is ready"));
        return model;
    }

    Task<Result<Completion>> complete(CallContext, std::string, Prompt prompt, CallOutcome*) override {
        prompts.push_back(prompt);
        if (completion_error) co_return fail(*completion_error);
        co_return Completion{reply, {10, 5, 0}};
    }

    Task<Result<Completion>> stream(CallContext, std::string, Prompt prompt, TextSink sink, CallOutcome*) override {
        prompts.push_back(prompt);
        if (completion_error) co_return fail(*completion_error);
        for (std::size_t i = 0; i < reply.size(); i += 3) CO_TRY(co_await sink(std::string_view(reply).substr(i, 3)));
        co_return Completion{reply, {100, 20, 0}};
    }

    static std::vector<float> vector_of(const std::string& text, std::size_t dimensions) {
        std::vector<float> vector(dimensions, 0.01F);
        for (const auto& term : data::analyze(text)) {
            if (!data::is_stop_word(term)) vector[std::hash<std::string>()(term) % dimensions] += 1;
        }
        double length = 0;
        for (const float value : vector) length += value * value;
        for (float& value : vector) value = static_cast<float>(value / std::sqrt(length));
        return vector;
    }

    std::string embedding_model = "fake-embed";
    std::size_t dimensions = kDimensions;
    std::size_t longest_text = 100'000;
    bool no_model = false;
    int embed_calls = 0;
    int fail_embeddings = 0;
    Error embedding_error = unavailable("the engine is starting");
    std::vector<std::string> embedded_texts;
    std::function<void()> after_embed;

    AnswerModel model{"fake-chat", false, 8192};
    bool no_answer_model = false;
    std::string reply;
    std::optional<Error> completion_error;
    std::vector<Prompt> prompts;
};

/// One paragraph per line, "# " for headings; "BROKEN" cannot be read.
inline Task<Result<data::ParsedDocument>> parse_lines(std::string, std::string bytes, StopToken) {
    if (bytes.starts_with("BROKEN")) co_return fail(invalid_argument("the file could not be read"));
    if (bytes.starts_with("STRANGE")) co_return fail(invalid_argument("not supported").with_reason("unsupported_file"));
    if (bytes.starts_with("BUSY")) co_return fail(unavailable("no child could be started"));
    data::ParsedDocument document;
    document.pages = 1;
    for (const auto line : text::split(bytes, '\n')) {
        if (line.empty()) continue;
        const bool heading = line.starts_with("# ");
        data::Block block;
        block.kind = heading ? data::BlockKind::kHeading : data::BlockKind::kParagraph;
        block.level = heading ? 1 : 0;
        block.page = 1;
        block.text = std::string(heading ? line.substr(2) : line);
        if (heading && document.title.empty()) document.title = block.text;
        document.blocks.push_back(std::move(block));
    }
    co_return document;
}

/// Everything of a Knowledge, put together by hand so that a test can restart parts of it.
class KnowledgeTest : public ::testing::Test {
public:
    KnowledgeTest() {
        std::string pattern = (std::filesystem::temp_directory_path() / "atrium-knowledge-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        database_ = sql::Database::open("sqlite://" + (folder_ / "test.db").string()).value();
        EXPECT_TRUE(database_->migrate(knowledge_migrations()));
        blobs_ = data::LocalBlobStore::open(machine_fs(), folder_ / "files").value();
        files_ = std::make_unique<FileService>(*database_, *blobs_, pool_, clock_);
        stores_ = std::make_unique<VectorStoreService>(*database_, clock_, VectorStoreService::Defaults{300, 0}, [this] { ++announced_; });
        restart();
    }
    ~KnowledgeTest() override {
        ingestor_.reset();
        database_.reset();
        std::filesystem::remove_all(folder_);
    }

    /// A new process on the same data: nothing in memory survives.
    void restart() {
        ingestor_ = std::make_unique<Ingestor>(*database_, *blobs_, models_, pool_, clock_, parse_, options_);
        ASSERT_TRUE(ingestor_->release_claims());
        cache_ = std::make_unique<IndexCache>(*database_);
        calibrator_ = std::make_unique<Calibrator>(models_);
        retriever_ = std::make_unique<Retriever>(*database_, models_, *calibrator_, *cache_, *stores_, pool_, clock_, nullptr);
        answers_ = std::make_unique<AnswerService>(*retriever_, models_, pool_, clock_, nullptr);
    }

    File upload(const std::string& bytes, const std::string& name = "doc.txt", const std::string& project = "proj_a") {
        auto upload = run_blocking(files_->begin()).value();
        EXPECT_TRUE(run_blocking(upload->append(bytes)));
        FileService::NewFile file{project, name, "assistants", {}};
        return run_blocking(files_->finish(file, upload)).value();
    }
    VectorStore make_store(const std::vector<std::string>& file_ids, const std::string& project = "proj_a") {
        VectorStoreService::NewStore store;
        store.project = project;
        store.name = "test";
        for (const auto& id : file_ids) store.files.push_back({id, {}, {}});
        return run_blocking(stores_->create(std::move(store))).value();
    }
    bool ingest_one() { return run_blocking(ingestor_->run_one({})).value(); }
    void ingest_all() {
        for (int i = 0; i < 100 && ingest_one(); ++i) {
        }
    }
    StoreFile store_file(const std::string& store, const std::string& file, const std::string& project = "proj_a") {
        return run_blocking(stores_->get_file(project, store, file)).value();
    }
    static CallContext caller(const std::string& project = "proj_a") {
        CallContext context;
        context.principal.project = project;
        return context;
    }
    Result<SearchResult> search(const std::string& store, const std::string& query, const std::string& project = "proj_a") {
        SearchRequest request;
        request.store_id = store;
        request.queries = {query};
        return run_blocking(retriever_->search(caller(project), request));
    }
    std::int64_t count(const std::string& table) {
        return database_->read_now<std::int64_t>([&](sql::Session& session) -> Result<std::int64_t> {
            TRY_ASSIGN(const auto row, session.query_one("SELECT COUNT(*) AS n FROM " + table));
            return row->integer("n");
        }).value();
    }

    std::filesystem::path folder_;
    ManualClock clock_;
    ThreadPool pool_{"test", 2};
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<data::BlobStore> blobs_;
    FakeModels models_;
    ParseFunction parse_ = parse_lines;
    IngestionOptions options_;
    int announced_ = 0;
    std::unique_ptr<FileService> files_;
    std::unique_ptr<VectorStoreService> stores_;
    std::unique_ptr<Ingestor> ingestor_;
    std::unique_ptr<IndexCache> cache_;
    std::unique_ptr<Calibrator> calibrator_;
    std::unique_ptr<Retriever> retriever_;
    std::unique_ptr<AnswerService> answers_;
};

}  // namespace atrium::app::testing
