#include "app/knowledge/ingestion.h"

#include <algorithm>
#include <utility>

#include "app/knowledge/internal/codec.h"
#include "app/knowledge/internal/rows.h"
#include "base/id.h"
#include "base/machine_error.h"
#include "base/text.h"
#include "data/lexical/analyzer.h"
#include "observability/log/log.h"

namespace atrium::app {

namespace {

constexpr std::size_t kMaxWarnings = 20;
constexpr std::chrono::milliseconds kShortestWait{20};
/// Share of the progress bar that parsing takes; the rest is embedding.
constexpr double kParsed = 0.15;
/// The row is not ours any more: removed, cancelled, or claimed by somebody else.
constexpr std::string_view kLostClaim = "claim_lost";

bool claim_lost(const Error& error) { return error.reason() == kLostClaim; }

/// Whether trying again later may help.
bool is_transient(Code code) {
    switch (code) {
        case Code::kUnavailable:
        case Code::kDeadlineExceeded:
        case Code::kResourceExhausted:
        case Code::kAborted:
        case Code::kCancelled:
        case Code::kNotFound:  // the model is not installed (yet)
        case Code::kInternal:
        case Code::kUnknown: return true;
        default: return false;
    }
}

/// A component is away: waiting for it says nothing about the file, so it does not use up attempts.
bool is_outage(const Error& error) {
    const Code code = error.code();
    // A full disk or a read-only database is no fault of the file either; it goes on when the operator has acted.
    const auto trouble = machine_trouble(error);
    if (trouble && *trouble != MachineTrouble::kMachineFailure) return true;
    return code == Code::kUnavailable || code == Code::kResourceExhausted || code == Code::kNotFound ||
           code == Code::kDeadlineExceeded;
}

/// What the embedding model reads: the passage with the path to it, so that "25 days" knows what it is about.
std::string embedding_input(const std::string& title, const std::vector<std::string>& headings, const std::string& text) {
    std::string input = title;
    for (const auto& heading : headings) {
        if (heading == title) continue;
        if (!input.empty()) input += " > ";
        input += heading;
    }
    if (!input.empty()) input += "\n";
    return input + text;
}

}  // namespace

/// A claimed file.
struct Ingestor::Job {
    std::string store_id;
    std::string file_id;
    std::string project;
    std::string filename;
    data::BlobRef blob;
    std::string claim;
    std::string stage;
    std::string pending;
    std::string title;
    std::int64_t attempts = 0;
    std::int64_t failures = 0;
    data::ChunkOptions chunking;
    std::string model;  ///< pinned; empty: not yet
    std::int64_t dimensions = 0;
};

struct Ingestor::Passage {
    std::string id;
    std::string text;
    std::vector<std::string> headings;
};

Ingestor::Ingestor(sql::Database& database, data::BlobStore& blobs, KnowledgeModels& models, ThreadPool& pool,
                   const Clock& clock, ParseFunction parse, IngestionOptions options)
    : database_(database), blobs_(blobs), models_(models), pool_(pool), clock_(clock), parse_(std::move(parse)),
      options_(options) {}

Ingestor::~Ingestor() = default;

void Ingestor::start(boost::asio::io_context& context) {
    tasks_ = std::make_unique<TaskGroup>(context);
    wake_.resize(static_cast<std::size_t>(options_.parallel_files));
    for (auto& event : wake_) event = std::make_shared<Event>();
    for (int worker = 0; worker < options_.parallel_files; ++worker) tasks_->spawn(work(worker, tasks_->token()));
}

Task<> Ingestor::stop() {
    if (tasks_ == nullptr) co_return;
    tasks_->request_stop();
    co_await tasks_->join();
    tasks_.reset();
}

void Ingestor::notify() {
    std::scoped_lock lock(wake_mutex_);
    for (const auto& event : wake_) event->set();
}

Result<> Ingestor::release_claims() {
    return database_.write_now<void>([](sql::Session& session) -> Result<> {
        TRY(session.execute("UPDATE vector_store_files SET claim = '', claim_until = 0 WHERE claim <> ''"));
        return {};
    });
}

Task<> Ingestor::work(int worker, StopToken stop) {
    const auto slot = static_cast<std::size_t>(worker);
    while (!stop.stop_requested()) {
        auto wake = std::make_shared<Event>();
        {
            // In place before looking for work: an announcement in between is not missed.
            std::scoped_lock lock(wake_mutex_);
            wake_[slot] = wake;
        }
        const auto worked = co_await run_one(stop);
        if (worked && *worked) continue;
        if (!worked && !stop.stop_requested()) log::error("ingestion cannot reach the database", {{"error", worked.error()}});
        // While files wait for a retry their time comes without an announcement.
        const std::chrono::milliseconds until_due(next_due_ - unix_millis(clock_.system()));
        co_await wake->wait(next_due_ == 0 ? options_.poll : std::clamp(until_due, kShortestWait, options_.poll), stop);
    }
}

Task<Result<bool>> Ingestor::run_one(StopToken stop) {
    CO_TRY_ASSIGN(auto claimed, co_await claim());
    if (!claimed) co_return false;
    auto job = std::make_shared<Job>(std::move(*claimed));
    last_project_ = job->project;
    const auto processed = co_await process(job, stop);
    if (processed) co_return true;
    if (claim_lost(processed.error())) {
        log::info("ingestion abandoned: the file was removed or cancelled", {{"file", job->file_id}, {"store", job->store_id}});
        co_return true;
    }
    const auto settled = co_await settle(job, processed.error(), stop.stop_requested());
    if (!settled && !claim_lost(settled.error())) co_return fail(settled.error());
    co_return true;
}

Task<Result<std::optional<Ingestor::Job>>> Ingestor::claim() {
    using Found = std::optional<Job>;
    const std::int64_t now = unix_millis(clock_.system());
    const std::int64_t until = now + options_.lease.count();
    const std::string claim_id = new_id("claim_");
    // Looking does not need the writer; an idle server does not write.
    const std::string due =
        "SELECT store_id, file_id FROM vector_store_files WHERE status = 'in_progress' AND next_attempt_at <= :now "
        "AND claim_until <= :now ORDER BY CASE WHEN project = :last THEN 1 ELSE 0 END, created_at, file_id LIMIT 1";
    const sql::Params params{{"now", now}, {"last", last_project_}};
    // When something is due: now, later, or (0) never.
    CO_TRY_ASSIGN(next_due_, co_await database_.read<std::int64_t>([=](sql::Session& session) -> Result<std::int64_t> {
        TRY_ASSIGN(const auto row, session.query_one(due, params));
        if (row) return now;
        TRY_ASSIGN(const auto later, session.query_one(
            "SELECT next_attempt_at FROM vector_store_files WHERE status = 'in_progress' AND claim = '' "
            "ORDER BY next_attempt_at LIMIT 1"));
        return later ? later->integer("next_attempt_at") : 0;
    }));
    if (next_due_ != now) co_return Found{};
    co_return co_await database_.write<Found>([=](sql::Session& session) -> Result<Found> {
        TRY_ASSIGN(const auto row, session.query_one(due, params));
        if (!row) return Found{};
        Job job;
        job.store_id = row->text("store_id");
        job.file_id = row->text("file_id");
        job.claim = claim_id;
        const sql::Params key{{"store", job.store_id}, {"file", job.file_id}};
        TRY_ASSIGN(const auto taken, session.execute(
            "UPDATE vector_store_files SET claim = :claim, claim_until = :until, attempts = attempts + 1 "
            "WHERE store_id = :store AND file_id = :file AND status = 'in_progress' AND claim_until <= :now",
            {{"claim", claim_id}, {"until", until}, {"store", job.store_id}, {"file", job.file_id}, {"now", now}}));
        if (taken == 0) return Found{};
        TRY_ASSIGN(const auto full, session.query_one(
            "SELECT f.project AS project, f.stage AS stage, f.pending AS pending, f.title AS title, f.attempts AS attempts, "
            "f.failures AS failures, f.chunk_tokens AS chunk_tokens, f.overlap_tokens AS overlap_tokens, d.filename AS filename, "
            "d.sha256 AS sha256, d.bytes AS bytes, s.embedding_model AS embedding_model, s.dimensions AS dimensions "
            "FROM vector_store_files f JOIN files d ON d.id = f.file_id JOIN vector_stores s ON s.id = f.store_id "
            "WHERE f.store_id = :store AND f.file_id = :file", key));
        if (!full) {
            // Its file or store went between two statements of somebody else. Nothing can become of it, and as the
            // oldest row that is due it would keep every other file waiting.
            log::warning("a queued file has no file or no vector store any more", {{"file", job.file_id}, {"store", job.store_id}});
            TRY(session.execute("DELETE FROM chunks WHERE store_id = :store AND file_id = :file", key));
            TRY(session.execute("DELETE FROM vector_store_files WHERE store_id = :store AND file_id = :file", key));
            return Found{};
        }
        job.project = full->text("project");
        job.stage = full->text("stage");
        job.pending = full->text("pending");
        job.title = full->text("title");
        job.attempts = full->integer("attempts");
        job.failures = full->integer("failures");
        job.chunking = {static_cast<int>(full->integer("chunk_tokens")), static_cast<int>(full->integer("overlap_tokens"))};
        job.filename = full->text("filename");
        job.blob = {full->text("sha256"), static_cast<std::uint64_t>(full->integer("bytes"))};
        job.model = full->text("embedding_model");
        job.dimensions = full->integer("dimensions");
        return Found(std::move(job));
    });
}

Task<Result<>> Ingestor::process(std::shared_ptr<Job> job, StopToken stop) {
    if (job->attempts > options_.max_attempts) {
        co_return fail(data_loss("processing this file was interrupted " + std::to_string(options_.max_attempts) +
                                 " times; remove it and add it again, or report it").with_reason("server_error"));
    }
    if (job->stage != "embedding" || job->pending.empty()) CO_TRY(co_await parse_and_chunk(job, stop));
    CO_TRY(co_await embed_all(job, stop));
    co_return co_await publish(job);
}

Task<Result<>> Ingestor::parse_and_chunk(std::shared_ptr<Job> job, StopToken stop) {
    CO_TRY(co_await set_stage(job, "parsing", 0.02));
    auto load = [this, blob = job->blob] { return blobs_.read(blob, 0, blob.bytes); };
    auto loaded = co_await offload(pool_, std::move(load));
    if (!loaded && loaded.error().code() == Code::kNotFound) {  // unlike a missing model, nothing to wait for
        co_return fail(data_loss("the stored bytes of the file are gone; upload it again").with_cause(loaded.error()));
    }
    CO_TRY_ASSIGN(auto bytes, std::move(loaded));
    CO_TRY_ASSIGN(auto parsed, co_await parse_(job->filename, std::move(bytes), stop));
    auto document = std::make_shared<const data::ParsedDocument>(std::move(parsed));

    CO_TRY(co_await set_stage(job, "chunking", kParsed / 2));
    auto cut = [document, options = job->chunking, stop]() -> Result<std::shared_ptr<const std::vector<data::Chunk>>> {
        return std::make_shared<const std::vector<data::Chunk>>(data::chunk_document(*document, options, stop));
    };
    CO_TRY_ASSIGN(const auto chunks, co_await offload(pool_, std::move(cut)));
    if (stop.stop_requested()) co_return fail(cancelled("the server is shutting down"));
    if (chunks->empty()) {
        std::string message = "no text was found in the file";
        if (!document->warnings.empty()) message += ": " + document->warnings.front();
        co_return fail(invalid_argument(std::move(message)).with_reason("invalid_file"));
    }
    co_return co_await store_chunks(job, document, chunks);
}

Task<Result<>> Ingestor::store_chunks(std::shared_ptr<Job> job, std::shared_ptr<const data::ParsedDocument> document,
                                      std::shared_ptr<const std::vector<data::Chunk>> chunks) {
    const std::string generation = new_id("gen_");
    std::vector<std::string> warnings = document->warnings;
    if (warnings.size() > kMaxWarnings) {
        warnings[kMaxWarnings] = "and " + std::to_string(warnings.size() - kMaxWarnings) + " more";
        warnings.resize(kMaxWarnings + 1);
    }
    const std::string title = text::shorten(document->title, 500);
    std::string language = document->language;
    if (language.empty()) language = std::string(data::detect_language(chunks->front().text));
    const std::int64_t until = unix_millis(clock_.system()) + options_.lease.count();
    CO_TRY(co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        TRY_ASSIGN(const auto ours, session.execute(
            "UPDATE vector_store_files SET stage = 'embedding', progress = :progress, pending = :pending, title = :title, "
            "language = :language, pages = :pages, chunks = :chunks, warnings = :warnings, claim_until = :until, attempts = 0 "
            "WHERE store_id = :store AND file_id = :file AND claim = :claim AND status = 'in_progress'",
            {{"progress", kParsed}, {"pending", generation}, {"title", title}, {"language", language},
             {"pages", document->pages}, {"chunks", static_cast<std::int64_t>(chunks->size())},
             {"warnings", codec::encode_strings(warnings)}, {"until", until}, {"store", job->store_id},
             {"file", job->file_id}, {"claim", job->claim}}));
        if (ours == 0) return fail(aborted("the claim was lost").with_reason(std::string(kLostClaim)));
        // What an earlier attempt left half built.
        TRY(session.execute("DELETE FROM chunks WHERE store_id = :store AND file_id = :file AND generation <> "
                            "(SELECT generation FROM vector_store_files WHERE store_id = :store AND file_id = :file)",
                            {{"store", job->store_id}, {"file", job->file_id}}));
        for (const auto& chunk : *chunks) {
            TRY(session.execute(
                "INSERT INTO chunks (id, store_id, file_id, generation, ordinal, text, headings, page, tokens, embedding) "
                "VALUES (:id, :store, :file, :generation, :ordinal, :text, :headings, :page, :tokens, NULL)",
                {{"id", new_id("chunk_")}, {"store", job->store_id}, {"file", job->file_id}, {"generation", generation},
                 {"ordinal", chunk.ordinal}, {"text", chunk.text}, {"headings", codec::encode_strings(chunk.headings)},
                 {"page", chunk.page}, {"tokens", chunk.tokens}}));
        }
        return {};
    }));
    job->stage = "embedding";
    job->pending = generation;
    job->title = title;
    job->attempts = 0;
    co_return Result<>{};
}

