#include "model/upstream/kserve/kserve_dialect.h"

#include "model/upstream/kserve/kserve_wire.h"
#include "platform/http/message.h"

namespace atrium::model {

Result<WireRequest> KserveDialect::encode(const UpstreamCall& call, const UpstreamOptions& options) const {
    const auto name = kserve::read_name(call.model);
    WireRequest wire;
    wire.path = "/v2/models/" + http::percent_encode(name.model);
    if (!options.api_key.empty()) wire.headers.add("Authorization", "Bearer " + options.api_key);
    json::object body;
    if (call.operation == Operation::kEmbedding) {
        wire.path += "/infer";
        TRY_ASSIGN(body, kserve::encode_infer(call, name.tensor));
    } else {
        wire.path += call.stream ? "/generate_stream" : "/generate";
        TRY_ASSIGN(body, kserve::encode_generate(call));
    }
    wire.body = json::serialize(body);
    return wire;
}

}  // namespace atrium::model
