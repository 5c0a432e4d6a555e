#pragma once

#include "model/upstream/dialect.h"

namespace atrium::model {

/// The Open Inference Protocol (KServe v2) with Triton's generate extension: prompts through generate and
/// generate_stream, embeddings through infer. What maps to what is in the README beside. Base URL "http://triton:8000".
class KserveDialect final : public Dialect {
public:
    std::string_view name() const override { return "kserve"; }
    bool supports(Operation operation) const override {
        return operation == Operation::kChat || operation == Operation::kCompletion ||
               operation == Operation::kEmbedding;
    }
    Result<WireRequest> encode(const UpstreamCall& call, const UpstreamOptions& options) const override;
    Result<json::object> decode(const UpstreamCall& call, json::object answer) const override;
    std::unique_ptr<StreamDecoder> decoder(const UpstreamCall& call) const override;
};

}  // namespace atrium::model