Task<Result<>> Ingestor::embed_all(std::shared_ptr<Job> job, StopToken stop) {
    using Passages = std::vector<Passage>;
    for (;;) {
        if (stop.stop_requested()) co_return fail(cancelled("the server is shutting down"));
        CO_TRY_ASSIGN(const auto passages, co_await database_.read<Passages>([=, this](sql::Session& session) -> Result<Passages> {
            TRY_ASSIGN(const auto found, session.query(
                "SELECT id, text, headings FROM chunks WHERE store_id = :store AND file_id = :file AND generation = :pending "
                "AND embedding IS NULL ORDER BY ordinal LIMIT :batch",
                {{"store", job->store_id}, {"file", job->file_id}, {"pending", job->pending}, {"batch", options_.batch_size}}));
            Passages batch;
            for (const auto& row : found) {
                batch.push_back({row.text("id"), row.text("text"), codec::decode_strings(row.text("headings"))});
            }
            return batch;
        }));
        if (passages.empty()) co_return Result<>{};

        if (job->model.empty()) {
            CO_TRY_ASSIGN(job->model, models_.default_embedding_model());
        }
        std::vector<std::string> texts;
        const std::string& title = job->title.empty() ? job->filename : job->title;
        for (const auto& passage : passages) texts.push_back(embedding_input(title, passage.headings, passage.text));
        CO_TRY_ASSIGN(const auto vectors, co_await embed_batch(job, std::move(texts), stop));
        if (vectors.dimensions == 0 || vectors.values.size() != vectors.dimensions * passages.size()) {
            co_return fail(internal_error("the embedding model '" + job->model + "' answered with the wrong number of vectors"));
        }
        const auto dimensions = static_cast<std::int64_t>(vectors.dimensions);
        if (job->dimensions == 0) CO_TRY(co_await pin_model(job, job->model, dimensions));
        if (dimensions != job->dimensions) {
            co_return fail(failed_precondition(
                "the embedding model '" + job->model + "' returns " + std::to_string(dimensions) + " dimensions, this vector store holds " +
                std::to_string(job->dimensions) + "; create a new vector store for the new model").with_reason("server_error"));
        }

        std::vector<std::string> encoded;
        for (std::size_t i = 0; i < passages.size(); ++i) {
            encoded.push_back(codec::encode_vector(std::span(vectors.values).subspan(i * vectors.dimensions, vectors.dimensions)));
        }
        const std::int64_t until = unix_millis(clock_.system()) + options_.lease.count();
        CO_TRY(co_await database_.write<void>([=](sql::Session& session) -> Result<> {
            const sql::Params key{{"store", job->store_id}, {"file", job->file_id}, {"pending", job->pending}};
            for (std::size_t i = 0; i < passages.size(); ++i) {
                TRY(session.execute("UPDATE chunks SET embedding = :embedding WHERE id = :id",
                                    {{"embedding", encoded[i]}, {"id", passages[i].id}}));
            }
            TRY_ASSIGN(const auto left, session.query_one(
                "SELECT COUNT(*) AS total, CAST(COALESCE(SUM(CASE WHEN embedding IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT) AS missing "
                "FROM chunks WHERE store_id = :store AND file_id = :file AND generation = :pending", key));
            const double total = left ? static_cast<double>(left->integer("total")) : 0;
            const double done = left ? total - static_cast<double>(left->integer("missing")) : 0;
            const double progress = kParsed + (1 - kParsed) * (total > 0 ? done / total : 0) * 0.99;
            TRY_ASSIGN(const auto ours, session.execute(
                "UPDATE vector_store_files SET progress = :progress, attempts = 0, failures = 0, claim_until = :until "
                "WHERE store_id = :store AND file_id = :file AND claim = :claim AND status = 'in_progress'",
                {{"progress", progress}, {"until", until}, {"store", job->store_id}, {"file", job->file_id}, {"claim", job->claim}}));
            if (ours == 0) return fail(aborted("the claim was lost").with_reason(std::string(kLostClaim)));
            return {};
        }));
        job->attempts = 0;
        job->failures = 0;
    }
}

