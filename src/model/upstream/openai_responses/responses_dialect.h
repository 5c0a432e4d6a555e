#pragma once

#include "model/upstream/dialect.h"

namespace atrium::model {

/// OpenAI's Responses API (also vLLM's, SGLang's and Azure's "/openai/v1"). Base URL "https://api.openai.com/v1".
/// Embeddings and moderations go through as they are: they are the same server's.
class ResponsesDialect final : public Dialect {
public:
    std::string_view name() const override { return "openai-responses"; }
    bool supports(Operation operation) const override {
        return operation == Operation::kChat || operation == Operation::kEmbedding ||
               operation == Operation::kModeration;
    }
    std::optional<Wire> native_wire() const override { return Wire::kOpenAiResponses; }
    Result<WireRequest> encode(const UpstreamCall& call, const UpstreamOptions& options) const override;
    Result<json::object> decode(const UpstreamCall& call, json::object answer) const override;
    std::unique_ptr<StreamDecoder> decoder(const UpstreamCall& call) const override;
};

}  // namespace atrium::model
