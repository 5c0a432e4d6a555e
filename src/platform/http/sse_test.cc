#include "platform/http/sse.h"

#include <gtest/gtest.h>

namespace atrium::http {

bool operator==(const SseEvent& a, const SseEvent& b) {
    return a.event == b.event && a.data == b.data;
}

namespace {

std::vector<SseEvent> parse_in_pieces(std::string_view bytes, std::size_t piece) {
    SseParser parser;
    std::vector<SseEvent> all;
    for (std::size_t i = 0; i < bytes.size(); i += piece) {
        auto events = parser.feed(bytes.substr(i, piece));
        EXPECT_TRUE(events);
        for (auto& event : *events) all.push_back(std::move(event));
    }
    return all;
}

struct Case {
    std::string_view name, bytes;
    std::vector<SseEvent> events;
};

const std::vector<Case>& cases() {
    static const std::vector<Case> all = {
        {"one", "data: a\n\n", {{"", "a"}}},
        {"crlf", "event: e\r\ndata: a\r\n\r\ndata: b\r\n\r\n", {{"e", "a"}, {"", "b"}}},
        {"cr", "data: a\r\rdata: b\r\r", {{"", "a"}, {"", "b"}}},
        {"mixed", "data: a\r\n\ndata: b\n\r\n", {{"", "a"}, {"", "b"}}},
        {"several data lines", "data: a\ndata\ndata:b\n\n", {{"", "a\n\nb"}}},
        {"comments and unknown fields", ": ping\n\nid: 7\nretry: 3\nfoo: bar\ndata: x\n\n: end\n", {{"", "x"}}},
        {"event without data", "event: lost\n\ndata: y\n\n", {{"", "y"}}},
        {"empty data", "data:\n\n", {{"", ""}}},
        {"only one space is eaten", "data:  z\n\n", {{"", " z"}}},
        {"unfinished", "data: a\n\ndata: never ended\n", {{"", "a"}}},
        {"byte order mark",
         "\xEF\xBB\xBF"
         "data: a\n\n",
         {{"", "a"}}},
        {"colon in the value", "data: {\"a\": 1}\n\n", {{"", "{\"a\": 1}"}}},
        {"chinese", "data: 中庭\n\n", {{"", "中庭"}}},
        {"done", "data: [DONE]\n\n", {{"", "[DONE]"}}},
    };
    return all;
}

TEST(SseParserTest, SameEventsHoweverTheBytesArrive) {
    for (const Case& c : cases()) {
        for (std::size_t piece = 1; piece <= c.bytes.size(); ++piece) {
            EXPECT_EQ(parse_in_pieces(c.bytes, piece), c.events) << c.name << " in pieces of " << piece;
        }
        for (std::size_t split = 0; split <= c.bytes.size(); ++split) {
            SseParser parser;
            auto first = parser.feed(c.bytes.substr(0, split));
            auto second = parser.feed(c.bytes.substr(split));
            ASSERT_TRUE(first && second);
            first->insert(first->end(), second->begin(), second->end());
            EXPECT_EQ(*first, c.events) << c.name << " split at " << split;
        }
    }
}

TEST(SseParserTest, RefusesAnEventAboveTheLimit) {
    for (const std::string& bytes : {"data: " + std::string(100, 'x') + "\n\n", std::string(100, 'x'),
                                     "data: " + std::string(30, 'x') + "\ndata: " + std::string(30, 'x') + "\n\n"}) {
        SseParser parser(50);
        auto events = parser.feed(bytes);
        ASSERT_FALSE(events);
        EXPECT_EQ(events.error().code(), Code::kOutOfRange);
    }
    SseParser parser(50);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(parser.feed("data: " + std::string(30, 'x') + "\n\n"));
}

TEST(FormatSse, RoundTrips) {
    for (const SseEvent& event :
         std::vector<SseEvent>{{"", "a"}, {"message_start", "{}"}, {"", "a\nb\n\nc\n"}, {"", ""}}) {
        EXPECT_EQ(parse_in_pieces(format_sse(event), 7), std::vector<SseEvent>{event});
    }
    EXPECT_EQ(format_sse({"e", "d"}), "event: e\ndata: d\n\n");
    EXPECT_EQ(format_sse({"", "a\r\nb\rc"}), "data: a\ndata: b\ndata: c\n\n");
}

TEST(FormatSse, AnEventNameCannotForgeFields) {
    EXPECT_EQ(parse_in_pieces(format_sse({"x\ndata: forged", "real"}), 100),
              (std::vector<SseEvent>{{"x data: forged", "real"}}));
}

}  // namespace
}  // namespace atrium::http
