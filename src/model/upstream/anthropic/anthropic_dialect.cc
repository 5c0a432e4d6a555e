#include "model/upstream/anthropic/anthropic_dialect.h"

#include "model/upstream/anthropic/anthropic_wire.h"

namespace atrium::model {

Result<WireRequest> AnthropicDialect::encode(const UpstreamCall& call, const UpstreamOptions& options) const {
    WireRequest wire;
    wire.path = "/messages";
    if (!options.api_key.empty()) wire.headers.add("x-api-key", options.api_key);
    wire.headers.add("anthropic-version", options.api_version.empty() ? "2023-06-01" : options.api_version);
    if (passes_through(call)) {
        for (const auto* name : {"anthropic-version", "anthropic-beta"}) {
            if (const auto value = call.request->native->headers.get(name)) wire.headers.set(name, std::string(*value));
        }
        wire.body = native_body(call);
        return wire;
    }
    TRY_ASSIGN(const auto request, read_chat(call.request->object));
    TRY_ASSIGN(const auto body, anthropic::encode_chat(request, call));
    wire.body = json::serialize(body);
    return wire;
}

}  // namespace atrium::model
