#include "gateway/anthropic/message_request.h"

#include <gtest/gtest.h>

namespace atrium::gateway {
namespace {

MessageRequest translated(std::string_view body) {
    auto request = translate_message_request(json::parse_object(body).value());
    EXPECT_TRUE(request) << request.error().to_string();
    return request.value_or(MessageRequest{});
}

std::string messages(std::string_view list) {
    const auto request = translated(R"({"model":"m","max_tokens":5,"messages":)" + std::string(list) + "}");
    return json::serialize(request.chat.at("messages"));
}

TEST(MessageRequest, PlainTurns) {
    EXPECT_EQ(
        messages(
            R"([{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}])"),
        R"([{"role":"user","content":"hi"},{"role":"assistant","content":"a\n\nb"}])");
}

TEST(MessageRequest, SystemAndSettings) {
    const auto request = translated(R"({"model":"m","max_tokens":5,"stream":true,"temperature":0.5,"top_k":3,
        "stop_sequences":["X"],"metadata":{"user_id":"u"},"system":[{"type":"text","text":"be kind","cache_control":{"type":"ephemeral"}}],
        "thinking":{"type":"enabled","budget_tokens":4096},"messages":[{"role":"user","content":"hi"}]})");
    EXPECT_TRUE(request.stream);
    EXPECT_TRUE(request.only_text);
    EXPECT_EQ(
        json::serialize(request.chat),
        R"({"model":"m","max_completion_tokens":5,"messages":[{"role":"system","content":[{"type":"text","text":"be kind",)"
        R"("cache_control":{"type":"ephemeral"}}]},{"role":"user","content":"hi"}],"reasoning_effort":"medium",)"
        R"("temperature":5E-1,"top_k":3,"stop":["X"],"user":"u","stream":true,"stream_options":{"include_usage":true}})");
}

TEST(MessageRequest, ToolsAndTheirResults) {
    const auto request = translated(
        R"({"model":"m","max_tokens":5,"tools":[{"name":"f","description":"d","input_schema":{"type":"object"},
        "cache_control":{"type":"ephemeral"}}],"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},
        "messages":[{"role":"user","content":"hi"},
          {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"tool_use","id":"t1","name":"f","input":{"a":1}}]},
          {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"42"},
             {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]},{"type":"text","text":"and?"}]}]})");
    EXPECT_FALSE(request.only_text);
    EXPECT_EQ(
        json::serialize(request.chat.at("tools")),
        R"([{"type":"function","function":{"name":"f","parameters":{"type":"object"},"description":"d"},"cache_control":{"type":"ephemeral"}}])");
    EXPECT_EQ(json::serialize(request.chat.at("tool_choice")), R"({"type":"function","function":{"name":"f"}})");
    EXPECT_EQ(request.chat.at("parallel_tool_calls"), false);
    EXPECT_EQ(
        json::serialize(request.chat.at("messages")),
        R"([{"role":"user","content":"hi"},{"role":"assistant","content":null,"reasoning_content":"hm",)"
        R"("thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"s"}],)"
        R"("tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},)"
        R"({"role":"tool","tool_call_id":"t1","content":"42"},)"
        R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}},{"type":"text","text":"and?"}]}])");
}

TEST(MessageRequest, Documents) {
    EXPECT_EQ(
        messages(
            R"([{"role":"user","content":[{"type":"document","title":"T","source":{"type":"text","media_type":"text/plain","data":"body"}}]}])"),
        R"([{"role":"user","content":"T\n\nbody"}])");
    EXPECT_EQ(
        messages(
            R"([{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AA=="}}]}])"),
        R"([{"role":"user","content":[{"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,AA=="}}]}])");
}

struct Wrong {
    const char* body;
    const char* field;
};

class MessageRequestWrong : public ::testing::TestWithParam<Wrong> {};

