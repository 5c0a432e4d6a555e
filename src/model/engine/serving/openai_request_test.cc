#include "model/engine/serving/openai_request.h"

#include <gtest/gtest.h>

namespace atrium::model {
namespace {

json::object object(std::string_view text) { return json::parse_object(text).value(); }

Error chat_error(std::string_view body) {
    const Result<ChatBody> parsed = parse_chat(object(body), {});
    EXPECT_FALSE(parsed) << body;
    return parsed ? invalid_argument("accepted") : parsed.error();
}

constexpr std::string_view kHello = R"("messages":[{"role":"user","content":"hi"}])";
std::string with(std::string_view fields) { return "{" + std::string(kHello) + "," + std::string(fields) + "}"; }

TEST(OpenAiRequest, ReadsAChatRequest) {
    const auto chat = parse_chat(object(with(R"("max_tokens":7,"temperature":0.5,"top_p":0.9,"seed":42,"n":2,"stream":true,
        "stream_options":{"include_usage":true},"stop":["a","b"],"logprobs":true,"top_logprobs":3,"presence_penalty":1,
        "logit_bias":{"12":-100},"unknown_field":{"x":1})")), {});
    ASSERT_TRUE(chat) << chat.error().to_string();
    EXPECT_EQ(chat->options.max_tokens, 7);
    EXPECT_FLOAT_EQ(chat->options.sampling.temperature, 0.5F);
    EXPECT_EQ(chat->options.sampling.top_k, 0) << "top_p was named, so nothing is filtered unasked";
    EXPECT_EQ(chat->options.sampling.seed, 42U);
    EXPECT_EQ(chat->options.choices, 2);
    EXPECT_TRUE(chat->options.stream && chat->options.include_usage);
    EXPECT_EQ(chat->options.stop, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(chat->options.logprobs, 3);
    EXPECT_EQ(chat->options.sampling.logit_bias.size(), 1U);
}

TEST(OpenAiRequest, ModelDefaultsFillTheGaps) {
    const auto chat = parse_chat(object("{" + std::string(kHello) + "}"), {.temperature = 0, .stop = {"\nUser:"}});
    ASSERT_TRUE(chat);
    EXPECT_FLOAT_EQ(chat->options.sampling.temperature, 0);
    EXPECT_EQ(chat->options.stop, std::vector<std::string>{"\nUser:"});
    EXPECT_FALSE(chat->options.max_tokens);
}

TEST(OpenAiRequest, NewNameOfTheLimitWins) {
    const auto chat = parse_chat(object(with(R"("max_tokens":7,"max_completion_tokens":9)")), {});
    EXPECT_EQ(chat->options.max_tokens, 9);
}

TEST(OpenAiRequest, ErrorsNameTheField) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"{}", "messages"},
        {R"({"messages":[]})", "messages"},
        {R"({"messages":["x"]})", "messages[0]"},
        {R"({"messages":[{"content":"x"}]})", "messages[0].role"},
        {R"({"messages":[{"role":"alien","content":"x"}]})", "messages[0].role"},
        {R"({"messages":[{"role":"user"}]})", "messages[0].content"},
        {R"({"messages":[{"role":"user","content":5}]})", "messages[0].content"},
        {R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})", "messages[0].content[0].type"},
        {with(R"("temperature":2.5)"), "temperature"},
        {with(R"("temperature":"hot")"), "temperature"},
        {with(R"("top_p":1.1)"), "top_p"},
        {with(R"("n":0)"), "n"},
        {with(R"("n":9)"), "n"},
        {with(R"("max_tokens":0)"), "max_tokens"},
        {with(R"("max_tokens":1.5)"), "max_tokens"},
        {with(R"("stop":5)"), "stop"},
        {with(R"("stop":[""])"), "stop"},
        {with(R"("stream":"yes")"), "stream"},
        {with(R"("stream_options":{"include_usage":true})"), "stream_options"},
        {with(R"("top_logprobs":3)"), "top_logprobs"},
        {with(R"("logprobs":true,"top_logprobs":21)"), "top_logprobs"},
        {with(R"("presence_penalty":3)"), "presence_penalty"},
        {with(R"("logit_bias":{"x":1})"), "logit_bias"},
        {with(R"("logit_bias":{"1":101})"), "logit_bias.1"},
        {with(R"("response_format":{"type":"xml"})"), "response_format.type"},
        {with(R"("response_format":{"type":"json_schema"})"), "response_format.json_schema"},
        {with(R"("response_format":{"type":"json_schema","json_schema":{"name":"x"}})"), "response_format.json_schema.schema"},
        {with(R"("response_format":{"type":"json_object"},"grammar":"root ::= \"a\"")"), "grammar"},
        {with(R"("tools":[{"type":"retrieval"}])"), "tools[0].type"},
        {with(R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"maybe")"), "tool_choice"},
    };
    for (const auto& [body, field] : cases) {
        const Error error = chat_error(body);
        EXPECT_EQ(error.code(), Code::kInvalidArgument) << body;
        EXPECT_EQ(error.field(), field) << body << ": " << error.message();
    }
}

TEST(OpenAiRequest, FlattensContent) {
    const auto flat = flatten_messages(json::parse(R"([
        {"role":"developer","content":"be brief"},
        {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
        {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"1","content":"42"}])")->as_array());
    ASSERT_TRUE(flat) << flat.error().to_string();
    EXPECT_EQ(json::string_or((*flat)[0].as_object(), "role"), "system");
    EXPECT_EQ(json::string_or((*flat)[1].as_object(), "content"), "a\nb");
    EXPECT_EQ(json::string_or((*flat)[2].as_object(), "content", "none"), "");
    EXPECT_EQ(json::string_or((*flat)[3].as_object(), "tool_call_id"), "1");
}

TEST(OpenAiRequest, NamedToolIsTheOnlyOneAndRequired) {
    const auto chat = parse_chat(object(with(R"("tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}],
        "tool_choice":{"type":"function","function":{"name":"g"}})")), {});
    ASSERT_TRUE(chat) << chat.error().to_string();
    EXPECT_EQ(chat->input.tool_choice, "required");
    EXPECT_EQ(json::parse(chat->input.tools_json)->as_array().size(), 1U);
}

TEST(OpenAiRequest, PromptTakesFourShapes) {
    EXPECT_EQ(parse_completion(object(R"({"prompt":"a"})"), {})->prompts.size(), 1U);
    EXPECT_EQ(parse_completion(object(R"({"prompt":["a","b"]})"), {})->prompts.size(), 2U);
    EXPECT_EQ(std::get<std::vector<Token>>(parse_completion(object(R"({"prompt":[1,2,3]})"), {})->prompts[0]), (std::vector<Token>{1, 2, 3}));
    EXPECT_EQ(parse_completion(object(R"({"prompt":[[1,2],"b"]})"), {})->prompts.size(), 2U);
    for (const char* bad : {R"({"prompt":[]})", R"({"prompt":5})", R"({})", R"({"prompt":[1,-2]})", R"({"prompt":[1,99999999999]})", R"({"prompt":[[],[]]})"}) {
        const auto parsed = parse_completion(object(bad), {});
        ASSERT_FALSE(parsed) << bad;
        EXPECT_EQ(parsed.error().field(), "prompt") << bad;
    }
}

TEST(OpenAiRequest, CompletionDefaultsAndLimits) {
    EXPECT_EQ(parse_completion(object(R"({"prompt":"a"})"), {})->options.max_tokens, 16);
    EXPECT_EQ(parse_completion(object(R"({"prompt":"a","suffix":"b"})"), {}).error().field(), "suffix");
    EXPECT_EQ(parse_completion(object(R"({"prompt":"a","best_of":3})"), {}).error().field(), "best_of");
    EXPECT_EQ(parse_completion(object(R"({"prompt":"a","echo":true,"logprobs":1})"), {}).error().field(), "echo");
    EXPECT_EQ(parse_completion(object(R"({"prompt":"a","logprobs":5})"), {})->options.logprobs, 5);
}

TEST(OpenAiRequest, EmbeddingInputs) {
    EXPECT_TRUE(parse_embedding(object(R"({"input":["a","b"],"encoding_format":"base64"})"))->base64);
    EXPECT_EQ(parse_embedding(object(R"({"input":"a","encoding_format":"int8"})")).error().field(), "encoding_format");
    EXPECT_EQ(parse_embedding(object(R"({})")).error().field(), "input");
}

}  // namespace
}  // namespace atrium::model