Task<Result<ChatService::Embeddings>> Ingestor::embed_batch(std::shared_ptr<Job> job, std::vector<std::string> texts,
                                                            StopToken stop) {
    CallContext context;
    context.principal.project = job->project;
    context.request_id = job->claim;
    context.trace = trace::Context::make();
    context.stop = stop;
    auto vectors = co_await models_.embed(context, job->model, texts, false);
    if (vectors || is_transient(vectors.error().code())) co_return vectors;
    // The model refuses something in the batch, as a rule one text that is too long for it: find it and shorten it.
    ChatService::Embeddings all;
    all.model = job->model;
    for (auto& text : texts) {
        auto one = co_await models_.embed(context, job->model, {text}, false);
        for (int halvings = 0; !one && !is_transient(one.error().code()) && halvings < 4; ++halvings) {
            text = text::shorten(text, text.size() / 2);
            one = co_await models_.embed(context, job->model, {text}, false);
        }
        if (!one) co_return fail(std::move(one).error());
        all.dimensions = one->dimensions;
        all.values.insert(all.values.end(), one->values.begin(), one->values.end());
    }
    co_return all;
}

Task<Result<>> Ingestor::pin_model(std::shared_ptr<Job> job, std::string model, std::int64_t dimensions) {
    using Pin = std::pair<std::string, std::int64_t>;
    // Two files of a new store may get here together: the first one decides.
    CO_TRY_ASSIGN(const auto pinned, co_await database_.write<Pin>([=](sql::Session& session) -> Result<Pin> {
        TRY(session.execute("UPDATE vector_stores SET embedding_model = :model, dimensions = :dimensions "
                            "WHERE id = :id AND dimensions = 0",
                            {{"model", model}, {"dimensions", dimensions}, {"id", job->store_id}}));
        TRY_ASSIGN(const auto row, session.query_one("SELECT embedding_model, dimensions FROM vector_stores WHERE id = :id",
                                                     {{"id", job->store_id}}));
        if (!row) return fail(aborted("the vector store was removed").with_reason(std::string(kLostClaim)));
        return Pin{row->text("embedding_model"), row->integer("dimensions")};
    }));
    job->dimensions = pinned.second;
    if (pinned.first != model) {
        job->model = pinned.first;
        co_return fail(aborted("the vector store was pinned to '" + pinned.first + "' meanwhile"));
    }
    co_return Result<>{};
}

