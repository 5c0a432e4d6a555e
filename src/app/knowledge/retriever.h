#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/knowledge/calibration.h"
#include "app/knowledge/filters.h"
#include "app/knowledge/index_cache.h"
#include "app/knowledge/models.h"
#include "app/knowledge/types.h"
#include "app/knowledge/vector_store_service.h"

namespace atrium::app {

struct SearchRequest {
    std::string store_id;
    std::vector<std::string> queries;  ///< at least one; results are merged
    AttributeFilter filter;
    int limit = 10;
    double score_threshold = 0;
};

/// A passage that was found. `score` is 0 … 1: how well it fits the question, comparable between stores and models.
struct FoundPassage {
    StoredChunk chunk;
    json::object attributes;  ///< of its file
    double score = 0;
    std::optional<LegHit> dense;    ///< raw cosine
    std::optional<LegHit> lexical;  ///< raw BM25
};

struct SearchResult {
    VectorStore store;
    std::vector<FoundPassage> passages;  ///< best first
    /// The embedding model did not answer: words only. `warning` tells people.
    bool words_only = false;
    std::string warning;
    /// For those who go on scoring: term statistics and the meaning of cosines. Null when the store holds nothing.
    std::shared_ptr<StoreIndex> index;
    std::vector<float> query_vector;  ///< of the first query; empty when words_only
    Calibration calibration;
};

/// Hybrid search in one vector store: dense and BM25, 50 passages each, fused by reciprocal rank, scored by calibrated
/// similarity and covered information. Owned by Knowledge. Thread-safe; scanning happens on the pool.
///
/// The project of the caller is part of every look-up: a foreign store is kNotFound. An embedding model that is away
/// degrades the search to words instead of failing it.
class Retriever {
public:
    Retriever(sql::Database& database, KnowledgeModels& models, Calibrator& calibrator, IndexCache& cache,
              VectorStoreService& stores, ThreadPool& pool, const Clock& clock, trace::SpanStore* spans);

    Task<Result<SearchResult>> search(CallContext context, SearchRequest request);

private:
    Task<Result<>> embed_queries(CallContext context, std::shared_ptr<SearchResult> result,
                                 std::shared_ptr<std::vector<std::vector<float>>> vectors, std::vector<std::string> queries);
    Result<> scan(SearchResult& result, const SearchRequest& request, const std::vector<std::vector<float>>& vectors);

    sql::Database& database_;
    KnowledgeModels& models_;
    Calibrator& calibrator_;
    IndexCache& cache_;
    VectorStoreService& stores_;
    ThreadPool& pool_;
    const Clock& clock_;
    trace::SpanStore* spans_;
};

}  // namespace atrium::app
