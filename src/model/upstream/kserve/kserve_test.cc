#include <gtest/gtest.h>

#include "model/upstream/internal/dialect_testing.h"
#include "model/upstream/kserve/kserve_dialect.h"

namespace atrium::model {
namespace {

using testing::chat_call;
using testing::decode_events;
using testing::encoded;
using testing::parse;

const KserveDialect kDialect;

UpstreamCall embedding_call(std::string_view body, std::string model = "e5#TEXT") {
    auto call = chat_call(body);
    call.operation = Operation::kEmbedding;
    call.model = std::move(model);
    return call;
}

TEST(KserveEncode, ConversationsBecomeOneText) {
    const auto text = [](std::string_view messages) {
        const auto body = encoded(kDialect, R"({"messages":)" + std::string(messages) + "}");
        return std::string(json::string_or(body, "text_input", json::string_or(body, "field")));
    };
    EXPECT_EQ(text(R"([{"role":"user","content":"hi"}])"), "hi");
    EXPECT_EQ(text(R"([{"role":"system","content":"s"},{"role":"user","content":"hi"}])"), "s\n\nhi");
    EXPECT_EQ(
        text(R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}])"),
        "User: a\nAssistant: b\nUser: c\nAssistant:");
    EXPECT_EQ(text(R"([{"role":"system","content":"s"}])"), "messages");
    EXPECT_EQ(text(R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://e.com/a.png"}}]}])"),
              "messages[0].content[0]");
}

TEST(KserveEncode, Refusals) {
    const auto field = [](std::string_view members) {
        const auto body =
            encoded(kDialect, R"({"messages":[{"role":"user","content":"x"}],)" + std::string(members) + "}");
        return std::string(json::string_or(body, "field"));
    };
    EXPECT_EQ(field(R"("tools":[{"type":"function","function":{"name":"f"}}])"), "tools");
    EXPECT_EQ(field(R"("response_format":{"type":"json_object"})"), "response_format");
    EXPECT_EQ(field(R"("stop":["a","b"])"), "stop");
}

TEST(KserveStream, EndsWithTheBody) {
    const auto seen = decode_events(kDialect, chat_call("{}"), {R"({"text_output":"a"})", R"({"text_output":"b"})"});
    EXPECT_EQ(seen.joined("content"), "ab");
    EXPECT_EQ(seen.finish_reason(), "stop");
    EXPECT_TRUE(seen.done());
    EXPECT_EQ(decode_events(kDialect, chat_call("{}"), {}).error->reason(), "upstream_interrupted");
    EXPECT_EQ(
        decode_events(kDialect, chat_call("{}"), {R"({"text_output":"a"})", R"({"error":"boom"})"}).error->message(),
        "boom");
}

TEST(KserveEmbeddings, TheFirstFloatTensor) {
    const auto call = embedding_call(R"({"input":["a","b"]})");
    EXPECT_EQ(kDialect.encode(call, {})->path, "/v2/models/e5/infer");
    const auto flat = kDialect
                          .decode(call, parse(R"({"outputs":[{"name":"ids","datatype":"INT64","data":[1]},
        {"name":"v","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]})"))
                          .value();
    EXPECT_EQ(json::serialize(flat.at("data").at(1).at("embedding")), "[3,4]");
    const auto nested =
        kDialect.decode(call, parse(R"({"outputs":[{"datatype":"FP64","data":[[1,2],[3,4]]}]})")).value();
    EXPECT_EQ(json::serialize(nested.at("data").at(0).at("embedding")), "[1,2]");
    EXPECT_FALSE(kDialect.decode(call, parse(R"({"outputs":[{"datatype":"FP32","data":[1,2,3]}]})")));
    EXPECT_FALSE(kDialect.decode(call, parse(R"({"outputs":[{"datatype":"FP32","data":[[1],2]}]})")));
    EXPECT_FALSE(kDialect.decode(call, parse(R"({"outputs":[]})")));
}

}  // namespace
}  // namespace atrium::model
