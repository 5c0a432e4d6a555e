#include "app/responses/items.h"

#include <gtest/gtest.h>

namespace atrium::app {
namespace {

json::array input(std::string_view text) {
    auto made = normalise_input(json::parse(text).value(), "input");
    EXPECT_TRUE(made) << made.error().to_string();
    return made.value_or(json::array{});
}

std::string chat(std::string_view text) {
    ChatTranscript transcript;
    for (const auto& item : input(text)) transcript.add(item.get_object());
    return json::serialize(std::move(transcript).finish());
}

TEST(Items, AStringIsAMessage) {
    auto items = input(R"("hi")");
    ASSERT_EQ(items.size(), 1u);
    EXPECT_TRUE(json::string_or(items[0].get_object(), "id").starts_with("msg_"));
    items[0].get_object()["id"] = "msg_1";
    EXPECT_EQ(
        json::serialize(items[0]),
        R"({"role":"user","content":[{"type":"input_text","text":"hi"}],"type":"message","id":"msg_1","status":"completed"})");
}

TEST(Items, OneTurnOfTheAssistantIsOneMessage) {
    EXPECT_EQ(
        chat(R"([{"role":"developer","content":"be kind"},{"role":"user","content":"hi"},
                       {"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]},
                       {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look."}]},
                       {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},
                       {"type":"custom_tool_call","call_id":"c2","name":"g","input":"ls"},
                       {"type":"function_call_output","call_id":"c1","output":"1"},
                       {"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"2"}]}])"),
        R"([{"role":"system","content":"be kind"},{"role":"user","content":"hi"},)"
        R"({"role":"assistant","reasoning_content":"hm","content":"I look.","tool_calls":[)"
        R"({"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},)"
        R"({"id":"c2","type":"function","function":{"name":"g","arguments":"{\"input\":\"ls\"}"}}]},)"
        R"({"role":"tool","tool_call_id":"c1","content":"1"},{"role":"tool","tool_call_id":"c2","content":"2"}])");
}

TEST(Items, ReasoningComesBackFromWhatTheCallerCarried) {
    const auto packed =
        pack_reasoning("hm", {json::object{{"type", "thinking"}, {"thinking", "hm"}, {"signature", "s"}}});
    EXPECT_EQ(
        chat(R"([{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":")" + packed + R"("},
                       {"role":"assistant","content":"a"}])"),
        R"([{"role":"assistant","reasoning_content":"hm","thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"s"}],"content":"a"}])");
    // Another provider's is not ours to read.
    EXPECT_EQ(
        chat(
            R"([{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAAA"},{"role":"user","content":"q"}])"),
        R"([{"role":"user","content":"q"}])");
}

TEST(Items, ImagesAndFilesAreParts) {
    EXPECT_EQ(
        chat(
            R"([{"role":"user","content":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image/png;base64,AA=="},
                       {"type":"input_file","file_id":"file-1"}]}])"),
        R"([{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"auto"}},)"
        R"({"type":"file","file":{"file_id":"file-1"}}]}])");
}

TEST(Items, AReferenceStaysOne) {
    EXPECT_EQ(json::serialize(input(R"([{"type":"item_reference","id":"msg_1"},{"id":"rs_1"}])")),
              R"([{"type":"item_reference","id":"msg_1"},{"type":"item_reference","id":"rs_1"}])");
}

TEST(Items, CustomInputIsWrappedAndUnwrapped) {
    EXPECT_EQ(unwrap_custom_input(wrap_custom_input("a \"b\"\n")), "a \"b\"\n");
    EXPECT_EQ(unwrap_custom_input("plain"), "plain");
}

TEST(Items, ErrorsNameTheField) {
    const std::pair<const char*, const char*> cases[] = {
        {"7", "input"},
        {R"(["x"])", "input[0]"},
        {R"([{"role":"robot","content":"x"}])", "input[0].role"},
        {R"([{"role":"user"}])", "input[0].content"},
        {R"([{"role":"user","content":[{"type":"input_text"}]}])", "input[0].content[0].text"},
        {R"([{"role":"user","content":[{"type":"input_audio"}]}])", "input[0].content[0].type"},
        {R"([{"role":"user","content":[{"type":"input_image"}]}])", "input[0].content[0]"},
        {R"([{"role":"user","content":[{"type":"input_file","file_url":"http://x"}]}])",
         "input[0].content[0].file_url"},
        {R"([{"type":"function_call","name":"f","arguments":"{}"}])", "input[0].call_id"},
        {R"([{"type":"function_call","call_id":"c","name":"f","arguments":{}}])", "input[0].arguments"},
        {R"([{"type":"function_call_output","call_id":"c"}])", "input[0].output"},
        {R"([{"type":"web_search_call","id":"ws_1"}])", "input[0].type"},
        {R"([{"type":"message","id":5,"role":"user","content":"x"}])", "input[0].id"},
    };
    for (const auto& [text, field] : cases) {
        const auto made = normalise_input(json::parse(text).value(), "input");
        ASSERT_FALSE(made) << text;
        EXPECT_EQ(made.error().field(), field) << made.error().to_string();
    }
}

}  // namespace
}  // namespace atrium::app
