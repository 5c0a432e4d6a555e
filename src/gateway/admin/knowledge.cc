#include "gateway/admin/knowledge.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "gateway/openai/knowledge_wire.h"

namespace atrium::gateway {
namespace {

constexpr std::size_t kMaxQuestion = 8000;  // bytes

struct Services {
    app::VectorStoreService& stores;
    app::Retriever& retriever;
    app::AnswerService& answers;
};

const std::string& project(const Call& call) { return call.principal().project; }
std::string store_id(const Call& call) { return call.path("vector_store_id"); }

json::value page_or_null(std::int64_t page) {
    if (page <= 0) return nullptr;
    return page;
}

json::object file_to_json(const app::StoreFile& file) {
    json::object body{{"id", file.file_id},
                      {"filename", file.filename},
                      {"bytes", file.bytes},
                      {"created_at", file.created_at},
                      {"status", file.status},
                      {"stage", file.stage},
                      {"progress", file.progress},
                      {"pages", file.pages},
                      {"chunks", file.chunks},
                      {"language", wire::text_or_null(file.language)},
                      {"error", nullptr},
                      {"warnings", wire::strings(file.warnings)}};
    if (!file.error_code.empty()) body["error"] = json::object{{"code", file.error_code}, {"message", file.error_message}};
    return body;
}

json::object chunk_to_json(const app::StoredChunk& chunk) {
    return {{"id", chunk.id},
            {"ordinal", chunk.ordinal},
            {"text", chunk.text},
            {"headings", wire::strings(chunk.headings)},
            {"page", page_or_null(chunk.page)},
            {"tokens", chunk.tokens}};
}

json::object passage_to_json(const app::FoundPassage& passage) {
    const auto& chunk = passage.chunk;
    return {{"chunk_id", chunk.id},
            {"file_id", chunk.file_id},
            {"filename", chunk.filename},
            {"page", page_or_null(chunk.page)},
            {"headings", wire::strings(chunk.headings)},
            {"text", chunk.text},
            {"score", passage.score}};
}

json::value leg_to_json(const std::optional<app::LegHit>& leg) {
    if (!leg) return nullptr;
    return json::object{{"rank", leg->rank}, {"score", leg->score}};
}

json::array passages_to_json(const std::vector<app::FoundPassage>& passages) {
    json::array data;
    for (const auto& passage : passages) data.push_back(passage_to_json(passage));
    return data;
}

json::object answer_to_json(const app::Answer& answer) {
    json::array citations;
    for (const auto& citation : answer.citations) {
        citations.push_back(json::object{{"marker", citation.marker},
                                         {"chunk_id", citation.chunk_id},
                                         {"file_id", citation.file_id},
                                         {"filename", citation.filename},
                                         {"page", page_or_null(citation.page)},
                                         {"headings", wire::strings(citation.headings)},
                                         {"quote", citation.quote},
                                         {"start", citation.start},
                                         {"end", citation.end}});
    }
    json::object body{{"id", answer.id},
                      {"answer", answer.text},
                      {"kind", app::answer_kind_name(answer.kind)},
                      {"model", nullptr},
                      {"small_model", answer.small_model},
                      {"citations", std::move(citations)},
                      {"retrieval", passages_to_json(answer.retrieval)},
                      {"usage",
                       {{"prompt_tokens", answer.usage.prompt_tokens},
                        {"completion_tokens", answer.usage.completion_tokens},
                        {"total_tokens", answer.usage.prompt_tokens + answer.usage.completion_tokens}}},
                      {"warnings", wire::strings(answer.warnings)}};
    if (answer.model) body["model"] = *answer.model;
    return body;
}

Task<Result<>> list_files(Call& call, Services on) {
    CO_TRY_ASSIGN(auto paging, wire::paging(call));
    CO_TRY_ASSIGN(const auto page, co_await on.stores.list_files(project(call), store_id(call), "", paging));
    co_return co_await call.respond_json(wire::list(page, file_to_json, [](const app::StoreFile& file) { return file.file_id; }));
}

Task<Result<>> list_chunks(Call& call, Services on) {
    CO_TRY_ASSIGN(auto paging, wire::paging(call));
    paging.ascending = call.query("order").value_or("asc") == "asc";  // a document is read from its beginning
    CO_TRY_ASSIGN(const auto page, co_await on.stores.list_chunks(project(call), store_id(call), call.path("file_id"), paging));
    co_return co_await call.respond_json(wire::list(page, chunk_to_json, [](const app::StoredChunk& chunk) { return chunk.id; }));
}

Task<Result<>> get_chunk(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto context, co_await on.stores.get_chunk(project(call), store_id(call), call.path("chunk_id")));
    json::object body = chunk_to_json(context.chunk);
    body["file_id"] = context.chunk.file_id;
    body["filename"] = context.chunk.filename;
    body["before"] = nullptr;
    body["after"] = nullptr;
    if (context.before) body["before"] = json::object{{"text", *context.before}};
    if (context.after) body["after"] = json::object{{"text", *context.after}};
    co_return co_await call.respond_json(body);
}

Result<std::string> parse_question(const json::object& body, std::string_view key) {
    TRY_ASSIGN(auto question, json::Reader(body).required_string(key));
    const std::string field(key);
    if (text::trim(question).empty()) return fail(invalid_argument(field + " must not be empty").with_field(field));
    if (question.size() > kMaxQuestion) {
        return fail(invalid_argument(fmt::format("{} must not exceed {} bytes", field, kMaxQuestion)).with_field(field));
    }
    return std::string(text::trim(question));
}

Task<Result<>> search(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    app::SearchRequest request;
    request.store_id = store_id(call);
    CO_TRY_ASSIGN(auto query, parse_question(body, "query"));
    request.queries = {std::move(query)};
    CO_TRY_ASSIGN(const auto limit, json::Reader(body).optional_int("limit", 1, 50));
    request.limit = static_cast<int>(limit.value_or(10));
    CO_TRY_ASSIGN(const auto found, co_await on.retriever.search(call.context(), std::move(request)));
    json::array data;
    for (const auto& passage : found.passages) {
        json::object entry = passage_to_json(passage);
        entry["dense"] = leg_to_json(passage.dense);
        entry["lexical"] = leg_to_json(passage.lexical);
        data.push_back(std::move(entry));
    }
    co_return co_await call.respond_json(json::object{{"data", std::move(data)}, {"warning", wire::text_or_null(found.warning)}});
}

/// Sends an answer as it comes: "retrieval", then "delta"s. The stream starts with the first event, so that a failure
/// before it still has its HTTP status.
class SseAnswer final : public app::AnswerSink {
public:
    explicit SseAnswer(Call& call) : call_(call) {}

