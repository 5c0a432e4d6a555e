#include "app/knowledge/retriever.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "app/knowledge/internal/codec.h"
#include "app/knowledge/internal/rows.h"
#include "observability/log/log.h"

namespace atrium::app {

namespace {

constexpr std::size_t kPerLeg = 50;
/// How many fused candidates are read and scored, at least.
constexpr std::size_t kScored = 20;
/// Share of meaning against words in the score.
constexpr double kDenseShare = 0.6;
/// Passages are ordered by this share of their fused rank, and of their score for the rest.
constexpr double kFusedShare = 0.5;
constexpr double kBestFused = 2.0 / 61;  ///< first in both legs

std::string searchable_text(const StoredChunk& chunk) {
    std::string text = chunk.filename;
    for (const auto& heading : chunk.headings) text += "\n" + heading;
    return text + "\n" + chunk.text;
}

struct Ranked {
    FoundPassage passage;
    double order = 0;
};

/// The rows of the candidates that still exist, by id, in one statement. Its list is padded to a multiple of 16, so that
/// few different statements are prepared.
Result<std::map<std::string, sql::Row>> read_passages(sql::Session& session, const std::string& store_id,
                                                      const std::vector<Candidate>& candidates) {
    std::map<std::string, sql::Row> found;
    if (candidates.empty()) return found;
    std::string list;
    sql::Params params{{"store", store_id}};
    for (std::size_t i = 0; i < (candidates.size() + 15) / 16 * 16; ++i) {
        std::string name = "c" + std::to_string(i);
        list += (i == 0 ? ":" : ", :") + name;
        params.emplace_back(std::move(name), candidates[std::min(i, candidates.size() - 1)].chunk_id);
    }
    TRY_ASSIGN(const auto rows, session.query(
        "SELECT c.id AS id, c.file_id AS file_id, d.filename AS filename, c.ordinal AS ordinal, c.text AS text, "
        "c.headings AS headings, c.page AS page, c.tokens AS tokens, f.attributes AS attributes FROM chunks c "
        "JOIN files d ON d.id = c.file_id JOIN vector_store_files f ON f.store_id = c.store_id AND f.file_id = c.file_id "
        "WHERE c.store_id = :store AND c.id IN (" + list + ")", params));
    for (const auto& row : rows) found.emplace(row.text("id"), row);
    return found;
}

}  // namespace

Retriever::Retriever(sql::Database& database, KnowledgeModels& models, Calibrator& calibrator, IndexCache& cache,
                     VectorStoreService& stores, ThreadPool& pool, const Clock& clock, trace::SpanStore* spans)
    : database_(database), models_(models), calibrator_(calibrator), cache_(cache), stores_(stores), pool_(pool),
      clock_(clock), spans_(spans) {}

Task<Result<SearchResult>> Retriever::search(CallContext context, SearchRequest request) {
    trace::Span span(spans_, clock_, "retrieve " + request.store_id, "internal", context.trace);
    span.set_project(context.principal.project);
    span.set("gen_ai.operation.name", std::string("retrieval"));
    span.set("gen_ai.data_source.id", request.store_id);
    context.trace = span.context();

    auto result = std::make_shared<SearchResult>();
    CO_TRY_ASSIGN(result->store, co_await stores_.get(context.principal.project, request.store_id));
    if (result->store.expired) {
        co_return fail(failed_precondition("vector store '" + request.store_id + "' has expired").with_reason("vector_store_expired"));
    }
    if (const auto touched = co_await stores_.touch(result->store); !touched) {
        log::warning("last use of a vector store not recorded", {{"store", request.store_id}, {"error", touched.error()}});
    }
    // Nothing was ever indexed in a store that is not pinned to a model.
    if (result->store.dimensions == 0) co_return std::move(*result);

    auto vectors = std::make_shared<std::vector<std::vector<float>>>();
    if (const auto embedded = co_await embed_queries(context, result, vectors, request.queries); !embedded) {
        if (context.stop.stop_requested()) co_return fail(embedded.error());
        vectors->assign(request.queries.size(), {});
        result->words_only = true;
        result->warning = "the embedding model is not available; passages were found by their words only";
        log::warning("searching by words only", {{"store", request.store_id}, {"error", embedded.error()}});
    }
    auto scanning = [this, result, request, vectors]() -> Result<> { return scan(*result, request, *vectors); };
    CO_TRY(co_await offload(pool_, std::move(scanning)));
    span.set("atrium.retrieval.passages", static_cast<std::int64_t>(result->passages.size()));
    span.set("atrium.retrieval.words_only", result->words_only);
    co_return std::move(*result);
}

Task<Result<>> Retriever::embed_queries(CallContext context, std::shared_ptr<SearchResult> result,
                                        std::shared_ptr<std::vector<std::vector<float>>> vectors,
                                        std::vector<std::string> queries) {
    const std::string model = result->store.embedding_model;
    const auto count = queries.size();
    CO_TRY_ASSIGN(const auto embedded, co_await models_.embed(context, model, std::move(queries), true));
    const auto size = static_cast<std::size_t>(result->store.dimensions);
    if (embedded.dimensions != size || embedded.values.size() != size * count) {
        co_return fail(failed_precondition("the embedding model '" + model + "' changed its dimension"));
    }
    for (std::size_t i = 0; i < count; ++i) {
        const auto* first = embedded.values.data() + i * size;
        vectors->emplace_back(first, first + size);
    }
    CO_TRY_ASSIGN(result->calibration, co_await calibrator_.of(context, model));
    // Last: a query vector with the similarities of another model would pass for evidence.
    result->query_vector = vectors->front();
    co_return Result<>{};
}

Result<> Retriever::scan(SearchResult& result, const SearchRequest& request, const std::vector<std::vector<float>>& vectors) {
    TRY_ASSIGN(result.index, cache_.acquire(result.store.id));
    const auto wanted = std::max(kScored, static_cast<std::size_t>(request.limit));
    std::map<std::string, Ranked> best;  // by chunk
    for (std::size_t q = 0; q < request.queries.size(); ++q) {
        const auto& query = request.queries[q];
        TRY_ASSIGN(auto candidates, result.index->search(vectors[q], query, request.filter, kPerLeg));
        // A passage outside the dense leg is at most as similar as the last one inside.
        double dense_bound = 0;
        for (const auto& candidate : candidates) {
            if (candidate.dense && static_cast<std::size_t>(candidate.dense->rank) == kPerLeg) {
                dense_bound = result.calibration.normalise(candidate.dense->score);
            }
        }
        if (candidates.size() > wanted) candidates.resize(wanted);
        using Found = std::vector<Ranked>;
        TRY_ASSIGN(auto found, database_.read_now<Found>([&](sql::Session& session) -> Result<Found> {
            Found rows;
            TRY_ASSIGN(const auto read, read_passages(session, result.store.id, candidates));
            for (const auto& candidate : candidates) {
                const auto row = read.find(candidate.chunk_id);
                if (row == read.end()) continue;  // removed since the index was refreshed
                Ranked ranked;
                ranked.passage.chunk = rows::chunk_from(row->second);
                ranked.passage.attributes = codec::decode_object(row->second.text("attributes"));
                ranked.passage.dense = candidate.dense;
                ranked.passage.lexical = candidate.lexical;
                ranked.order = candidate.fused / kBestFused;
                rows.push_back(std::move(ranked));
            }
            return rows;
        }));
        for (auto& ranked : found) {
            const double covered = result.index->coverage(query, searchable_text(ranked.passage.chunk));
            double score = covered;
            if (!vectors[q].empty()) {
                const double similar =
                    ranked.passage.dense ? result.calibration.normalise(ranked.passage.dense->score) : dense_bound;
                score = kDenseShare * similar + (1 - kDenseShare) * covered;
            }
            ranked.passage.score = std::clamp(score, 0.0, 1.0);
            ranked.order = kFusedShare * ranked.order + (1 - kFusedShare) * ranked.passage.score;
            auto& known = best[ranked.passage.chunk.id];
            if (known.passage.chunk.id.empty() || known.order < ranked.order) known = std::move(ranked);
        }
    }

    std::vector<Ranked> ordered;
    for (auto& [id, ranked] : best) ordered.push_back(std::move(ranked));
    std::sort(ordered.begin(), ordered.end(), [](const Ranked& a, const Ranked& b) {
        if (a.order != b.order) return a.order > b.order;
        return std::tie(a.passage.chunk.file_id, a.passage.chunk.ordinal) < std::tie(b.passage.chunk.file_id, b.passage.chunk.ordinal);
    });
    // Scores never rise along the list: what ranks higher fits at least as well as what follows it.
    for (std::size_t i = ordered.size(); i > 1; --i) {
        ordered[i - 2].passage.score = std::max(ordered[i - 2].passage.score, ordered[i - 1].passage.score);
    }
    for (auto& ranked : ordered) {
        if (ranked.passage.score < request.score_threshold) break;
        if (result.passages.size() == static_cast<std::size_t>(request.limit)) break;
        result.passages.push_back(std::move(ranked.passage));
    }
    return {};
}

}  // namespace atrium::app
