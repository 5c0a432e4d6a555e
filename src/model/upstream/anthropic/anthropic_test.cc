#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/upstream/anthropic/anthropic_dialect.h"
#include "model/upstream/internal/dialect_testing.h"

namespace atrium::model {
namespace {

using testing::chat_call;
using testing::decode_events;
using testing::encoded;
using ::testing::HasSubstr;
using testing::parse;

const AnthropicDialect kDialect;

std::string start(std::string_view usage = R"("usage":{"input_tokens":10,"output_tokens":1})") {
    return R"({"type":"message_start","message":{"id":"msg_1","model":"claude-x","role":"assistant","content":[],)" +
           std::string(usage) + "}}";
}
std::string delta(std::string_view body) {
    return R"({"type":"content_block_delta","index":0,"delta":)" + std::string(body) + "}";
}
std::string block(std::string_view body) {
    return R"({"type":"content_block_start","index":0,"content_block":)" + std::string(body) + "}";
}
const std::string kBlockStop = R"({"type":"content_block_stop","index":0})";
const std::string kStop = R"({"type":"message_stop"})";
std::string message_delta(std::string_view reason, std::string_view usage = R"({"output_tokens":5})") {
    return R"({"type":"message_delta","delta":{"stop_reason":")" + std::string(reason) + R"("},"usage":)" +
           std::string(usage) + "}";
}
const json::object& usage_of(const testing::Decoded& decoded) {
    for (const auto& chunk : decoded.chunks) {
        if (const auto* usage = chunk.if_contains("usage")) return usage->as_object();
    }
    static const json::object none;
    return none;
}

TEST(AnthropicEncode, ResultsOfParallelCallsShareOneTurn) {
    const auto body = encoded(kDialect, R"({"messages":[
        {"role":"user","content":"weather?"},
        {"role":"assistant","content":null,"tool_calls":[
            {"id":"call.1","type":"function","function":{"name":"w","arguments":"{\"city\":\"A\"}"}},
            {"id":"call_2","type":"function","function":{"name":"w","arguments":""}}]},
        {"role":"tool","tool_call_id":"call.1","content":"sun"},
        {"role":"tool","tool_call_id":"call_2","content":""},
        {"role":"user","content":"and?"}],
        "tools":[{"type":"function","function":{"name":"w"}}]})");
    const auto& turns = body.at("messages").as_array();
    ASSERT_EQ(turns.size(), 3u);
    EXPECT_EQ(turns[1].at("content"), parse(R"({"x":[
        {"type":"tool_use","id":"call_1","name":"w","input":{"city":"A"}},
        {"type":"tool_use","id":"call_2","name":"w","input":{}}]})")
                                          .at("x"));
    EXPECT_EQ(turns[2].at("content"), parse(R"({"x":[
        {"type":"tool_result","tool_use_id":"call_1","content":[{"type":"text","text":"sun"}]},
        {"type":"tool_result","tool_use_id":"call_2"},
        {"type":"text","text":"and?"}]})")
                                          .at("x"));
}

TEST(AnthropicEncode, ToolChoice) {
    const auto choice = [](std::string_view members) {
        const auto body = encoded(kDialect, R"({"messages":[{"role":"user","content":"x"}],)" + std::string(members) +
                                                R"(,"tools":[{"type":"function","function":{"name":"f"}},
                                                  {"type":"function","function":{"name":"g"}}]})");
        return body.contains("tool_choice") ? json::serialize(body.at("tool_choice")) : "-";
    };
    EXPECT_EQ(choice(R"("n":1)"), "-");
    EXPECT_EQ(choice(R"("tool_choice":"none")"), R"({"type":"none"})");
    EXPECT_EQ(choice(R"("tool_choice":"auto")"), R"({"type":"auto"})");
    EXPECT_EQ(choice(R"("tool_choice":"required")"), R"({"type":"any"})");
    EXPECT_EQ(choice(R"("tool_choice":{"type":"function","function":{"name":"g"}})"), R"({"type":"tool","name":"g"})");
    EXPECT_EQ(choice(R"("parallel_tool_calls":false)"), R"({"type":"auto","disable_parallel_tool_use":true})");
    EXPECT_EQ(choice(R"("tool_choice":"none","parallel_tool_calls":false)"), R"({"type":"none"})");
    const auto allowed = encoded(kDialect, R"({"messages":[{"role":"user","content":"x"}],
        "tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}],
        "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required",
            "tools":[{"type":"function","function":{"name":"g"}}]}}})");
    EXPECT_EQ(allowed.at("tools").as_array().size(), 1u);
    EXPECT_EQ(json::serialize(allowed.at("tool_choice")), R"({"type":"any"})");
}