Task<Result<>> Ingestor::publish(std::shared_ptr<Job> job) {
    co_return co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        const sql::Params key{{"store", job->store_id}, {"file", job->file_id}, {"pending", job->pending}};
        TRY_ASSIGN(const auto revision, rows::next_revision(session, job->store_id));
        TRY_ASSIGN(const auto used, session.query_one(
            "SELECT CAST(COALESCE(SUM(LENGTH(text)), 0) AS BIGINT) AS characters, COUNT(*) AS chunks FROM chunks "
            "WHERE store_id = :store AND file_id = :file AND generation = :pending", key));
        const std::int64_t chunks = used ? used->integer("chunks") : 0;
        const std::int64_t bytes = used ? used->integer("characters") + chunks * job->dimensions * 2 : 0;
        TRY_ASSIGN(const auto ours, session.execute(
            "UPDATE vector_store_files SET status = 'completed', stage = 'indexed', progress = 1, generation = pending, pending = '', "
            "usage_bytes = :bytes, chunks = :chunks, revision = :revision, claim = '', claim_until = 0, attempts = 0, failures = 0, "
            "error_code = '', error_message = '' WHERE store_id = :store AND file_id = :file AND claim = :claim "
            "AND status = 'in_progress' AND pending = :pending",
            {{"bytes", bytes}, {"chunks", chunks}, {"revision", revision}, {"store", job->store_id}, {"file", job->file_id},
             {"claim", job->claim}, {"pending", job->pending}}));
        if (ours == 0) return fail(aborted("the claim was lost").with_reason(std::string(kLostClaim)));
        TRY(session.execute("DELETE FROM chunks WHERE store_id = :store AND file_id = :file AND generation <> :pending", key));
        return {};
    });
}

