#include "model/upstream/openai_responses/responses_dialect.h"

#include "model/upstream/openai_responses/responses_wire.h"

namespace atrium::model {

Result<WireRequest> ResponsesDialect::encode(const UpstreamCall& call, const UpstreamOptions& options) const {
    WireRequest wire;
    wire.path = call.operation == Operation::kChat ? "/responses" : operation_path(call.operation);
    if (!options.api_key.empty()) wire.headers.add("Authorization", "Bearer " + options.api_key);
    if (call.operation != Operation::kChat) {
        wire.body = openai_body(call);
    } else if (passes_through(call)) {
        wire.body = native_body(call);
    } else {
        TRY_ASSIGN(const auto request, read_chat(call.request->object));
        TRY_ASSIGN(const auto body, responses::encode_chat(request, call));
        wire.body = json::serialize(body);
    }
    return wire;
}

}  // namespace atrium::model
