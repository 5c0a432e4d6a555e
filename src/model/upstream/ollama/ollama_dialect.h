#pragma once

#include "model/upstream/dialect.h"

namespace atrium::model {

/// Ollama's own API: /api/chat, /api/generate, /api/embed; streams are one JSON document per line. Base URL
/// "http://localhost:11434".
class OllamaDialect final : public Dialect {
public:
    std::string_view name() const override { return "ollama"; }
    bool supports(Operation operation) const override {
        return operation == Operation::kChat || operation == Operation::kCompletion ||
               operation == Operation::kEmbedding;
    }
    Framing framing() const override { return Framing::kNdjson; }
    Result<WireRequest> encode(const UpstreamCall& call, const UpstreamOptions& options) const override;
    Result<json::object> decode(const UpstreamCall& call, json::object answer) const override;
    std::unique_ptr<StreamDecoder> decoder(const UpstreamCall& call) const override;
};

}  // namespace atrium::model
