// The one table of dialects. A new one: its folder, its #include and its line here.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "model/upstream/anthropic/anthropic_dialect.h"
#include "model/upstream/azure/azure_dialect.h"
#include "model/upstream/dialect.h"
#include "model/upstream/gemini/gemini_dialect.h"
#include "model/upstream/internal/http_upstream.h"
#include "model/upstream/kserve/kserve_dialect.h"
#include "model/upstream/ollama/ollama_dialect.h"
#include "model/upstream/openai/openai_dialect.h"
#include "model/upstream/openai_responses/responses_dialect.h"
#include "model/upstream/rerank/rerank_dialects.h"

namespace atrium::model {
namespace {

const auto& table() {
    static const OpenAiDialect openai;
    static const ResponsesDialect responses;
    static const AnthropicDialect anthropic;
    static const GeminiDialect gemini;
    static const AzureDialect azure;
    static const OllamaDialect ollama;
    static const KserveDialect kserve;
    static const CohereDialect cohere;
    static const JinaDialect jina;
    static const TeiDialect tei;
    static const auto all = std::to_array<const Dialect*>(
        {&openai, &responses, &anthropic, &gemini, &azure, &ollama, &kserve, &cohere, &jina, &tei});
    return all;
}

}  // namespace

Error Dialect::decode_error(std::string_view upstream, int status, const http::Headers& /*headers*/,
                            std::string_view body) const {
    return error_from_upstream(upstream, status, body);
}

bool Dialect::passes_through(const UpstreamCall& call) const {
    return call.request->native && call.operation == Operation::kChat && native_wire() == call.request->native->wire;
}

const Dialect* find_dialect(std::string_view name) {
    const auto found = std::ranges::find(table(), name, &Dialect::name);
    return found == table().end() ? nullptr : *found;
}

std::vector<std::string_view> dialect_names() {
    std::vector<std::string_view> names;
    for (const Dialect* dialect : table()) names.push_back(dialect->name());
    return names;
}

Result<std::unique_ptr<Upstream>> make_upstream(http::Client& client, UpstreamOptions options) {
    if (options.name.empty()) return fail(invalid_argument("an upstream needs a name"));
    TRY_ASSIGN(auto base, http::Url::parse(options.base_url));
    const Dialect* dialect = find_dialect(options.dialect);
    if (dialect == nullptr) {
        auto message = fmt::format("the upstream '{}' has an unknown dialect '{}'", options.name, options.dialect);
        if (const auto near = text::closest(options.dialect, dialect_names()))
            message += fmt::format("; did you mean '{}'?", *near);
        return fail(invalid_argument(std::move(message)).with_field("dialect"));
    }
    return std::make_unique<HttpUpstream>(client, *dialect, std::move(options), std::move(base));
}

}  // namespace atrium::model
