#include "gateway/openai/requests.h"

#include <gtest/gtest.h>

namespace atrium::gateway {
namespace {

json::object parse(std::string_view text) {
    return json::parse_object(text).value();
}

/// The field an error names, or "ok".
template <class T>
std::string verdict(const Result<T>& result) {
    if (result) return "ok";
    EXPECT_EQ(result.error().code(), Code::kInvalidArgument);
    EXPECT_FALSE(result.error().message().empty());
    return result.error().field();
}

/// A chat body with one user message and these extra fields.
std::string chat(std::string_view extra) {
    std::string text = R"({"model":"m","messages":[{"role":"user","content":"hi"}])";
    if (!extra.empty()) text.append(",").append(extra);
    return verdict(validate_chat(parse(text + "}")));
}
std::string messages(std::string_view list) {
    return verdict(validate_chat(parse(R"({"model":"m","messages":)" + std::string(list) + "}")));
}

struct Case {
    const char* text;
    const char* field;
};

TEST(ChatRequest, Messages) {
    const Case cases[] = {
        {R"([{"role":"user","content":"hi"}])", "ok"},
        {R"([{"role":"developer","content":"x"},{"role":"user","content":[{"type":"text","text":"hi"}]}])", "ok"},
        {R"([{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"7"}])",
         "ok"},
        {R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}])", "ok"},
        {R"([])", "messages"},
        {R"("hi")", "messages"},
        {R"(null)", "messages"},
        {R"(["hi"])", "messages[0]"},
        {R"([{"content":"hi"}])", "messages[0].role"},
        {R"([{"role":"robot","content":"hi"}])", "messages[0].role"},
        {R"([{"role":7,"content":"hi"}])", "messages[0].role"},
        {R"([{"role":"user"}])", "messages[0].content"},
        {R"([{"role":"user","content":null}])", "messages[0].content"},
        {R"([{"role":"user","content":5}])", "messages[0].content"},
        {R"([{"role":"user","content":[]}])", "messages[0].content"},
        {R"([{"role":"user","content":"a"},{"role":"assistant"}])", "messages[1].content"},
        {R"([{"role":"user","content":["a"]}])", "messages[0].content[0]"},
        {R"([{"role":"user","content":[{"type":"text"}]}])", "messages[0].content[0].text"},
        {R"([{"role":"user","content":[{"type":"hologram"}]}])", "messages[0].content[0].type"},
        {R"([{"role":"system","content":[{"type":"image_url"}]}])", "messages[0].content[0].type"},
        {R"([{"role":"tool","content":"x"}])", "messages[0].tool_call_id"},
        {R"([{"role":"user","content":"x","tool_calls":[]}])", "messages[0].tool_calls"},
        {R"([{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f"}}]}])",
         "messages[0].tool_calls[0].function.arguments"},
    };
    for (const auto& item : cases) EXPECT_EQ(messages(item.text), item.field) << item.text;
}

TEST(ChatRequest, Parameters) {
    const Case cases[] = {
        {"", "ok"},
        {R"("temperature":0,"top_p":1,"n":2,"seed":-5,"max_tokens":1,"user":"u","future":{"x":1})", "ok"},
        {R"("temperature":2.1)", "temperature"},
        {R"("temperature":"hot")", "temperature"},
        {R"("top_p":-0.1)", "top_p"},
        {R"("frequency_penalty":3)", "frequency_penalty"},
        {R"("presence_penalty":-3)", "presence_penalty"},
        {R"("n":0)", "n"},
        {R"("n":1.5)", "n"},
        {R"("n":129)", "n"},
        {R"("seed":"x")", "seed"},
        {R"("max_tokens":0)", "max_tokens"},
        {R"("max_completion_tokens":-1)", "max_completion_tokens"},
        {R"("stop":"x")", "ok"},
        {R"("stop":["a","b","c","d"])", "ok"},
        {R"("stop":null)", "ok"},
        {R"("stop":["a","b","c","d","e"])", "stop"},
        {R"("stop":"")", "stop"},
        {R"("stop":[1])", "stop[0]"},
        {R"("stop":5)", "stop"},
        {R"("stream":"yes")", "stream"},
        {R"("stream":true,"stream_options":{"include_usage":true})", "ok"},
        {R"("stream_options":{"include_usage":true})", "stream_options"},
        {R"("stream":true,"stream_options":{"include_usage":1})", "stream_options.include_usage"},
        {R"("logit_bias":{"50256":-100})", "ok"},
        {R"("logit_bias":{"cat":1})", "logit_bias"},
        {R"("logit_bias":{"1":101})", "logit_bias"},
        {R"("logprobs":true,"top_logprobs":5)", "ok"},
        {R"("top_logprobs":5)", "top_logprobs"},
        {R"("logprobs":true,"top_logprobs":21)", "top_logprobs"},
        {R"("response_format":{"type":"json_object"})", "ok"},
        {R"("response_format":{"type":"json_schema","json_schema":{"name":"a_b-1","schema":{},"strict":true}})", "ok"},
        {R"("response_format":{"type":"xml"})", "response_format.type"},
        {R"("response_format":"json")", "response_format"},
        {R"("response_format":{"type":"json_schema"})", "response_format.json_schema"},
        {R"("response_format":{"type":"json_schema","json_schema":{"name":"a b","schema":{}}})",
         "response_format.json_schema.name"},
        {R"("response_format":{"type":"json_schema","json_schema":{"name":"a"}})",
         "response_format.json_schema.schema"},
        {R"("tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":"auto")", "ok"},
        {R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}})",
         "ok"},
        {R"("tools":[])", "tools"},
        {R"("tools":{})", "tools"},
        {R"("tools":["f"])", "tools[0]"},
        {R"("tools":[{"type":"function"}])", "tools[0].function"},
        {R"("tools":[{"type":"function","function":{"name":"f g"}}])", "tools[0].function.name"},
        {R"("tools":[{"type":"function","function":{"name":"f","parameters":[]}}])", "tools[0].function.parameters"},
        {R"("tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}])",
         "tools[1].function.name"},
        {R"("tool_choice":"required")", "tool_choice"},
        {R"("tool_choice":"sometimes")", "tool_choice"},
        {R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}})",
         "tool_choice.function.name"},
        {R"("metadata":{"a":"b"})", "ok"},
        {R"("metadata":{"a":1})", "metadata"},
        {R"("reasoning_effort":"huge")", "reasoning_effort"},
        {R"("parallel_tool_calls":1)", "parallel_tool_calls"},
    };
    for (const auto& item : cases) EXPECT_EQ(chat(item.text), item.field) << item.text;
}

