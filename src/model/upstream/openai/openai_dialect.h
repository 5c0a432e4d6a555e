#pragma once

#include "model/upstream/dialect.h"

namespace atrium::model {

/// vLLM, SGLang, llama-server, DeepSpeed-MII, Ray Serve, `atrium engine`, OpenAI itself: our own shape, so only the
/// model's name, the credential and the streaming options change.
class OpenAiDialect : public Dialect {
public:
    std::string_view name() const override { return "openai"; }
    bool supports(Operation /*operation*/) const override { return true; }
    bool relays_answers() const override { return true; }
    Result<WireRequest> encode(const UpstreamCall& call, const UpstreamOptions& options) const override;
    Result<json::object> decode(const UpstreamCall& call, json::object answer) const override;
    std::unique_ptr<StreamDecoder> decoder(const UpstreamCall& call) const override;
};

}  // namespace atrium::model
