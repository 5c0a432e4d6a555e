#include "app/knowledge/answer_service.h"

#include <algorithm>
#include <utility>

#include "app/knowledge/prompts.h"
#include "base/id.h"
#include "base/text.h"
#include "data/lexical/analyzer.h"
#include "observability/log/log.h"

namespace atrium::app {

namespace {

constexpr std::size_t kEmbeddedSentences = 24;
constexpr std::size_t kSmallModelPassages = 3;
constexpr std::size_t kSmallWindow = 500;     ///< characters of a passage shown to a small model
constexpr std::size_t kSmallWindowCjk = 220;
constexpr int kDefaultBudget = 4000;          ///< tokens of passages for a capable model
/// Calibrated similarity from which a sentence in another language counts as saying the same.
constexpr double kSameMeaning = 0.75;
constexpr std::size_t kComparedSentences = 16;

double dot(std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

std::string quoted(const std::string& text, bool zh) {
    // A quotation mark inside the quote would end it early for the reader's eye.
    return zh ? "「" + text + "」" : "“" + text + "”";
}

}  // namespace

std::string_view answer_kind_name(AnswerKind kind) {
    switch (kind) {
        case AnswerKind::kGenerated: return "generated";
        case AnswerKind::kEvidence: return "evidence";
        case AnswerKind::kAbstained: return "abstained";
    }
    return "abstained";
}

/// One question on its way; shared by the coroutines that answer it.
struct AnswerService::Work {
    CallContext context;
    AnswerRequest request;
    AnswerSink* sink = nullptr;
    CallOutcome* outcome = nullptr;
    bool zh = false;
    SearchResult found;
    std::vector<Sentence> ranked;
    Evidence evidence;
    std::optional<AnswerModel> model;
    Answer answer;
    SentenceCutter cutter;
    int dropped = 0;
    bool not_found = false;  ///< the model said so

    double coverage(std::string_view query, std::string_view text) const { return found.index->coverage(query, text); }
    CoverageFunction coverage_function() const {
        return [this](std::string_view query, std::string_view text) { return coverage(query, text); };
    }
    const FoundPassage& passage(std::size_t i) const { return found.passages[i]; }

