#include "app/responses/response_request.h"

#include <gtest/gtest.h>

namespace atrium::app {
namespace {

ResponseRequest parsed(std::string_view body) {
    auto request = ResponseRequest::parse(json::parse_object(body).value());
    EXPECT_TRUE(request) << request.error().to_string();
    return request.value_or(ResponseRequest{});
}

TEST(ResponseRequest, SettingsBecomeTheChatBody) {
    const auto request =
        parsed(R"({"model":"m","input":"hi","temperature":0.5,"max_output_tokens":9,"reasoning":{"effort":"low"},
        "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true},"verbosity":"low"},
        "tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true},{"type":"custom","name":"g","description":"d"}],
        "tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false,"truncation":"auto",
        "include":["reasoning.encrypted_content","message.output_text.logprobs"],"top_logprobs":2,"metadata":{"a":"b"}})");
    EXPECT_TRUE(request.store);
    EXPECT_TRUE(request.truncate);
    EXPECT_TRUE(request.encrypted_reasoning);
    EXPECT_TRUE(request.custom_tools.contains("g"));
    EXPECT_EQ(json::serialize(request.settings.at("response_format")),
              R"({"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}})");
    EXPECT_EQ(request.settings.at("reasoning_effort"), "low");
    EXPECT_EQ(request.settings.at("max_completion_tokens"), 9);
    EXPECT_EQ(request.settings.at("parallel_tool_calls"), false);
    EXPECT_EQ(request.settings.at("logprobs"), true);
    EXPECT_EQ(request.settings.at("top_logprobs"), 2);
    EXPECT_EQ(json::serialize(request.settings.at("tool_choice")), R"({"type":"function","function":{"name":"f"}})");
    EXPECT_EQ(request.settings.at("tools").as_array().size(), 2u);
    EXPECT_EQ(json::serialize(request.echo.at("metadata")), R"({"a":"b"})");
    EXPECT_EQ(request.echo.at("truncation"), "auto");
}

TEST(ResponseRequest, AllowedToolsAreTheOnlyOnesOffered) {
    const auto request =
        parsed(R"({"model":"m","input":"hi","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}],
        "tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]}})");
    EXPECT_EQ(json::serialize(request.settings.at("tools")), R"([{"type":"function","function":{"name":"g"}}])");
    EXPECT_EQ(request.settings.at("tool_choice"), "required");
}

TEST(ResponseRequest, ErrorsNameTheField) {
    const std::pair<const char*, const char*> cases[] = {
        {R"({"input":"hi"})", "model"},
        {R"({"model":7,"input":"hi"})", "model"},
        {R"({"model":"m"})", "input"},
        {R"({"model":"m","input":[]})", "input"},
        {R"({"model":"m","input":"x","stream":"yes"})", "stream"},
        {R"({"model":"m","input":"x","store":1})", "store"},
        {R"({"model":"m","input":"x","background":true,"store":false})", "background"},
        {R"({"model":"m","input":"x","temperature":9})", "temperature"},
        {R"({"model":"m","input":"x","top_p":"a"})", "top_p"},
        {R"({"model":"m","input":"x","max_output_tokens":0})", "max_output_tokens"},
        {R"({"model":"m","input":"x","max_tool_calls":"x"})", "max_tool_calls"},
        {R"({"model":"m","input":"x","instructions":5})", "instructions"},
        {R"({"model":"m","input":"x","include":["nonsense"]})", "include[0]"},
        {R"({"model":"m","input":"x","include":[5]})", "include[0]"},
        {R"({"model":"m","input":"x","metadata":{"a":1}})", "metadata"},
        {R"({"model":"m","input":"x","reasoning":{"effort":"huge"}})", "reasoning.effort"},
        {R"({"model":"m","input":"x","text":{"format":{"type":"xml"}}})", "text.format.type"},
        {R"({"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"n"}}})", "text.format.schema"},
        {R"({"model":"m","input":"x","text":{"verbosity":"loud"}})", "text.verbosity"},
        {R"({"model":"m","input":"x","tools":{}})", "tools"},
        {R"({"model":"m","input":"x","tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]})", "tools[0].type"},
        {R"({"model":"m","input":"x","tools":[{"type":"function"}]})", "tools[0].name"},
        {R"({"model":"m","input":"x","tools":[{"type":"function","name":"f","parameters":"x"}]})",
         "tools[0].parameters"},
        {R"({"model":"m","input":"x","tool_choice":"required"})", "tool_choice"},
        {R"({"model":"m","input":"x","tool_choice":{"type":"function","name":"f"}})", "tool_choice.name"},
        {R"({"model":"m","input":"x","truncation":"some"})", "truncation"},
        {R"({"model":"m","input":"x","previous_response_id":5})", "previous_response_id"},
        {R"({"model":"m","input":"x","previous_response_id":"resp_1","conversation":"conv_1"})",
         "previous_response_id"},
        {R"({"model":"m","input":"x","conversation":{"id":5}})", "conversation.id"},
        {R"({"model":"m","input":"x","prompt":{"id":"p"}})", "prompt"},
        {R"({"model":"m","input":"x","top_logprobs":21})", "top_logprobs"},
        {R"({"model":"m","input":"x","service_tier":1})", "service_tier"},
        {R"({"model":"m","input":"x","parallel_tool_calls":1})", "parallel_tool_calls"},
    };
    for (const auto& [text, field] : cases) {
        const auto request = ResponseRequest::parse(json::parse_object(text).value());
        ASSERT_FALSE(request) << text;
        EXPECT_EQ(request.error().code(), Code::kInvalidArgument);
        EXPECT_EQ(request.error().field(), field) << request.error().to_string();
    }
}

}  // namespace
}  // namespace atrium::app
