#include "model/upstream/openai/openai_dialect.h"

namespace atrium::model {
namespace {

/// Chunks are what they are; only for callers that decode without looking at relays_answers().
class IdentityDecoder final : public StreamDecoder {
public:
    Result<> decode(const http::SseEvent& event, std::vector<std::string>& chunks) override {
        chunks.push_back(event.data);
        return {};
    }
    Result<> finish(std::vector<std::string>& /*chunks*/) override { return {}; }
};

}  // namespace

Result<WireRequest> OpenAiDialect::encode(const UpstreamCall& call, const UpstreamOptions& options) const {
    WireRequest request;
    request.path = operation_path(call.operation);
    if (!options.api_key.empty()) request.headers.add("Authorization", "Bearer " + options.api_key);
    json::object extra;
    if (call.stream) {
        // Usage is always asked for: a stream whose usage nobody reports cannot be accounted.
        json::object stream_options;
        if (const auto* asked = call.request->object.if_contains("stream_options");
            asked != nullptr && asked->is_object())
            stream_options = asked->get_object();
        stream_options["include_usage"] = true;
        extra["stream"] = true;
        extra["stream_options"] = std::move(stream_options);
    }
    request.body = openai_body(call, extra);
    return request;
}

Result<json::object> OpenAiDialect::decode(const UpstreamCall& /*call*/, json::object answer) const {
    return answer;
}

std::unique_ptr<StreamDecoder> OpenAiDialect::decoder(const UpstreamCall& /*call*/) const {
    return std::make_unique<IdentityDecoder>();
}

}  // namespace atrium::model