    /// The number under which a sentence is cited: one per quoted sentence.
    int cite(const Sentence& sentence) {
        const auto& chunk = passage(sentence.passage).chunk;
        for (const auto& citation : answer.citations) {
            if (citation.chunk_id == chunk.id && citation.start == sentence.start) return citation.marker;
        }
        const int marker = static_cast<int>(answer.citations.size()) + 1;
        answer.citations.push_back({marker, chunk.id, chunk.file_id, chunk.filename, chunk.page, chunk.headings, sentence.text,
                                    sentence.start, sentence.end});
        return marker;
    }
};

AnswerService::AnswerService(Retriever& retriever, KnowledgeModels& models, ThreadPool& pool, const Clock& clock,
                             trace::SpanStore* spans, EvidenceThresholds thresholds)
    : retriever_(retriever), models_(models), pool_(pool), clock_(clock), spans_(spans), thresholds_(thresholds) {}

Task<Result<Answer>> AnswerService::ask(CallContext context, AnswerRequest request, AnswerSink* sink,
                                          CallOutcome* outcome) {
    trace::Span span(spans_, clock_, "answer " + request.store_id, "internal", context.trace);
    span.set_project(context.principal.project);
    context.trace = span.context();

    auto work = std::make_shared<Work>();
    work->context = context;
    work->request = request;
    work->sink = sink;
    work->outcome = outcome;
    work->answer.id = new_id("ans_");
    const std::string language = request.language.empty() ? std::string(data::detect_language(request.question)) : request.language;
    work->zh = language == "zh";

    // A model that was asked for by name has to exist; the default one may be away, quotes need none.
    auto model = models_.answer_model(request.model);
    if (model) {
        work->model = *model;
        work->answer.small_model = model->small;
    } else if (!request.model.empty() && model.error().code() != Code::kUnavailable) {
        co_return fail(std::move(model).error());
    } else {
        work->answer.warnings.emplace_back("no chat model is ready; the answer quotes the documents");
    }

    SearchRequest search;
    search.store_id = request.store_id;
    search.queries = {request.question};
    search.limit = request.max_results;
    CO_TRY_ASSIGN(work->found, co_await retriever_.search(context, std::move(search)));
    work->answer.retrieval = work->found.passages;
    if (!work->found.warning.empty()) work->answer.warnings.push_back(work->found.warning);
    if (sink != nullptr) CO_TRY(co_await sink->on_retrieval(work->found.passages));

    if (!work->found.passages.empty()) CO_TRY(co_await score_evidence(work));
    span.set("atrium.answer.evidence", work->evidence.best);
    const bool capable = work->model && !work->model->small;
    // A capable model also finds answers that no single sentence gives away, so it may try on half the evidence.
    const bool worth_asking = capable && !work->found.passages.empty() && work->evidence.best >= thresholds_.answer / 2;
    bool answered = false;
    if (worth_asking) {
        CO_TRY_ASSIGN(answered, co_await lead_with_model(work));
    }
    if (!answered) {
        if (work->evidence.sentences.empty() || work->not_found) {
            CO_TRY(co_await abstain(work));
        } else {
            if (work->model && work->model->small) CO_TRY(co_await short_answer(work));
            CO_TRY(co_await quote_evidence(work));
        }
    }
    span.set("atrium.answer.kind", std::string(answer_kind_name(work->answer.kind)));
    span.set("atrium.answer.dropped_sentences", static_cast<std::int64_t>(work->dropped));
    co_return std::move(work->answer);
}

Task<Result<>> AnswerService::score_evidence(std::shared_ptr<Work> work) {
    auto select = [work]() -> Result<std::vector<Sentence>> {
        return preselect_sentences(work->request.question, work->found.passages, work->coverage_function(), kEmbeddedSentences);
    };
    CO_TRY_ASSIGN(work->ranked, co_await offload(pool_, std::move(select)));
    if (!work->ranked.empty() && !work->found.query_vector.empty()) {
        std::vector<std::string> texts;
        for (const auto& sentence : work->ranked) texts.push_back(sentence_in_context(work->passage(sentence.passage), sentence));
        const auto vectors = co_await models_.embed(work->context, work->found.store.embedding_model, std::move(texts), false);
        const auto size = work->found.query_vector.size();
        if (vectors && vectors->values.size() == size * work->ranked.size()) {
            for (std::size_t i = 0; i < work->ranked.size(); ++i) {
                const double cosine = dot(work->found.query_vector, std::span(vectors->values).subspan(i * size, size));
                work->ranked[i].similarity = work->found.calibration.normalise(cosine);
            }
        } else if (!vectors) {
            if (work->context.stop.stop_requested()) co_return fail(vectors.error());
            log::warning("sentences compared by words only", {{"error", vectors.error()}});
        }
    }
    rank_sentences(work->ranked, work->found.passages);
    work->evidence = choose_evidence(work->ranked, thresholds_);
    co_return Result<>{};
}

Task<Result<>> AnswerService::emit(std::shared_ptr<Work> work, std::string text) {
    work->answer.text += text;
    if (work->sink != nullptr) CO_TRY(co_await work->sink->on_text(text));
    co_return Result<>{};
}

Task<Result<>> AnswerService::abstain(std::shared_ptr<Work> work) {
    work->answer.kind = AnswerKind::kAbstained;
    work->answer.citations.clear();
    co_return co_await emit(work, work->zh ? "知识库的文档里没有这个问题的答案。" : "The documents in this knowledge base do not answer this question.");
}

Task<Result<>> AnswerService::quote_evidence(std::shared_ptr<Work> work) {
    if (work->answer.kind != AnswerKind::kGenerated) work->answer.kind = AnswerKind::kEvidence;
    for (const auto& sentence : work->evidence.sentences) {
        const int marker = work->cite(sentence);
        std::string line = work->answer.text.empty() ? "" : "\n\n";
        line += quoted(sentence.text, work->zh) + " [" + std::to_string(marker) + "]";
        CO_TRY(co_await emit(work, std::move(line)));
    }
    co_return Result<>{};
}

Task<Result<>> AnswerService::short_answer(std::shared_ptr<Work> work) {
    // The passages of the best sentences, each cut to what surrounds its best one.
    std::vector<FoundPassage> shown;
    std::vector<std::string> windows;
    std::vector<std::size_t> origin;
    for (const auto& sentence : work->ranked) {
        if (shown.size() == kSmallModelPassages) break;
        if (std::find(origin.begin(), origin.end(), sentence.passage) != origin.end()) continue;
        const auto& passage = work->passage(sentence.passage);
        const bool cjk = data::detect_language(passage.chunk.text) == "zh";
        origin.push_back(sentence.passage);
        shown.push_back(passage);
        windows.push_back(window_around(passage.chunk.text, sentence.start, sentence.end, cjk ? kSmallWindowCjk : kSmallWindow));
    }
    const auto written = co_await models_.complete(work->context, work->model->id,
                                                   small_prompt(work->request.question, windows, work->zh ? "zh" : "en"),
                                                   work->outcome);
    if (!written) {
        if (work->context.stop.stop_requested()) co_return fail(written.error());
        work->answer.warnings.emplace_back("the chat model did not answer; the answer quotes the documents");
        log::warning("answer without the small model", {{"model", work->model->id}, {"error", written.error()}});
        co_return Result<>{};
    }
    work->answer.usage = written->usage;
    work->answer.asked_model = work->model->id;
    const auto checked = check_short_answer(work->request.question, written->text, shown);
    if (!checked) co_return Result<>{};

    // The sentence that says so has to be evidence itself: a word that also stands somewhere else proves nothing.
    const std::string wording = normalise_wording(checked->text);
    const auto says_so = [&](const Sentence& sentence) { return normalise_wording(sentence.text).find(wording) != std::string::npos; };
    auto& chosen = work->evidence.sentences;
    auto proof = std::find_if(chosen.begin(), chosen.end(), says_so);
    if (proof == chosen.end()) {
        const auto other = std::find_if(work->ranked.begin(), work->ranked.end(), says_so);
        if (other == work->ranked.end() || other->score < thresholds_.relative * work->evidence.best) co_return Result<>{};
        chosen.insert(chosen.begin(), *other);
        if (chosen.size() > thresholds_.count) chosen.pop_back();
        proof = chosen.begin();
    }
    std::rotate(chosen.begin(), proof, proof + 1);  // the proof is quoted first
    // Repeating a whole sentence above itself tells nobody anything.
    if (wording == normalise_wording(chosen.front().text)) co_return Result<>{};
    work->answer.kind = AnswerKind::kGenerated;
    work->answer.model = work->model->id;
    const int marker = work->cite(chosen.front());
    co_return co_await emit(work, checked->text + " [" + std::to_string(marker) + "]");
}

Task<Result<bool>> AnswerService::lead_with_model(std::shared_ptr<Work> work) {
    const int context_length = work->model->context_length;
    const int budget = context_length > 0 ? std::clamp(context_length / 2, 300, kDefaultBudget) : kDefaultBudget;
    auto prompt = grounded_prompt(work->request.question, work->found.passages, work->zh ? "zh" : "en", budget);
    const auto written = co_await models_.stream(
        work->context, work->model->id, std::move(prompt),
        [this, work](std::string_view piece) { return take_generated(work, std::string(piece)); }, work->outcome);
    if (!written) {
        if (work->context.stop.stop_requested()) co_return fail(written.error());
        log::warning("answer without the model", {{"model", work->model->id}, {"error", written.error()}});
        work->answer.warnings.emplace_back(work->answer.text.empty()
                                               ? "the chat model did not answer; the answer quotes the documents"
                                               : "the chat model broke off; the answer may be incomplete");
    } else {
        work->answer.usage = written->usage;
        work->answer.asked_model = work->model->id;
        for (auto& sentence : work->cutter.finish()) CO_TRY(co_await check_sentence(work, std::move(sentence)));
    }
    if (work->dropped > 0) {
        work->answer.warnings.push_back(std::to_string(work->dropped) + " sentences without support in the documents were left out");
    }
    if (work->answer.text.empty()) co_return false;
    work->answer.kind = AnswerKind::kGenerated;
    work->answer.model = work->model->id;
    co_return true;
}

Task<Result<>> AnswerService::take_generated(std::shared_ptr<Work> work, std::string piece) {
    for (auto& sentence : work->cutter.feed(piece)) CO_TRY(co_await check_sentence(work, std::move(sentence)));
    co_return Result<>{};
}

Task<Result<>> AnswerService::check_sentence(std::shared_ptr<Work> work, std::string raw) {
    if (raw.find(kNotFoundAnswer) != std::string::npos) {
        work->not_found = work->answer.text.empty();
        co_return Result<>{};
    }
    const auto marked = split_markers(raw);
    if (normalise_wording(marked.text).empty()) co_return Result<>{};
    const auto& passages = work->found.passages;
    std::vector<std::size_t> named;
    for (const int marker : marked.markers) {
        if (marker >= 1 && static_cast<std::size_t>(marker) <= passages.size()) named.push_back(static_cast<std::size_t>(marker) - 1);
    }
    const auto coverage = work->coverage_function();
    const auto proven = [&](std::size_t p) { return supports(work->request.question, marked.text, passages[p], coverage); };
    std::vector<std::size_t> proofs;
    std::copy_if(named.begin(), named.end(), std::back_inserter(proofs), proven);
    std::vector<std::pair<std::size_t, std::size_t>> similar;  // passage, its sentence
    if (proofs.empty()) {
        // Said in another language than the passage: words cannot tell, meaning can.
        for (const auto p : named) {
            if (!numbers_occur(work->request.question, marked.text, passages[p])) continue;
            if (data::detect_language(passages[p].chunk.text) == data::detect_language(marked.text)) continue;
            if (const auto sentence = co_await similar_sentence(work, marked.text, p)) similar.emplace_back(p, *sentence);
        }
    }
    if (proofs.empty() && similar.empty()) {
        // The number may be wrong or forgotten while the statement is right.
        for (std::size_t p = 0; p < passages.size() && proofs.empty(); ++p) {
            if (proven(p)) proofs.push_back(p);
        }
    }
    if (proofs.empty() && similar.empty()) {
        ++work->dropped;
        co_return Result<>{};
    }

    std::string text = marked.text;
    for (const auto p : proofs) {
        auto sentences = split_passage(p, passages[p].chunk.text);
        if (sentences.empty()) continue;
        const auto best = std::max_element(sentences.begin(), sentences.end(), [&](const Sentence& a, const Sentence& b) {
            return work->coverage(marked.text, a.text) < work->coverage(marked.text, b.text);
        });
        text += " [" + std::to_string(work->cite(*best)) + "]";
    }
    for (const auto& [p, sentence] : similar) {
        text += " [" + std::to_string(work->cite(split_passage(p, passages[p].chunk.text)[sentence])) + "]";
    }
    // The line structure of the model's text is kept: lists stay lists.
    const bool new_line = raw.ends_with('\n');
    const bool first = work->answer.text.empty() || work->answer.text.ends_with('\n');
    co_return co_await emit(work, (first || work->zh ? "" : " ") + text + (new_line ? "\n" : ""));
}

Task<std::optional<std::size_t>> AnswerService::similar_sentence(std::shared_ptr<Work> work, std::string said, std::size_t passage) {
    if (work->found.query_vector.empty()) co_return std::nullopt;
    auto sentences = split_passage(passage, work->passage(passage).chunk.text);
    if (sentences.size() > kComparedSentences) sentences.resize(kComparedSentences);
    std::vector<std::string> texts{said};
    for (const auto& sentence : sentences) texts.push_back(sentence.text);
    const auto vectors = co_await models_.embed(work->context, work->found.store.embedding_model, std::move(texts), false);
    const auto size = work->found.query_vector.size();
    if (!vectors || vectors->values.size() != size * (sentences.size() + 1)) co_return std::nullopt;
    const auto all = std::span(vectors->values);
    std::optional<std::size_t> best;
    double best_score = kSameMeaning;
    for (std::size_t i = 0; i < sentences.size(); ++i) {
        const double score = work->found.calibration.normalise(dot(all.subspan(0, size), all.subspan((i + 1) * size, size)));
        if (score < best_score) continue;
        best_score = score;
        best = i;
    }
    co_return best;
}

}  // namespace atrium::app