TEST(AnthropicEncode, AConversationWithCallsAlwaysDeclaresTools) {
    const auto body = encoded(kDialect, R"({"messages":[{"role":"user","content":"x"},
        {"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"a","content":"1"}]})");
    EXPECT_EQ(body.at("tools").at(0).at("name"), "f");
    EXPECT_EQ(json::serialize(body.at("tool_choice")), R"({"type":"none"})");
}

TEST(AnthropicEncode, ThinkingByModel) {
    const auto sent = [](std::string_view model, std::string_view members) {
        auto call =
            chat_call(R"({"messages":[{"role":"user","content":"x"}],"temperature":0.3,)" + std::string(members) + "}");
        call.model = model;
        const auto body = encoded(kDialect, call);
        std::string out = std::to_string(body.at("max_tokens").as_int64());
        for (const auto* key : {"thinking", "output_config", "temperature"}) {
            if (body.contains(key)) out += " " + json::serialize(body.at(key));
        }
        return out;
    };
    constexpr auto* kHigh = R"("reasoning_effort":"high")";
    EXPECT_EQ(sent("claude-sonnet-4-5-20250929", kHigh), R"(24576 {"type":"enabled","budget_tokens":16384})");
    EXPECT_EQ(sent("claude-opus-4-20250514", kHigh), R"(24576 {"type":"enabled","budget_tokens":16384})");
    EXPECT_EQ(sent("claude-3-7-sonnet-latest", kHigh), R"(24576 {"type":"enabled","budget_tokens":16384})");
    EXPECT_EQ(sent("claude-opus-4-6", kHigh), R"(24576 {"type":"adaptive"} {"effort":"high"})");
    EXPECT_EQ(sent("claude-sonnet-5", kHigh), R"(24576 {"type":"adaptive"} {"effort":"high"})");
    EXPECT_EQ(sent("kimi-k3", R"("reasoning_effort":"low","max_tokens":2000)"),
              R"(2000 {"type":"enabled","budget_tokens":1500})");
    // Too little room to think at all: answer without.
    EXPECT_EQ(sent("kimi-k3", R"("reasoning_effort":"low","max_tokens":500)"), "500 3E-1");
    EXPECT_EQ(sent("claude-opus-5", R"("reasoning_effort":"none")"), R"(8192 {"type":"disabled"} 3E-1)");
    // A forced tool and thinking exclude each other; the tool is the promise.
    EXPECT_EQ(sent("claude-opus-5", R"("reasoning_effort":"high","tool_choice":"required",
        "tools":[{"type":"function","function":{"name":"f"}}])"),
              "8192 3E-1");
}

TEST(AnthropicEncode, ThinkingBlocksGoBackUnchangedAndFirst) {
    const auto body = encoded(kDialect, R"({"messages":[{"role":"user","content":"x"},
        {"role":"assistant","content":"y","reasoning_content":"hm","thinking_blocks":[
            {"type":"thinking","thinking":"hm","signature":"sig=="},
            {"type":"redacted_thinking","data":"zzz"},
            {"type":"thinking","thinking":"not theirs","signature":"openai-responses:abc"}]},
        {"role":"user","content":"z"}]})");
    EXPECT_EQ(json::serialize(body.at("messages").at(1).at("content")),
              R"([{"type":"thinking","thinking":"hm","signature":"sig=="},{"type":"redacted_thinking","data":"zzz"},)"
              R"({"type":"text","text":"y"}])");
}

TEST(AnthropicEncode, Refusals) {
    const auto refused = [](std::string_view members) {
        const auto body =
            encoded(kDialect, R"({"messages":[{"role":"user","content":"x"}],)" + std::string(members) + "}");
        return std::string(json::string_or(body, "field")) + ": " + std::string(json::string_or(body, "refused"));
    };
    EXPECT_EQ(refused(R"("n":2)"), "n: n cannot be sent to an Anthropic upstream");
    EXPECT_EQ(refused(R"("logprobs":true)"), "logprobs: logprobs cannot be sent to an Anthropic upstream");
    EXPECT_EQ(refused(R"("stop":["\n"])"),
              "stop: stop: an Anthropic upstream does not take stop sequences of white space only");
    EXPECT_EQ(refused(R"("tools":[{"type":"custom","custom":{"name":"c"}}])"),
              "tools[0]: tools[0]: an Anthropic upstream does not take custom tools");
    const auto audio = encoded(kDialect, R"({"messages":[{"role":"user","content":[
        {"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}}]}]})");
    EXPECT_EQ(json::string_or(audio, "field"), "messages[0].content[0]");
    const auto broken = encoded(kDialect, R"({"messages":[{"role":"assistant","tool_calls":[
        {"id":"a","type":"function","function":{"name":"f","arguments":"{not json"}}]}]})");
    EXPECT_EQ(json::string_or(broken, "field"), "messages[0].tool_calls[0].function.arguments");
    EXPECT_EQ(json::string_or(encoded(kDialect, R"({"messages":[{"role":"system","content":"s"}]})"), "field"),
              "messages");
}

