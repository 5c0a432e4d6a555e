#include "model/engine/serving/answer.h"

#include <gtest/gtest.h>

#include "platform/http/sse.h"

namespace atrium::model {
namespace {

Answer::Options shape(AnswerShape kind, bool stream) {
    Answer::Options options;
    options.shape = kind;
    options.identity = {"id-1", "", 1'700'000'000, "m"};
    options.stream = stream;
    options.prompt_tokens = 5;
    return options;
}

AnswerPart part(std::string text, int tokens, std::optional<FinishReason> end = {}) {
    AnswerPart out;
    out.text = std::move(text);
    out.tokens = tokens;
    if (end) out.end = AnswerEnd{*end, {}};
    return out;
}

std::vector<json::object> events(const std::string& sse) {
    http::SseParser parser;
    std::vector<json::object> out;
    for (const http::SseEvent& event : parser.feed(sse).value()) {
        if (event.data != "[DONE]") out.push_back(json::parse_object(event.data).value());
    }
    return out;
}

const json::object& choice(const json::object& event) { return event.at("choices").at(0).as_object(); }

TEST(Answer, StreamsAChatAsOpenAiDoes) {
    Answer::Options options = shape(AnswerShape::kChat, true);
    options.include_usage = true;
    Answer answer(options);
    std::string sse = answer.add({part("Hel", 1)});
    sse += answer.add({part("lo", 2)});
    sse += answer.add({part("", 3, FinishReason::kStop)});
    EXPECT_TRUE(answer.complete());
    sse += answer.end_of_stream();
    EXPECT_TRUE(sse.ends_with("data: [DONE]\n\n"));

    const auto all = events(sse);
    ASSERT_EQ(all.size(), 5U);
    EXPECT_EQ(choice(all[0]).at("delta"), (json::value{{"role", "assistant"}, {"content", ""}}));
    EXPECT_EQ(choice(all[1]).at("delta"), (json::value{{"content", "Hel"}}));
    EXPECT_TRUE(choice(all[1]).at("finish_reason").is_null());
    EXPECT_TRUE(all[1].at("usage").is_null());
    EXPECT_EQ(all[2].at("atrium").at("completion_tokens"), 2);
    EXPECT_EQ(choice(all[3]).at("finish_reason"), "stop");
    EXPECT_TRUE(choice(all[3]).at("delta").as_object().empty());
    EXPECT_TRUE(all[4].at("choices").as_array().empty());
    EXPECT_EQ(all[4].at("usage").at("total_tokens"), 8);
    for (const auto& event : all) {
        EXPECT_EQ(event.at("object"), "chat.completion.chunk");
        EXPECT_EQ(event.at("id"), "id-1");
    }
}

TEST(Answer, WholeChat) {
    Answer answer(shape(AnswerShape::kChat, false));
    answer.set_cached_tokens(4);
    EXPECT_EQ(answer.add({part(" Paris", 1), part(".", 2, FinishReason::kLength)}), "");
    const json::object whole = answer.whole();
    EXPECT_EQ(whole.at("object"), "chat.completion");
    EXPECT_EQ(choice(whole).at("message").at("content"), "Paris.");
    EXPECT_EQ(choice(whole).at("finish_reason"), "length");
    EXPECT_EQ(whole.at("usage").at("prompt_tokens_details").at("cached_tokens"), 4);
    EXPECT_EQ(whole.at("usage").at("completion_tokens"), 2);
}

TEST(Answer, ChoicesAreCountedTogetherAndKeptApart) {
    Answer::Options options = shape(AnswerShape::kCompletion, false);
    options.choices = 2;
    options.echo = {"> ", "> "};
    Answer answer(options);
    AnswerPart second = part("b", 1, FinishReason::kStop);
    second.choice = 1;
    answer.add({second});
    EXPECT_FALSE(answer.complete());
    answer.add({part("a", 1), part("a", 2, FinishReason::kLength)});
    EXPECT_TRUE(answer.complete());
    const json::object whole = answer.whole();
    EXPECT_EQ(whole.at("choices").at(0).at("text"), "> aa");
    EXPECT_EQ(whole.at("choices").at(1).at("text"), "> b");
    EXPECT_EQ(whole.at("usage").at("completion_tokens"), 3);
}

TEST(Answer, LogprobsInBothShapes) {
    AnswerPart token = part("A", 1, FinishReason::kLength);
    token.details.push_back({"A", -0.25F, {{"A", -0.25F}, {"\xE4", -2.0F}}});

    Answer::Options options = shape(AnswerShape::kChat, false);
    options.logprobs = true;
    Answer chat(options);
    chat.add({token});
    const json::object chat_whole = chat.whole();
    const auto& entry = choice(chat_whole).at("logprobs").at("content").at(0);
    EXPECT_EQ(entry.at("token"), "A");
    EXPECT_EQ(entry.at("bytes").at(0), 65);
    EXPECT_EQ(entry.at("top_logprobs").as_array().size(), 2U);
    EXPECT_EQ(entry.at("top_logprobs").at(1).at("bytes").at(0), 0xE4);

    options.shape = AnswerShape::kCompletion;
    Answer completion(options);
    completion.add({token});
    const json::object whole = completion.whole();
    const auto& logprobs = choice(whole).at("logprobs").as_object();
    EXPECT_EQ(logprobs.at("tokens").at(0), "A");
    EXPECT_EQ(logprobs.at("text_offset").at(0), 0);
    EXPECT_DOUBLE_EQ(logprobs.at("token_logprobs").at(0).as_double(), -0.25);
}

TEST(Answer, ErrorStopsTheAnswer) {
    Answer answer(shape(AnswerShape::kChat, true));
    AnswerPart broken = part("", 0);
    broken.end = AnswerEnd{FinishReason::kStop, unavailable("gone")};
    answer.add({part("a", 1), broken});
    ASSERT_TRUE(answer.error());
    EXPECT_EQ(answer.error()->code(), Code::kUnavailable);
}

// "[reason]" is thinking, "name(args" or "name(args)" a call, the rest content.
class ToyParser final : public OutputParser {
public:
    Result<ChatMessage> parse(const std::string& text, bool partial) const override {
        if (text == "bad") return fail(invalid_argument("bad"));
        ChatMessage message;
        std::string rest = text;
        if (rest.starts_with('[')) {
            const std::size_t end = rest.find(']');
            message.reasoning = rest.substr(1, end == std::string::npos ? end : end - 1);
            rest = end == std::string::npos ? "" : rest.substr(end + 1);
        }
        const std::size_t open = rest.find('(');
        if (open == std::string::npos) {
            message.content = rest;
        } else {
            const std::size_t close = rest.find(')');
            message.tool_calls.push_back({rest.substr(0, open), rest.substr(open + 1, close == std::string::npos ? close : close - open - 1)});
        }
        static_cast<void>(partial);
        return message;
    }
};

TEST(Answer, ParsedOutputBecomesReasoningContentAndCalls) {
    ChatDeltas deltas(std::make_shared<ToyParser>());
    std::vector<json::object> all;
    for (const char* piece : {"[hm", "m]", "f(", "{\"a\":", "1})"}) {
        for (auto& delta : deltas.feed(piece, false)) all.push_back(delta);
    }
    for (auto& delta : deltas.feed("", true)) all.push_back(delta);
    EXPECT_EQ(deltas.message().reasoning, "hmm");
    ASSERT_EQ(deltas.message().tool_calls.size(), 1U);
    EXPECT_EQ(deltas.message().tool_calls[0].name, "f");
    std::string arguments;
    for (const auto& delta : all) {
        if (const auto* calls = delta.if_contains("tool_calls")) arguments += calls->at(0).at("function").at("arguments").as_string();
    }
    EXPECT_EQ(arguments, R"({"a":1})");
    EXPECT_TRUE(deltas.call_ids()[0].starts_with("call_"));
}

TEST(Answer, UnparsableOutputIsHandedOverAsContent) {
    ChatDeltas deltas(std::make_shared<ToyParser>());
    deltas.feed("bad", false);
    const auto last = deltas.feed("", true);
    ASSERT_EQ(last.size(), 1U);
    EXPECT_EQ(last[0].at("content"), "bad");
}

TEST(Answer, Base64OfFloats) {
    EXPECT_EQ(base64_floats({1.0F}), "AACAPw==");
    EXPECT_EQ(base64_floats({1.0F, -2.0F, 0.5F}), "AACAPwAAAMAAAAA/");
    EXPECT_EQ(base64_floats({}), "");
}

}  // namespace
}  // namespace atrium::model