TEST(ChatRequest, ModelAndModality) {
    EXPECT_EQ(verdict(validate_chat(parse(R"({"messages":[]})"))), "model");
    EXPECT_EQ(verdict(validate_chat(parse(R"({"model":"","messages":[]})"))), "model");
    EXPECT_EQ(verdict(validate_chat(parse(R"({"model":["m"]})"))), "model");
    const auto image =
        validate_chat(parse(R"({"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}]}]})"));
    EXPECT_FALSE(image->only_text);
}

TEST(CompletionRequest, Fields) {
    const Case cases[] = {
        {R"({"model":"m","prompt":"hi"})", "ok"},
        {R"({"model":"m","prompt":["a","b"]})", "ok"},
        {R"({"model":"m","prompt":[1,2,3]})", "ok"},
        {R"({"model":"m","prompt":[[1],[2]]})", "ok"},
        {R"({"model":"m"})", "prompt"},
        {R"({"model":"m","prompt":5})", "prompt"},
        {R"({"model":"m","prompt":[]})", "prompt"},
        {R"({"model":"m","prompt":["a",1]})", "prompt[1]"},
        {R"({"model":"m","prompt":[1,-2]})", "prompt"},
        {R"({"model":"m","prompt":[[1],"a"]})", "prompt[1]"},
        {R"({"model":"m","prompt":"x","logprobs":6})", "logprobs"},
        {R"({"model":"m","prompt":"x","best_of":1,"n":2})", "best_of"},
        {R"({"model":"m","prompt":"x","best_of":2,"stream":true})", "best_of"},
        {R"({"model":"m","prompt":"x","echo":1})", "echo"},
    };
    for (const auto& item : cases) EXPECT_EQ(verdict(validate_completion(parse(item.text))), item.field) << item.text;
}

TEST(EmbeddingRequest, Fields) {
    const Case cases[] = {
        {R"({"model":"m","input":"hi","encoding_format":"base64","dimensions":384})", "ok"},
        {R"({"model":"m","input":["a","b"]})", "ok"},
        {R"({"model":"m","input":[1,2]})", "ok"},
        {R"({"model":"m","input":[[1,2],[3]]})", "ok"},
        {R"({"model":"m","input":""})", "input"},
        {R"({"model":"m","input":["a",""]})", "input[1]"},
        {R"({"model":"m","input":[[]]})", "input[0]"},
        {R"({"model":"m","input":[1.5]})", "input"},
        {R"({"model":"m","input":{"text":"a"}})", "input"},
        {R"({"model":"m"})", "input"},
        {R"({"model":"m","input":"a","encoding_format":"hex"})", "encoding_format"},
        {R"({"model":"m","input":"a","dimensions":0})", "dimensions"},
    };
    for (const auto& item : cases) EXPECT_EQ(verdict(validate_embedding(parse(item.text))), item.field) << item.text;
    json::array many(2049, json::value("x"));
    EXPECT_EQ(verdict(validate_embedding({{"model", "m"}, {"input", many}})), "input");
}

}  // namespace
}  // namespace atrium::gateway
