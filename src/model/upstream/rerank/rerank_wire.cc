#include "model/upstream/rerank/rerank_wire.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/id.h"

namespace atrium::model::rerank {
namespace {

constexpr std::size_t kMaxDocuments = 10'000;

struct Scored {
    std::size_t index = 0;
    double score = 0;
};

Result<std::vector<Scored>> read_results(const json::array& results, std::string_view score, std::size_t documents) {
    std::vector<Scored> scored;
    std::vector<bool> seen(documents);
    for (const auto& item : results) {
        const auto* object = item.if_object();
        const auto* index = object != nullptr ? object->if_contains("index") : nullptr;
        const auto* value = object != nullptr ? object->if_contains(score) : nullptr;
        if (index == nullptr || !index->is_int64() || value == nullptr || !value->is_number())
            return fail(nonsense("a result without index and score"));
        const auto at = index->get_int64();
        if (at < 0 || static_cast<std::size_t>(at) >= documents || seen[static_cast<std::size_t>(at)])
            return fail(nonsense("a result for a document that was not sent"));
        seen[static_cast<std::size_t>(at)] = true;
        scored.push_back({static_cast<std::size_t>(at), value->to_number<double>()});
    }
    return scored;
}

class NoDecoder final : public StreamDecoder {
public:
    Result<> decode(const http::SseEvent& /*event*/, std::vector<std::string>& /*chunks*/) override {
        return fail(nonsense("a stream where none was asked for"));
    }
    Result<> finish(std::vector<std::string>& /*chunks*/) override { return {}; }
};

}  // namespace

Result<Request> read_request(const json::object& body) {
    Request request;
    const json::Reader reader(body);
    request.query = string_at(body, "query");
    if (request.query.empty()) return fail(invalid_argument("query must be a string").with_field("query"));
    TRY_ASSIGN(const auto* documents, reader.required_array("documents"));
    if (documents->empty() || documents->size() > kMaxDocuments) {
        return fail(invalid_argument(fmt::format("documents must hold 1 to {} documents", kMaxDocuments))
                        .with_field("documents"));
    }
    for (const auto& document : *documents) {
        const auto* object = document.if_object();
        if (document.is_string())
            request.documents.push_back(view(document.get_string()));
        else if (object != nullptr && object->contains("text"))
            request.documents.push_back(string_at(*object, "text"));
        else {
            const auto field = fmt::format("documents[{}]", request.documents.size());
            return fail(invalid_argument(field + " must be a string or an object with text").with_field(field));
        }
    }
    TRY_ASSIGN(request.top_n, reader.optional_int("top_n", 1, kMaxDocuments));
    TRY_ASSIGN(const auto wanted, reader.optional_bool("return_documents"));
    request.return_documents = wanted.value_or(false);
    return request;
}

Result<json::object> answer(const UpstreamCall& call, const json::array& results, std::string_view score,
                            std::string_view id, std::int64_t tokens) {
    TRY_ASSIGN(const auto request, read_request(call.request->object));
    TRY_ASSIGN(auto scored, read_results(results, score, request.documents.size()));
    std::ranges::stable_sort(scored, std::greater<>(), &Scored::score);
    if (request.top_n && scored.size() > static_cast<std::size_t>(*request.top_n))
        scored.resize(static_cast<std::size_t>(*request.top_n));
    json::array out;
    for (const Scored& one : scored) {
        json::object result{{"index", one.index}, {"relevance_score", one.score}};
        if (request.return_documents) result["document"] = json::object{{"text", request.documents[one.index]}};
        out.emplace_back(std::move(result));
    }
    return json::object{{"id", id.empty() ? new_id("rerank-") : std::string(id)},
                        {"model", call.model},
                        {"results", std::move(out)},
                        {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}};
}

std::unique_ptr<StreamDecoder> no_decoder() {
    return std::make_unique<NoDecoder>();
}

}  // namespace atrium::model::rerank