    Task<Result<>> on_retrieval(const std::vector<app::FoundPassage>& passages) override {
        return send(json::object{{"data", passages_to_json(passages)}}, "retrieval");
    }
    Task<Result<>> on_text(std::string_view text) override { return send(json::object{{"text", text}}, "delta"); }
    Task<Result<>> send(json::object data, std::string event) {
        const std::string line = json::serialize(data);
        co_return co_await call_.send_sse(line, event);
    }

private:
    Call& call_;
};

Task<Result<>> ask(Call& call, Services on) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    const json::Reader reader(body);
    app::AnswerRequest request;
    request.store_id = store_id(call);
    CO_TRY_ASSIGN(request.question, parse_question(body, "question"));
    CO_TRY_ASSIGN(const auto model, reader.optional_string("model"));
    request.model = model.value_or("");
    CO_TRY_ASSIGN(const auto language, reader.optional_string("language"));
    request.language = language.value_or("");
    if (!request.language.empty() && request.language != "zh" && request.language != "en") {
        co_return fail(invalid_argument("language must be 'zh' or 'en'").with_field("language"));
    }
    CO_TRY_ASSIGN(const auto results, reader.optional_int("max_results", 1, 20));
    if (results) request.max_results = static_cast<int>(*results);
    CO_TRY_ASSIGN(const auto stream, reader.optional_bool("stream"));

    if (!stream.value_or(false)) {
        CO_TRY_ASSIGN(const auto answer, co_await on.answers.ask(call.context(), std::move(request), nullptr, &call.outcome));
        co_return co_await call.respond_json(answer_to_json(answer));
    }
    co_await call.expect_sse();
    SseAnswer sink(call);
    CO_TRY_ASSIGN(const auto answer, co_await on.answers.ask(call.context(), std::move(request), &sink, &call.outcome));
    co_return co_await sink.send(answer_to_json(answer), "done");
}

using Handler = Task<Result<>> (*)(Call&, Services);

}  // namespace

void add_knowledge_routes(RouteTable& routes, app::VectorStoreService& stores, app::Retriever& retriever,
                          app::AnswerService& answers) {
    const Services on{stores, retriever, answers};
    const auto add = [&](http::Method method, std::string pattern, std::string summary, Handler handler) {
        routes.add({.method = method, .pattern = "/atrium/v1/knowledge/{vector_store_id}" + pattern, .dialect = Dialect::kAtrium,
                    .tag = "knowledge", .summary = std::move(summary),
                    .handler = [on, handler](Call& call) { return handler(call, on); }});
    };
    add(http::Method::kGet, "/files", "Files with stage and progress", list_files);
    add(http::Method::kGet, "/files/{file_id}/chunks", "The passages of a file", list_chunks);
    add(http::Method::kGet, "/chunks/{chunk_id}", "A passage with its neighbours", get_chunk);
    add(http::Method::kPost, "/search", "Search and see both legs", search);
    add(http::Method::kPost, "/ask", "Answer a question with citations; streams with \"stream\": true", ask);
}

}  // namespace atrium::gateway