TEST_P(MessageRequestWrong, NamesTheField) {
    const auto request = translate_message_request(json::parse_object(GetParam().body).value());
    ASSERT_FALSE(request) << GetParam().body;
    EXPECT_EQ(request.error().code(), Code::kInvalidArgument);
    EXPECT_EQ(request.error().field(), GetParam().field) << request.error().to_string();
}

#define BASE R"("model":"m","max_tokens":5,)"
#define HI R"("messages":[{"role":"user","content":"hi"}])"
INSTANTIATE_TEST_SUITE_P(
    Fields, MessageRequestWrong,
    ::testing::Values(
        Wrong{R"({"max_tokens":5,)" HI "}", "model"}, Wrong{R"({"model":5,"max_tokens":5,)" HI "}", "model"},
        Wrong{R"({"model":"m",)" HI "}", "max_tokens"}, Wrong{R"({"model":"m","max_tokens":0,)" HI "}", "max_tokens"},
        Wrong{R"({"model":"m","max_tokens":1.5,)" HI "}", "max_tokens"},
        Wrong{R"({"model":"m","max_tokens":5})", "messages"}, Wrong{"{" BASE R"("messages":[]})", "messages"},
        Wrong{"{" BASE R"("messages":["x"]})", "messages[0]"},
        Wrong{"{" BASE R"("messages":[{"role":"tool","content":"x"}]})", "messages[0].role"},
        Wrong{"{" BASE R"("messages":[{"role":"user"}]})", "messages[0].content"},
        Wrong{"{" BASE R"("messages":[{"role":"user","content":7}]})", "messages[0].content"},
        Wrong{"{" BASE R"("messages":[{"role":"user","content":[]}]})", "messages[0].content"},
        Wrong{"{" BASE R"("messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text"}]}]})",
              "messages[0].content[1].text"},
        Wrong{"{" BASE R"("messages":[{"role":"user","content":[{"type":"video"}]}]})", "messages[0].content[0].type"},
        Wrong{"{" BASE R"("messages":[{"role":"user","content":[{"type":"image","source":{"type":"ftp"}}]}]})",
              "messages[0].content[0].source.type"},
        Wrong{
            "{" BASE
            R"("messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"http://x"}}]}]})",
            "messages[0].content[0].source.type"},
        Wrong{"{" BASE
              R"("messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":"x"}]}]})",
              "messages[0].content[0].input"},
        Wrong{"{" BASE R"("system":5,)" HI "}", "system"},
        Wrong{"{" BASE R"("system":[{"type":"image"}],)" HI "}", "system[0].type"},
        Wrong{"{" BASE R"("stream":"yes",)" HI "}", "stream"},
        Wrong{"{" BASE R"("temperature":"hot",)" HI "}", "temperature"},
        Wrong{"{" BASE R"("top_k":1.5,)" HI "}", "top_k"},
        Wrong{"{" BASE R"("stop_sequences":"x",)" HI "}", "stop_sequences"},
        Wrong{"{" BASE R"("stop_sequences":[1],)" HI "}", "stop_sequences[0]"},
        Wrong{"{" BASE R"("tools":{},)" HI "}", "tools"},
        Wrong{"{" BASE R"("tools":[{"type":"web_search_20250305","name":"web_search"}],)" HI "}", "tools[0].type"},
        Wrong{"{" BASE R"("tools":[{"name":"f"}],)" HI "}", "tools[0].input_schema"},
        Wrong{"{" BASE R"("tool_choice":{"type":"any"},)" HI "}", "tool_choice"},
        Wrong{"{" BASE R"("metadata":{"user_id":5},)" HI "}", "metadata.user_id"},
        Wrong{"{" BASE R"("thinking":{"type":"enabled"},)" HI "}", "thinking.budget_tokens"},
        Wrong{"{" BASE R"("output_config":{"effort":"huge"},)" HI "}", "output_config.effort"}));

}  // namespace
}  // namespace atrium::gateway
