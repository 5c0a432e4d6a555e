#include <gtest/gtest.h>

#include "model/upstream/azure/azure_dialect.h"
#include "model/upstream/internal/dialect_testing.h"
#include "model/upstream/rerank/rerank_dialects.h"

namespace atrium::model {
namespace {

using testing::chat_call;
using testing::encoded;
using testing::parse;

const CohereDialect kCohere;
const TeiDialect kTei;

UpstreamCall rerank_call(std::string_view body) {
    auto call = chat_call(body);
    call.operation = Operation::kRerank;
    return call;
}

TEST(Rerank, BestFirstCutAndWithDocuments) {
    const auto call =
        rerank_call(R"({"query":"q","documents":["a",{"text":"b"},"c"],"top_n":2,"return_documents":true})");
    auto answer = parse(R"({"items":[{"index":0,"score":0.1},{"index":1,"score":0.9},{"index":2,"score":0.5}]})");
    const auto ranked = kTei.decode(call, answer).value();
    EXPECT_EQ(
        json::serialize(ranked.at("results")),
        R"([{"index":1,"relevance_score":9E-1,"document":{"text":"b"}},{"index":2,"relevance_score":5E-1,"document":{"text":"c"}}])");
}

TEST(Rerank, ResultsForNobodyAreRefused) {
    const auto call = rerank_call(R"({"query":"q","documents":["a","b"]})");
    for (const auto* results : {R"([{"index":2,"relevance_score":1}])", R"([{"index":-1,"relevance_score":1}])",
                                R"([{"index":0,"relevance_score":1},{"index":0,"relevance_score":1}])",
                                R"([{"index":0}])", R"([7])", R"([{"index":0.5,"relevance_score":1}])"}) {
        const auto decoded = kCohere.decode(call, parse(R"({"results":)" + std::string(results) + "}"));
        ASSERT_FALSE(decoded) << results;
        EXPECT_EQ(decoded.error().code(), Code::kUnavailable);
    }
    EXPECT_FALSE(kCohere.decode(call, {}));
}

TEST(Rerank, BadRequestsNameTheField) {
    const auto field = [](std::string_view body) {
        return std::string(json::string_or(encoded(kCohere, rerank_call(body)), "field"));
    };
    EXPECT_EQ(field(R"({"documents":["a"]})"), "query");
    EXPECT_EQ(field(R"({"query":"q","documents":[]})"), "documents");
    EXPECT_EQ(field(R"({"query":"q","documents":["a",7]})"), "documents[1]");
    EXPECT_EQ(field(R"({"query":"q","documents":["a"],"top_n":0})"), "top_n");
}

TEST(Tei, TokensAndErrors) {
    auto call = chat_call(R"({"prompt":"hello"})");
    call.operation = Operation::kTokenize;
    const auto tokens = kTei.decode(call, parse(R"({"items":[[{"id":1,"text":"a"},{"id":7,"text":"b"}]]})")).value();
    EXPECT_EQ(json::serialize(tokens.at("tokens")), "[1,7]");
    call.operation = Operation::kDetokenize;
    EXPECT_EQ(kTei.decode(call, parse(R"({"items":["hello"]})"))->at("prompt"), "hello");
    EXPECT_EQ(kTei.decode_error("t", 429, {}, R"({"error":"Model is overloaded","error_type":"overloaded"})").code(),
              Code::kResourceExhausted);
    EXPECT_EQ(kTei.decode_error("t", 413, {}, R"({"error":"too many","error_type":"validation"})").code(),
              Code::kInvalidArgument);
}

TEST(Azure, EveryFormOfAddress) {
    const AzureDialect azure;
    auto call = chat_call(R"({"messages":[]})");
    call.model = "my gpt";
    const auto path = [&](std::string url, std::string version = "") {
        UpstreamOptions options;
        options.base_url = std::move(url);
        options.api_version = std::move(version);
        return azure.encode(call, options)->path;
    };
    const std::string kDeployment = "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21";
    EXPECT_EQ(path("https://x.openai.azure.com"), kDeployment);
    EXPECT_EQ(path("https://x.openai.azure.com/"), kDeployment);
    EXPECT_EQ(path("https://x.openai.azure.com/openai"), kDeployment.substr(7));
    EXPECT_EQ(path("https://x/openai/deployments/other"), "/chat/completions?api-version=2024-10-21");
    EXPECT_EQ(path("https://x/openai?api-version=2025-01-01"), "/deployments/my%20gpt/chat/completions");
    EXPECT_EQ(path("https://x/openai/v1"), "/chat/completions");
    EXPECT_EQ(path("https://x/openai/v1/", "preview"), "/chat/completions?api-version=preview");
}

}  // namespace
}  // namespace atrium::model
