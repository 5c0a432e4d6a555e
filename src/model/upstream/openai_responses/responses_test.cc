#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/upstream/internal/dialect_testing.h"
#include "model/upstream/openai_responses/responses_dialect.h"

namespace atrium::model {
namespace {

using testing::chat_call;
using testing::decode_events;
using testing::encoded;
using testing::parse;

const ResponsesDialect kDialect;

const std::string kCreated = R"({"type":"response.created","response":{"id":"resp_1","model":"gpt-x"}})";

TEST(ResponsesEncode, NothingIsStoredUnlessAsked) {
    constexpr auto* kAsk = R"({"messages":[{"role":"user","content":"x"}]})";
    EXPECT_EQ(encoded(kDialect, kAsk).at("store"), false);
    EXPECT_EQ(encoded(kDialect, R"({"messages":[{"role":"user","content":"x"}],"store":true})").at("store"), true);
    EXPECT_FALSE(encoded(kDialect, kAsk).contains("include"));
}

TEST(ResponsesEncode, ReasoningComesBackAsTheItemItWas) {
    const auto body = encoded(kDialect, R"({"reasoning_effort":"high","messages":[{"role":"user","content":"x"},
        {"role":"assistant","content":"y","thinking_blocks":[
            {"type":"thinking","thinking":"hm","signature":"openai-responses:ENC"},
            {"type":"thinking","thinking":"somebody else's","signature":"sig"}]}]})");
    EXPECT_EQ(json::serialize(body.at("input").at(1)),
              R"({"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"ENC"})");
    EXPECT_EQ(body.at("input").as_array().size(), 3u);
    EXPECT_EQ(json::serialize(body.at("include")), R"(["reasoning.encrypted_content"])");
    EXPECT_EQ(json::serialize(body.at("reasoning")), R"({"effort":"high"})");
}

TEST(ResponsesEncode, Refusals) {
    const auto field = [](std::string_view members) {
        const auto body =
            encoded(kDialect, R"({"messages":[{"role":"user","content":"x"}],)" + std::string(members) + "}");
        return std::string(json::string_or(body, "field"));
    };
    EXPECT_EQ(field(R"("stop":"x")"), "stop");
    EXPECT_EQ(field(R"("n":3)"), "n");
    EXPECT_EQ(field(R"("audio":{})"), "audio");
    EXPECT_EQ(field(R"("logit_bias":{"1":5})"), "logit_bias");
    EXPECT_EQ(field(R"("logit_bias":{},"n":1)"), "");
}

TEST(ResponsesDecode, FailedAndIncomplete) {
    const auto decode = [](std::string_view text) { return kDialect.decode(chat_call("{}"), parse(text)); };
    EXPECT_EQ(decode(R"({"status":"failed","error":{"code":"server_error","message":"m"}})").error().code(),
              Code::kUnavailable);
    EXPECT_EQ(decode(R"({"status":"failed","error":{"code":"invalid_prompt","message":"m"}})").error().code(),
              Code::kInvalidArgument);
    EXPECT_EQ(decode(R"({"status":"cancelled","output":[]})").error().code(), Code::kUnavailable);
    EXPECT_EQ(decode(R"({"status":"completed"})").error().reason(), "upstream_protocol");
    const auto reason = [&](std::string_view text) { return decode(text)->at("choices").at(0).at("finish_reason"); };
    EXPECT_EQ(reason(R"({"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]})"),
              "length");
    EXPECT_EQ(reason(R"({"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]})"),
              "content_filter");
    EXPECT_EQ(reason(R"({"status":"completed","error":null,"output":[]})"), "stop");
}

TEST(ResponsesStream, FailureIsAnErrorNotAnEnd) {
    const auto failed = decode_events(
        kDialect, chat_call("{}"),
        {kCreated,
         R"({"type":"response.failed","response":{"id":"resp_1","status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"}}})"});
    ASSERT_TRUE(failed.error);
    EXPECT_EQ(failed.error->code(), Code::kResourceExhausted);
    EXPECT_EQ(failed.error->message(), "slow");
    const auto error =
        decode_events(kDialect, chat_call("{}"), {R"({"type":"error","code":"server_error","message":"m"})"});
    EXPECT_EQ(error.error->code(), Code::kUnavailable);
    EXPECT_EQ(decode_events(kDialect, chat_call("{}"), {kCreated}).error->reason(), "upstream_interrupted");
}

TEST(ResponsesStream, ArgumentsComeOnceWhetherToldInPiecesOrAtTheEnd) {
    const auto added = [](int at) {
        return R"({"type":"response.output_item.added","output_index":)" + std::to_string(at) +
               R"(,"item":{"type":"function_call","call_id":"c)" + std::to_string(at) +
               R"(","name":"f","arguments":""}})";
    };
    const auto done = [](int at) {
        return R"({"type":"response.output_item.done","output_index":)" + std::to_string(at) +
               R"(,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":1}"}})";
    };
    const auto seen = decode_events(
        kDialect, chat_call("{}"),
        {kCreated, added(1), added(2),
         R"({"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"a\":"})",
         R"({"type":"response.function_call_arguments.delta","output_index":2,"delta":"1}"})", done(1), done(2),
         R"({"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":3},"output_tokens":2}}})"});
    ASSERT_FALSE(seen.error);
    std::string arguments[2];
    for (const auto& chunk : seen.chunks) {
        if (!chunk.contains("choices") || chunk.at("choices").as_array().empty()) continue;
        const auto& delta = chunk.at("choices").at(0).at("delta").as_object();
        if (!delta.contains("tool_calls")) continue;
        const auto& call = delta.at("tool_calls").at(0).as_object();
        arguments[call.at("index").as_int64()] += json::string_or(call.at("function").as_object(), "arguments");
    }
    EXPECT_EQ(arguments[0], R"({"a":1})");
    EXPECT_EQ(arguments[1], R"({"a":1})");
    EXPECT_EQ(seen.finish_reason(), "tool_calls");
    EXPECT_TRUE(seen.done());
}

TEST(ResponsesStream, ArgumentsOfNobodyAndTooManyCalls) {
    EXPECT_EQ(decode_events(kDialect, chat_call("{}"),
                            {R"({"type":"response.function_call_arguments.delta","output_index":9,"delta":"x"})"})
                  .error->reason(),
              "upstream_protocol");
    std::vector<std::string> events;
    for (int i = 0; i < 129; ++i) {
        events.push_back(R"({"type":"response.output_item.added","output_index":)" + std::to_string(i) +
                         R"(,"item":{"type":"function_call","call_id":"c","name":"f"}})");
    }
    EXPECT_EQ(decode_events(kDialect, chat_call("{}"), events).error->reason(), "upstream_protocol");
}

}  // namespace
}  // namespace atrium::model
