#include <gtest/gtest.h>

#include <random>

#include "platform/http/internal/body_decoder.h"
#include "platform/http/internal/head_parser.h"

namespace atrium::http::internal {
namespace {

struct Scanned {
    HeadScanner::State state = HeadScanner::State::kMore;
    std::size_t size = 0;
    bool operator==(const Scanned&) const = default;
};

Scanned scan(std::string_view bytes, std::size_t step) {
    HeadScanner scanner;
    Scanned out;
    for (std::size_t have = std::min(step, bytes.size());; have = std::min(have + step, bytes.size())) {
        out.state = scanner.scan(bytes.substr(0, have));
        if (out.state != HeadScanner::State::kMore || have == bytes.size()) break;
    }
    if (out.state == HeadScanner::State::kDone) out.size = scanner.size();
    return out;
}

struct Decoded {
    bool good = true, done = false;
    std::string content;
    std::size_t used = 0;
    bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view bytes, std::size_t step, std::size_t max_out) {
    BodyDecoder decoder = BodyDecoder::chunked(false);
    Decoded out;
    std::size_t have = 0;
    while (!decoder.done()) {
        auto used = decoder.feed(bytes.substr(out.used, have - out.used), out.content, max_out);
        if (!used) {
            out.good = false;
            // How far a wrong body was read depends on the pieces; what counts is that it is refused.
            out.content.clear();
            out.used = 0;
            return out;
        }
        out.used += *used;
        if (*used == 0 && have == bytes.size()) break;
        have = std::min(have + step, bytes.size());
    }
    out.done = decoder.done();
    return out;
}

/// Small damages at random places: the same for a seed on every machine.
std::string damage(std::string bytes, std::mt19937& random) {
    static constexpr std::string_view kBytes = "\r\n\0 :;,0aF\t\x80\x7f%/";
    for (int i = 0, n = static_cast<int>(random() % 3); i < n && !bytes.empty(); ++i) {
        const std::size_t at = random() % bytes.size();
        switch (random() % 3) {
            case 0: bytes[at] = kBytes[random() % kBytes.size()]; break;
            case 1: bytes.erase(at, 1 + random() % 3); break;
            default: bytes.insert(at, 1, kBytes[random() % kBytes.size()]); break;
        }
    }
    return bytes;
}

const std::string kHead =
    "POST /v1/a%20b?x=y HTTP/1.1\r\nHost: example.org:80\r\nContent-Length: 12\r\nAccept: */*\r\n\r\n";
const std::string kChunks = "5;a=\"b\"\r\nhello\r\n1\r\n \r\n00a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";

TEST(HeadScannerTest, PiecesDoNotMatter) {
    std::mt19937 random(1);
    for (int i = 0; i < 5000; ++i) {
        const std::string head = damage(kHead, random);
        const Scanned whole = scan(head, head.size() + 1);
        EXPECT_EQ(scan(head, 1), whole) << head;
        EXPECT_EQ(scan(head, 1 + random() % 40), whole) << head;
    }
}

TEST(RequestHeadTest, DamagedHeadsAreRefusedOrCanonical) {
    std::mt19937 random(2);
    int accepted = 0;
    for (int i = 0; i < 20000; ++i) {
        const std::string head = damage(kHead, random);
        HeadScanner scanner;
        if (scanner.scan(head) != HeadScanner::State::kDone) continue;
        const auto parsed = parse_request_head(std::string_view(head).substr(0, scanner.size()));
        if (!parsed) continue;
        ++accepted;
        EXPECT_LE(parsed->head.headers.count("content-length"), 1u) << head;
        EXPECT_EQ(parsed->head.headers.count("host"), parsed->http11 ? 1u : parsed->head.headers.count("host")) << head;
        EXPECT_FALSE(parsed->chunked && parsed->head.content_length) << head;
        EXPECT_TRUE(parsed->head.path.starts_with('/')) << head;
        for (const auto& [name, value] : parsed->head.headers)
            EXPECT_TRUE(is_token(name) && is_field_value(value)) << head;
    }
    EXPECT_GT(accepted, 1000);
}

TEST(BodyDecoderTest, PiecesDoNotMatter) {
    std::mt19937 random(3);
    EXPECT_EQ(decode(kChunks, 7, 3).content, "hello 0123456789");
    int accepted = 0;
    for (int i = 0; i < 5000; ++i) {
        const std::string chunks = damage(kChunks, random) + "GET / HTTP/1.1\r\n\r\n";
        const Decoded whole = decode(chunks, chunks.size(), 1 << 20);
        EXPECT_EQ(decode(chunks, 1, 1), whole) << chunks;
        EXPECT_EQ(decode(chunks, 1 + random() % 20, 1 + random() % 9), whole) << chunks;
        accepted += whole.done;
    }
    EXPECT_GT(accepted, 500);
}

TEST(BodyDecoderTest, LengthsAndSkips) {
    BodyDecoder body = BodyDecoder::of_length(10);
    std::string out;
    EXPECT_EQ(*body.feed("abcdef", out, 4), 4u);
    EXPECT_EQ(body.remaining(), 6u);
    body.skip(5);
    EXPECT_EQ(*body.feed("xGET /", out, 100), 1u);
    EXPECT_TRUE(body.done());
    EXPECT_EQ(out, "abcdx");
    EXPECT_TRUE(BodyDecoder::of_length(0).done());
    EXPECT_TRUE(BodyDecoder::none().done());
}

TEST(SplitTarget, MessagesNameTheDefect) {
    RequestHead head;
    ASSERT_TRUE(split_target("/a%2Fb?c=%zz", head));
    EXPECT_EQ(head.path, "/a/b");
    EXPECT_EQ(head.query, "c=%zz");
    for (const auto& [target, part] : std::vector<std::pair<std::string, std::string>>{
             {"/%", "percent"}, {"/%00", "control"}, {"/%ff", "UTF-8"}, {"/..", "'..'"}}) {
        const auto result = split_target(target, head);
        ASSERT_FALSE(result) << target;
        EXPECT_NE(result.error().message().find(part), std::string::npos) << result.error().message();
    }
}

}  // namespace
}  // namespace atrium::http::internal
