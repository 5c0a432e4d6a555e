#include "model/upstream/gemini/gemini_dialect.h"

#include "model/upstream/gemini/gemini_wire.h"
#include "platform/http/message.h"

namespace atrium::model {
namespace {

/// "gemini-3-pro" → "/models/gemini-3-pro"; "tunedModels/x" and "models/x" are resources already.
std::string resource(const std::string& model) {
    const auto slash = model.find('/');
    if (slash == std::string::npos) return "/models/" + http::percent_encode(model);
    return "/" + http::percent_encode(model.substr(0, slash)) + "/" + http::percent_encode(model.substr(slash + 1));
}

}  // namespace

Result<WireRequest> GeminiDialect::encode(const UpstreamCall& call, const UpstreamOptions& options) const {
    WireRequest wire;
    wire.path = resource(call.model);
    if (!options.api_key.empty()) wire.headers.add("x-goog-api-key", options.api_key);
    json::object body;
    if (call.operation == Operation::kEmbedding) {
        wire.path += ":batchEmbedContents";
        TRY_ASSIGN(body, gemini::encode_embedding(call.request->object, call));
    } else {
        wire.path += call.stream ? ":streamGenerateContent?alt=sse" : ":generateContent";
        TRY_ASSIGN(const auto request, read_chat(call.request->object));
        TRY_ASSIGN(body, gemini::encode_chat(request, call));
    }
    wire.body = json::serialize(body);
    return wire;
}

}  // namespace atrium::model
