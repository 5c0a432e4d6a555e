#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/knowledge/models.h"
#include "app/knowledge/types.h"
#include "base/clock.h"
#include "data/documents/chunker.h"
#include "data/documents/document.h"
#include "data/files/blob_store.h"
#include "platform/async/runtime.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// Turns bytes into a document; data::parse_in_child in production.
using ParseFunction =
    std::function<Task<Result<data::ParsedDocument>>(std::string file_name, std::string bytes, StopToken stop)>;

struct IngestionOptions {
    int parallel_files = 2;
    int batch_size = 32;                                ///< passages per embedding call
    int max_attempts = 5;                               ///< claims without progress before a file is given up
    std::chrono::milliseconds lease{600'000};           ///< parsing the largest file must fit
    std::chrono::milliseconds first_retry{500};
    std::chrono::milliseconds last_retry{15'000};
    std::chrono::milliseconds poll{5'000};              ///< how often to look for work nobody announced
};

/// Files on their way into a vector store: a durable state machine, one row per file.
///
/// | # | from | event | to |
/// |---|---|---|---|
/// | 1 | queued | claimed by a worker (lease, attempts + 1) | parsing |
/// | 2 | parsing | the child returned a document | chunking |
/// | 3 | chunking | all passages stored under the new `pending` generation, one transaction | embedding |
/// | 4 | embedding | a batch embedded and stored (attempts := 0, lease renewed) | embedding |
/// | 5 | embedding | no passage without a vector left: publish, one transaction | indexed, status completed |
/// | 6 | any | the file cannot be read, or max_attempts claims without progress | failed |
/// | 7 | any | engine or parser unavailable | same stage, next_attempt_at := later, lease given back |
/// | 8 | any | removed, cancelled, or the lease was lost | the worker's next write finds no row of its own; it stops |
/// | 9 | any | process died | same stage; claimed again at start or when the lease runs out |
///
/// Publishing moves `pending` to `generation`, deletes the passages of other generations and raises the store's
/// revision: readers see the old passages or the new ones, never a mixture or both. Parsing is repeated after a crash,
/// embedding goes on with the passages that have no vector yet. Every write carries the claim in its WHERE clause.
///
/// Owned by Knowledge. `start` and `stop` on the io thread of `start`'s context; notify from any thread.
class Ingestor {
public:
    Ingestor(sql::Database& database, data::BlobStore& blobs, KnowledgeModels& models, ThreadPool& pool, const Clock& clock,
             ParseFunction parse, IngestionOptions options = {});
    ~Ingestor();

    void start(boost::asio::io_context& context);
    Task<> stop();
    /// There may be new work.
    void notify();

    /// Claims and processes one file, if there is one due. True when there was. For the workers and for tests.
    Task<Result<bool>> run_one(StopToken stop);

    /// Gives back the claims of a previous process. Only when no other process works on this database.
    Result<> release_claims();

private:
    struct Job;
    struct Passage;

    Task<> work(int worker, StopToken stop);
    Task<Result<std::optional<Job>>> claim();
    Task<Result<>> process(std::shared_ptr<Job> job, StopToken stop);
    Task<Result<>> parse_and_chunk(std::shared_ptr<Job> job, StopToken stop);
    Task<Result<>> store_chunks(std::shared_ptr<Job> job, std::shared_ptr<const data::ParsedDocument> document,
                                std::shared_ptr<const std::vector<data::Chunk>> chunks);
    Task<Result<>> embed_all(std::shared_ptr<Job> job, StopToken stop);
    Task<Result<ChatService::Embeddings>> embed_batch(std::shared_ptr<Job> job, std::vector<std::string> texts, StopToken stop);
    Task<Result<>> pin_model(std::shared_ptr<Job> job, std::string model, std::int64_t dimensions);
    Task<Result<>> publish(std::shared_ptr<Job> job);
    Task<Result<>> set_stage(std::shared_ptr<Job> job, std::string stage, double progress);
    Task<Result<>> settle(std::shared_ptr<Job> job, Error error, bool stopping);
    Task<Result<>> give_up(std::shared_ptr<Job> job, std::string code, std::string message);
    Task<Result<>> write_claimed(std::shared_ptr<Job> job, std::string assignments, sql::Params params);

    sql::Database& database_;
    data::BlobStore& blobs_;
    KnowledgeModels& models_;
    ThreadPool& pool_;
    const Clock& clock_;
    const ParseFunction parse_;
    const IngestionOptions options_;
    std::unique_ptr<TaskGroup> tasks_;
    std::mutex wake_mutex_;
    std::vector<std::shared_ptr<Event>> wake_;  ///< one per worker
    std::int64_t next_due_ = 0;  ///< unix ms of the next retry, 0 when nothing waits. Only on the workers' thread
    std::string last_project_;  ///< served last; the next claim prefers another. Only on the workers' thread
};

}  // namespace atrium::app