TEST(AnthropicStream, ToolInputComesInPiecesAfterAnEmptyObject) {
    const auto seen = decode_events(
        kDialect, chat_call("{}"),
        {start(), block(R"({"type":"tool_use","id":"toolu_1","name":"f","input":{}})"),
         delta(R"({"type":"input_json_delta","partial_json":""})"),
         delta(R"({"type":"input_json_delta","partial_json":"{\"a\":"})"),
         delta(R"({"type":"input_json_delta","partial_json":"1}"})"), kBlockStop, message_delta("tool_use"), kStop});
    ASSERT_FALSE(seen.error);
    std::string arguments;
    for (const auto& chunk : seen.chunks) {
        if (!chunk.contains("choices") || chunk.at("choices").as_array().empty()) continue;
        const auto& choice = chunk.at("choices").at(0).at("delta").as_object();
        if (choice.contains("tool_calls"))
            arguments += json::string_or(choice.at("tool_calls").at(0).at("function").as_object(), "arguments");
    }
    EXPECT_EQ(arguments, R"({"a":1})");
    EXPECT_EQ(seen.finish_reason(), "tool_calls");
}

TEST(AnthropicStream, ACallWithoutInputHasAnEmptyObject) {
    const auto seen = decode_events(kDialect, chat_call("{}"),
                                    {start(), block(R"({"type":"tool_use","id":"toolu_1","name":"f","input":{}})"),
                                     kBlockStop, message_delta("tool_use"), kStop});
    const auto& call = seen.chunks.at(2).at("choices").at(0).at("delta").at("tool_calls").at(0);
    EXPECT_EQ(call.at("function").at("arguments"), "{}");
}

TEST(AnthropicStream, UsageMayBeMissingInMessageStart) {
    const auto seen = decode_events(kDialect, chat_call("{}"),
                                    {start(R"("stop_reason":null)"), delta(R"({"type":"text_delta","text":"hi"})"),
                                     message_delta("end_turn", R"({"input_tokens":7,"output_tokens":2})"), kStop});
    ASSERT_FALSE(seen.error);
    EXPECT_EQ(usage_of(seen).at("prompt_tokens"), 7);
    EXPECT_EQ(usage_of(seen).at("completion_tokens"), 2);
}

TEST(AnthropicStream, CachedTokensAreCountedOnce) {
    const auto seen = decode_events(
        kDialect, chat_call("{}"),
        {start(
             R"("usage":{"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":30,"output_tokens":1})"),
         message_delta(
             "end_turn",
             R"({"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":30,"output_tokens":4})"),
         kStop});
    EXPECT_EQ(usage_of(seen).at("prompt_tokens"), 140);
    EXPECT_EQ(usage_of(seen).at("total_tokens"), 144);
    EXPECT_EQ(usage_of(seen).at("prompt_tokens_details").at("cached_tokens"), 100);
    EXPECT_EQ(usage_of(seen).at("prompt_tokens_details").at("cache_write_tokens"), 30);
}

TEST(AnthropicStream, ThinkingInATextBlockIsReasoningNotText) {
    const auto seen = decode_events(
        kDialect, chat_call("{}"),
        {start(), block(R"({"type":"text","text":""})"), delta(R"({"type":"thinking_delta","thinking":"hm"})"),
         delta(R"({"type":"text_delta","text":"hi"})"), kBlockStop, message_delta("end_turn"), kStop});
    EXPECT_EQ(seen.joined("content"), "hi");
    EXPECT_EQ(seen.joined("reasoning_content"), "hm");
    for (const auto& chunk : seen.chunks)
        EXPECT_THAT(json::serialize(chunk), ::testing::Not(HasSubstr("thinking_blocks")));
}

