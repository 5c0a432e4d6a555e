#pragma once

#include "model/upstream/dialect.h"

namespace atrium::model {

/// Google's Gemini API: generateContent, streamGenerateContent, batchEmbedContents. Base URL
/// "https://generativelanguage.googleapis.com/v1beta".
class GeminiDialect final : public Dialect {
public:
    std::string_view name() const override { return "gemini"; }
    bool supports(Operation operation) const override {
        return operation == Operation::kChat || operation == Operation::kEmbedding;
    }
    Result<WireRequest> encode(const UpstreamCall& call, const UpstreamOptions& options) const override;
    Result<json::object> decode(const UpstreamCall& call, json::object answer) const override;
    std::unique_ptr<StreamDecoder> decoder(const UpstreamCall& call) const override;
    Error decode_error(std::string_view upstream, int status, const http::Headers& headers,
                       std::string_view body) const override;
};

}  // namespace atrium::model
