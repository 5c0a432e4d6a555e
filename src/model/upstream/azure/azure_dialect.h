#pragma once

#include "model/upstream/openai/openai_dialect.h"

namespace atrium::model {

/// Azure OpenAI: OpenAI's bodies at Azure's addresses. The model is the name of the deployment. The base URL chooses
/// the form of the address:
///
///     https://NAME.openai.azure.com            → /openai/deployments/MODEL/chat/completions?api-version=…
///     https://NAME.openai.azure.com/openai     → the same
///     …/openai/deployments/MODEL               → /chat/completions?api-version=…
///     …/openai/v1                              → /chat/completions, the version only when one is configured
class AzureDialect final : public OpenAiDialect {
public:
    std::string_view name() const override { return "azure"; }
    bool supports(Operation operation) const override {
        return operation == Operation::kChat || operation == Operation::kCompletion ||
               operation == Operation::kEmbedding;
    }
    Result<WireRequest> encode(const UpstreamCall& call, const UpstreamOptions& options) const override;
};

}  // namespace atrium::model
