#include "model/upstream/ollama/ollama_dialect.h"

#include "model/upstream/ollama/ollama_wire.h"

namespace atrium::model {

Result<WireRequest> OllamaDialect::encode(const UpstreamCall& call, const UpstreamOptions& options) const {
    WireRequest wire;
    // Ollama itself asks for no key; its hosted service and proxies in front of it do.
    if (!options.api_key.empty()) wire.headers.add("Authorization", "Bearer " + options.api_key);
    json::object body;
    if (call.operation == Operation::kChat) {
        wire.path = "/api/chat";
        TRY_ASSIGN(const auto request, read_chat(call.request->object));
        TRY_ASSIGN(body, ollama::encode_chat(request, call));
    } else if (call.operation == Operation::kCompletion) {
        wire.path = "/api/generate";
        TRY_ASSIGN(body, ollama::encode_completion(call.request->object, call));
    } else {
        wire.path = "/api/embed";
        TRY_ASSIGN(body, ollama::encode_embedding(call.request->object, call));
    }
    wire.body = json::serialize(body);
    return wire;
}

}  // namespace atrium::model