Task<Result<>> Ingestor::set_stage(std::shared_ptr<Job> job, std::string stage, double progress) {
    const std::int64_t until = unix_millis(clock_.system()) + options_.lease.count();
    co_return co_await write_claimed(job, "stage = :stage, progress = :progress, claim_until = :until",
                                     {{"stage", stage}, {"progress", progress}, {"until", until}});
}

Task<Result<>> Ingestor::settle(std::shared_ptr<Job> job, Error error, bool stopping) {
    if (stopping) {
        // Not the file's fault: as if it had not been claimed.
        co_return co_await write_claimed(job, "claim = '', claim_until = 0, attempts = :attempts",
                                         {{"attempts", std::max<std::int64_t>(job->attempts - 1, 0)}});
    }
    const bool outage = is_outage(error);
    if (!outage && !is_transient(error.code())) {
        std::string code = "server_error";
        if (error.reason() == "unsupported_file") {
            code = "unsupported_file";
        } else if (error.reason() != "server_error" && (error.code() == Code::kInvalidArgument || error.code() == Code::kOutOfRange)) {
            code = "invalid_file";
        }
        log::warning("file could not be ingested", {{"file", job->file_id}, {"store", job->store_id}, {"error", error}});
        co_return co_await give_up(job, std::move(code), shown_to_client(error).message());
    }
    if (!outage && job->attempts >= options_.max_attempts) {
        log::error("file given up", {{"file", job->file_id}, {"store", job->store_id}, {"error", error}});
        co_return co_await give_up(job, "server_error", shown_to_client(error).message());
    }
    const auto factor = std::int64_t{1} << std::min<std::int64_t>(job->failures, 20);
    const std::int64_t wait = std::min<std::int64_t>(options_.first_retry.count() * factor, options_.last_retry.count());
    log::info("ingestion waits", {{"file", job->file_id}, {"wait_ms", wait}, {"error", error}});
    const std::int64_t attempts = outage ? std::max<std::int64_t>(job->attempts - 1, 0) : job->attempts;
    co_return co_await write_claimed(
        job, "claim = '', claim_until = 0, attempts = :attempts, failures = failures + 1, next_attempt_at = :next",
        {{"attempts", attempts}, {"next", unix_millis(clock_.system()) + wait}});
}

