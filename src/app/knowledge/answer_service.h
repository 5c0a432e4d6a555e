#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/knowledge/answer_check.h"
#include "app/knowledge/evidence.h"
#include "app/knowledge/models.h"
#include "app/knowledge/retriever.h"

namespace atrium::app {

struct AnswerRequest {
    std::string store_id;
    std::string question;
    std::string model;     ///< empty: the default
    std::string language;  ///< "zh", "en", or empty: that of the question
    int max_results = 8;   ///< passages to retrieve, 1 … 20
};

enum class AnswerKind {
    kGenerated,  ///< written by a model and checked
    kEvidence,   ///< quotes only
    kAbstained,  ///< not in the documents
};
std::string_view answer_kind_name(AnswerKind kind);

/// Where a statement of the answer comes from: a verbatim sentence of a passage.
struct Citation {
    int marker = 0;  ///< the [n] in the answer's text
    std::string chunk_id;
    std::string file_id;
    std::string filename;
    std::int64_t page = 0;
    std::vector<std::string> headings;
    std::string quote;
    std::int64_t start = 0;  ///< characters in the passage's text
    std::int64_t end = 0;
};

struct Answer {
    std::string id;  ///< "ans_…"
    std::string text;
    AnswerKind kind = AnswerKind::kAbstained;
    std::optional<std::string> model;  ///< that wrote part of the text
    std::optional<std::string> asked_model;  ///< that was asked, whether its words were used or not
    bool small_model = false;
    std::vector<Citation> citations;
    std::vector<FoundPassage> retrieval;
    std::vector<std::string> warnings;
    model::TokenUsage usage;
};

/// Receives an answer as it comes into being. Called from the asking task only; an error ends the answer.
class AnswerSink {
public:
    virtual ~AnswerSink() = default;
    virtual Task<Result<>> on_retrieval(const std::vector<FoundPassage>& passages) = 0;
    virtual Task<Result<>> on_text(std::string_view text) = 0;
};

/// Answers questions from a vector store. Nothing unsupported is shown as fact:
///
/// 1. Retrieve; score the sentences of the passages; below the threshold abstain.
/// 2. A small model may add one short line above the quoted evidence, if that line stands in a passage word for word.
/// 3. A capable model leads: each of its sentences is held back until it is complete and checked against the
///    passages; what none supports is dropped. If nothing is left, or the model fails, the quoted evidence answers.
///
/// Owned by Knowledge. Thread-safe. Fails only when the store is not there, or retrieval itself failed.
class AnswerService {
public:
    AnswerService(Retriever& retriever, KnowledgeModels& models, ThreadPool& pool, const Clock& clock, trace::SpanStore* spans,
                  EvidenceThresholds thresholds = {});

    /// `sink` and `outcome` may be null; they must outlive the call. `outcome` is told what the chat model was asked
    /// and what it cost, also when the answer breaks off.
    Task<Result<Answer>> ask(CallContext context, AnswerRequest request, AnswerSink* sink = nullptr,
                             CallOutcome* outcome = nullptr);

private:
    struct Work;

    Task<Result<>> score_evidence(std::shared_ptr<Work> work);
    Task<Result<bool>> lead_with_model(std::shared_ptr<Work> work);
    Task<Result<>> short_answer(std::shared_ptr<Work> work);
    Task<Result<>> quote_evidence(std::shared_ptr<Work> work);
    Task<Result<>> abstain(std::shared_ptr<Work> work);
    Task<Result<>> take_generated(std::shared_ptr<Work> work, std::string piece);
    Task<Result<>> check_sentence(std::shared_ptr<Work> work, std::string sentence);
    Task<std::optional<std::size_t>> similar_sentence(std::shared_ptr<Work> work, std::string sentence, std::size_t passage);
    static Task<Result<>> emit(std::shared_ptr<Work> work, std::string text);

    Retriever& retriever_;
    KnowledgeModels& models_;
    ThreadPool& pool_;
    const Clock& clock_;
    trace::SpanStore* spans_;
    const EvidenceThresholds thresholds_;
};

}  // namespace atrium::app