TEST(AnthropicStream, EveryStopReason) {
    for (const auto& [theirs, ours] :
         std::vector<std::pair<std::string, std::string>>{{"end_turn", "stop"},
                                                          {"max_tokens", "length"},
                                                          {"stop_sequence", "stop"},
                                                          {"tool_use", "tool_calls"},
                                                          {"pause_turn", "stop"},
                                                          {"refusal", "content_filter"},
                                                          {"model_context_window_exceeded", "length"}}) {
        const auto seen = decode_events(kDialect, chat_call("{}"), {start(), message_delta(theirs), kStop});
        EXPECT_EQ(seen.finish_reason(), ours) << theirs;
        EXPECT_TRUE(seen.done());
        auto answer = parse(R"({"id":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}})");
        answer["stop_reason"] = theirs;
        const auto decoded = kDialect.decode(chat_call("{}"), answer).value();
        EXPECT_EQ(json::string_or(decoded.at("choices").at(0).as_object(), "finish_reason"), ours);
    }
}

TEST(AnthropicStream, ErrorsInMidStream) {
    for (const auto& [type, code] :
         std::vector<std::pair<std::string, Code>>{{"overloaded_error", Code::kUnavailable},
                                                   {"rate_limit_error", Code::kResourceExhausted},
                                                   {"invalid_request_error", Code::kInvalidArgument},
                                                   {"api_error", Code::kUnavailable},
                                                   {"timeout_error", Code::kDeadlineExceeded},
                                                   {"brand_new_error", Code::kUnavailable}}) {
        const auto seen =
            decode_events(kDialect, chat_call("{}"),
                          {start(), R"({"type":"error","error":{"type":")" + type + R"(","message":"Sorry"}})"});
        ASSERT_TRUE(seen.error);
        EXPECT_EQ(seen.error->code(), code) << type;
        EXPECT_EQ(seen.error->message(), "Sorry");
        EXPECT_FALSE(seen.done());
    }
}

TEST(AnthropicStream, EndsAndBreaks) {
    EXPECT_EQ(decode_events(kDialect, chat_call("{}"), {}).error->reason(), "upstream_interrupted");
    EXPECT_EQ(decode_events(kDialect, chat_call("{}"), {start(), delta(R"({"type":"text_delta","text":"a"})")})
                  .error->reason(),
              "upstream_interrupted");
    EXPECT_TRUE(decode_events(kDialect, chat_call("{}"), {start(), message_delta("end_turn")}).done());
    EXPECT_EQ(decode_events(kDialect, chat_call("{}"), {"no json"}).error->code(), Code::kUnavailable);
    EXPECT_FALSE(decode_events(kDialect, chat_call("{}"),
                               {R"({"type":"ping"})", start(), R"({"type":"ping"})", R"({"type":"something_new"})",
                                message_delta("end_turn"), kStop, kStop})
                     .error);
}

TEST(AnthropicStream, HostileUpstreamsAreCut) {
    std::vector<std::string> events{start()};
    for (int i = 0; i < 129; ++i) events.push_back(block(R"({"type":"tool_use","id":"a","name":"f","input":{}})"));
    EXPECT_EQ(decode_events(kDialect, chat_call("{}"), events).error->reason(), "upstream_protocol");
    events = {start(), block(R"({"type":"thinking","thinking":""})")};
    const std::string megabyte(1 << 20, 'x');
    for (int i = 0; i < 17; ++i)
        events.push_back(delta(R"({"type":"signature_delta","signature":")" + megabyte + "\"}"));
    EXPECT_EQ(decode_events(kDialect, chat_call("{}"), events).error->reason(), "upstream_protocol");
}

TEST(AnthropicErrors, KeepTheirMeaning) {
    const auto error = [](int status, std::string_view body) { return kDialect.decode_error("a", status, {}, body); };
    const auto long_prompt = error(
        400,
        R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 2 tokens > 1 maximum"}})");
    EXPECT_EQ(long_prompt.code(), Code::kInvalidArgument);
    EXPECT_EQ(long_prompt.reason(), "context_length_exceeded");
    EXPECT_EQ(error(529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})").code(),
              Code::kUnavailable);
    const auto key = error(401, R"({"type":"error","error":{"type":"authentication_error","message":"bad sk-ant-1"}})");
    EXPECT_EQ(key.code(), Code::kUnavailable);
    EXPECT_THAT(key.message(), ::testing::Not(HasSubstr("sk-ant-1")));
    EXPECT_EQ(error(400, R"({"type":"error","error":{"type":"billing_error","message":"pay"}})").code(),
              Code::kUnavailable);
}

}  // namespace
}  // namespace atrium::model
