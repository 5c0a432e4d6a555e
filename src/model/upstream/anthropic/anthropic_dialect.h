#pragma once

#include "model/upstream/dialect.h"

namespace atrium::model {

/// Anthropic's Messages API and the servers that imitate it. Base URL "https://api.anthropic.com/v1".
class AnthropicDialect final : public Dialect {
public:
    std::string_view name() const override { return "anthropic"; }
    bool supports(Operation operation) const override { return operation == Operation::kChat; }
    std::optional<Wire> native_wire() const override { return Wire::kAnthropicMessages; }
    Result<WireRequest> encode(const UpstreamCall& call, const UpstreamOptions& options) const override;
    Result<json::object> decode(const UpstreamCall& call, json::object answer) const override;
    std::unique_ptr<StreamDecoder> decoder(const UpstreamCall& call) const override;
    Error decode_error(std::string_view upstream, int status, const http::Headers& headers,
                       std::string_view body) const override;
};

}  // namespace atrium::model