Task<Result<>> Ingestor::give_up(std::shared_ptr<Job> job, std::string code, std::string message) {
    const std::string shown = text::shorten(text::to_valid_utf8(message), 1000);
    co_return co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        TRY_ASSIGN(const auto ours, session.execute(
            "UPDATE vector_store_files SET status = 'failed', stage = 'failed', claim = '', claim_until = 0, pending = '', "
            "error_code = :code, error_message = :message WHERE store_id = :store AND file_id = :file AND claim = :claim",
            {{"code", code}, {"message", shown}, {"store", job->store_id}, {"file", job->file_id}, {"claim", job->claim}}));
        if (ours == 0) return fail(aborted("the claim was lost").with_reason(std::string(kLostClaim)));
        TRY(session.execute("DELETE FROM chunks WHERE store_id = :store AND file_id = :file AND generation <> "
                            "(SELECT generation FROM vector_store_files WHERE store_id = :store AND file_id = :file)",
                            {{"store", job->store_id}, {"file", job->file_id}}));
        return {};
    });
}

Task<Result<>> Ingestor::write_claimed(std::shared_ptr<Job> job, std::string assignments, sql::Params params) {
    params.emplace_back("store", job->store_id);
    params.emplace_back("file", job->file_id);
    params.emplace_back("claim", job->claim);
    co_return co_await database_.write<void>([=](sql::Session& session) -> Result<> {
        TRY_ASSIGN(const auto ours, session.execute("UPDATE vector_store_files SET " + assignments +
                                                        " WHERE store_id = :store AND file_id = :file AND claim = :claim", params));
        if (ours == 0) return fail(aborted("the claim was lost").with_reason(std::string(kLostClaim)));
        return {};
    });
}

}  // namespace atrium::app
