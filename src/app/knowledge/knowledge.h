#pragma once

#include <memory>
#include <string>

#include "app/knowledge/answer_service.h"
#include "app/knowledge/file_service.h"
#include "app/knowledge/ingestion.h"
#include "app/knowledge/models.h"
#include "app/knowledge/retriever.h"
#include "app/knowledge/schema.h"
#include "app/knowledge/vector_store_service.h"
#include "platform/fs/fs.h"

namespace atrium::app {

struct KnowledgeOptions {
    /// This program, for `atrium parse` children.
    std::string executable;
    int chunk_tokens = 300;
    int overlap_tokens = 0;
    /// Documents of the sample knowledge base; empty: none is created.
    std::string sample_directory;
    IngestionOptions ingestion;
    /// Replaces the parser children, for tests.
    ParseFunction parse;
};

/// The knowledge room: files, vector stores, ingestion, search and cited answers. Made by main after the migrations;
/// everything it is given must outlive it. Thread-safe except `start` and `stop`.
///
///     Knowledge knowledge(database, blobs, make_knowledge_models(chat, …), pool, clock, &spans, fs, options);
///     knowledge.start(runtime.context(0));   // before or on that io thread
///     …
///     co_await knowledge.stop();             // on that io thread, before the runtime ends
///
/// The pool does the CPU work (chunking, index building, scanning) and blob access; two threads are enough.
class Knowledge {
public:
    Knowledge(sql::Database& database, data::BlobStore& blobs, std::unique_ptr<KnowledgeModels> models, ThreadPool& pool,
              const Clock& clock, trace::SpanStore* spans, Fs& fs, KnowledgeOptions options);
    ~Knowledge();

    /// Takes up what a previous process left unfinished and starts the workers. Reads SQL once, synchronously.
    Result<> start(boost::asio::io_context& context);
    Task<> stop();

    FileService& files() { return files_; }
    VectorStoreService& stores() { return stores_; }
    Retriever& retriever() { return retriever_; }
    AnswerService& answers() { return answers_; }

private:
    Task<> create_sample(StopToken stop);
    Task<> sweep(StopToken stop);

    sql::Database& database_;
    ThreadPool& pool_;
    Fs& fs_;
    const KnowledgeOptions options_;
    std::unique_ptr<KnowledgeModels> models_;
    FileService files_;
    Ingestor ingestor_;
    VectorStoreService stores_;
    IndexCache cache_;
    Calibrator calibrator_;
    Retriever retriever_;
    AnswerService answers_;
    std::unique_ptr<TaskGroup> tasks_;
};

}  // namespace atrium::app
