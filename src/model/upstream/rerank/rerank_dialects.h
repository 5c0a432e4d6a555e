#pragma once

#include "model/upstream/dialect.h"

namespace atrium::model {

/// Cohere's v2 API. Base URL "https://api.cohere.com/v2".
class CohereDialect final : public Dialect {
public:
    std::string_view name() const override { return "cohere"; }
    bool supports(Operation operation) const override { return operation == Operation::kRerank; }
    Result<WireRequest> encode(const UpstreamCall& call, const UpstreamOptions& options) const override;
    Result<json::object> decode(const UpstreamCall& call, json::object answer) const override;
    std::unique_ptr<StreamDecoder> decoder(const UpstreamCall& call) const override;
};

/// Jina's API, rerankers and embeddings. Base URL "https://api.jina.ai/v1".
class JinaDialect final : public Dialect {
public:
    std::string_view name() const override { return "jina"; }
    bool supports(Operation operation) const override {
        return operation == Operation::kRerank || operation == Operation::kEmbedding;
    }
    Result<WireRequest> encode(const UpstreamCall& call, const UpstreamOptions& options) const override;
    Result<json::object> decode(const UpstreamCall& call, json::object answer) const override;
    std::unique_ptr<StreamDecoder> decoder(const UpstreamCall& call) const override;
};

/// Hugging Face text-embeddings-inference, which serves one model: reranker or embedder. Base URL "http://tei:8080".
class TeiDialect final : public Dialect {
public:
    std::string_view name() const override { return "tei"; }
    bool supports(Operation operation) const override {
        return operation == Operation::kRerank || operation == Operation::kEmbedding ||
               operation == Operation::kTokenize || operation == Operation::kDetokenize;
    }
    Result<WireRequest> encode(const UpstreamCall& call, const UpstreamOptions& options) const override;
    Result<json::object> decode(const UpstreamCall& call, json::object answer) const override;
    std::unique_ptr<StreamDecoder> decoder(const UpstreamCall& call) const override;
    Error decode_error(std::string_view upstream, int status, const http::Headers& headers,
                       std::string_view body) const override;
};

}  // namespace atrium::model
