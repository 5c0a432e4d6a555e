#include "app/knowledge/knowledge.h"

#include <utility>

#include "app/knowledge/sample.h"
#include "data/documents/parser.h"
#include "observability/log/log.h"

namespace atrium::app {

namespace {

constexpr std::chrono::seconds kSweepEvery{60};

ParseFunction parser(const KnowledgeOptions& options) {
    if (options.parse) return options.parse;
    return [executable = options.executable](std::string file_name, std::string bytes, StopToken stop) {
        return data::parse_in_child(executable, std::move(file_name), std::move(bytes), std::move(stop));
    };
}

}  // namespace

Knowledge::Knowledge(sql::Database& database, data::BlobStore& blobs, std::unique_ptr<KnowledgeModels> models, ThreadPool& pool,
                     const Clock& clock, trace::SpanStore* spans, Fs& fs, KnowledgeOptions options)
    : database_(database),
      pool_(pool),
      fs_(fs),
      options_(std::move(options)),
      models_(std::move(models)),
      files_(database, blobs, pool, clock),
      ingestor_(database, blobs, *models_, pool, clock, parser(options_), options_.ingestion),
      stores_(database, clock, {options_.chunk_tokens, options_.overlap_tokens}, [this] { ingestor_.notify(); },
              [this](const std::string& store_id) { cache_.forget(store_id); }),
      cache_(database),
      calibrator_(*models_),
      retriever_(database, *models_, calibrator_, cache_, stores_, pool, clock, spans),
      answers_(retriever_, *models_, pool, clock, spans) {}

Knowledge::~Knowledge() = default;

Result<> Knowledge::start(boost::asio::io_context& context) {
    // SQLite belongs to one process, so every claim in it is a dead one's. On a shared database leases run out by themselves.
    if (database_.backend() == "sqlite") TRY(ingestor_.release_claims());
    tasks_ = std::make_unique<TaskGroup>(context);
    ingestor_.start(context);
    if (!options_.sample_directory.empty()) tasks_->spawn(create_sample(tasks_->token()));
    tasks_->spawn(sweep(tasks_->token()));
    return {};
}

Task<> Knowledge::stop() {
    if (tasks_ == nullptr) co_return;
    tasks_->request_stop();
    co_await ingestor_.stop();
    co_await tasks_->join();
    tasks_.reset();
}

Task<> Knowledge::create_sample(StopToken stop) {
    const auto created = co_await create_sample_store(database_, files_, stores_, fs_, pool_, options_.sample_directory);
    if (!created && !stop.stop_requested()) log::error("sample knowledge base not created", {{"error", created.error()}});
}

Task<> Knowledge::sweep(StopToken stop) {
    while (!stop.stop_requested()) {
        if (const auto swept = co_await files_.sweep(); !swept) log::warning("expired files not removed", {{"error", swept.error()}});
        co_await sleep_for(kSweepEvery, stop);
    }
}

}  // namespace atrium::app
