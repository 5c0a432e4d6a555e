#include "gateway/openai/multipart.h"

#include <gmock/gmock.h>

namespace atrium::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kType = "multipart/form-data; boundary=XX";

struct Part {
    std::string name;
    std::string filename;
    std::string type;
    std::string data;
    bool operator==(const Part&) const = default;
};

/// Parses a body that arrives in pieces of this size; an error's message instead of parts when there is one.
std::vector<Part> parse(std::string_view body, std::size_t piece, std::string* error = nullptr, std::string_view type = kType) {
    std::vector<Part> parts;
    const auto failed = [&](const Error& e) {
        if (error != nullptr) *error = e.message();
        return parts;
    };
    auto parser = MultipartParser::from_content_type(type);
    if (!parser) return failed(parser.error());
    for (std::size_t i = 0; i < body.size(); i += piece) {
        auto events = parser->feed(body.substr(i, piece));
        if (!events) return failed(events.error());
        for (auto& event : *events) {
            if (event.kind == MultipartParser::Kind::kBegin) parts.push_back({event.name, event.filename.value_or("-"), event.content_type, ""});
            if (event.kind == MultipartParser::Kind::kData) parts.back().data += event.data;
        }
    }
    if (const auto done = parser->finish(); !done) return failed(done.error());
    return parts;
}

std::string error_of(std::string_view body, std::string_view type = kType) {
    std::string error = "(none)";
    parse(body, body.size() + 1, &error, type);
    return error;
}

constexpr std::string_view kBody =
    "preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n"
    "--XX  \r\ncontent-disposition: form-data; name=file; filename=\"a b.txt\"\r\nContent-Type: text/plain\r\n\r\n"
    "line\r\n--XY\r\n-- XX\r\n\r\n--X"
    "\r\n--XX\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--XX--\r\nepilogue --XX";

TEST(Multipart, TheSameHoweverItArrives) {
    const auto whole = parse(kBody, kBody.size());
    ASSERT_EQ(whole.size(), 3U);
    EXPECT_EQ(whole[0], (Part{"purpose", "-", "", "assistants"}));
    EXPECT_EQ(whole[1], (Part{"file", "a b.txt", "text/plain", "line\r\n--XY\r\n-- XX\r\n\r\n--X"}));
    EXPECT_EQ(whole[2], (Part{"empty", "-", "", ""}));
    for (std::size_t piece = 1; piece < kBody.size(); ++piece) EXPECT_EQ(parse(kBody, piece), whole) << "pieces of " << piece;
}

TEST(Multipart, TheBodyCutInTwoAtEveryByte) {
    const auto whole = parse(kBody, kBody.size());
    for (std::size_t cut = 0; cut <= kBody.size(); ++cut) {
        auto parser = MultipartParser::from_content_type(kType).value();
        std::string content;
        int ended = 0;
        for (const auto piece : {kBody.substr(0, cut), kBody.substr(cut)}) {
            for (const auto& event : parser.feed(piece).value()) {
                content += event.data;
                ended += event.kind == MultipartParser::Kind::kEnd ? 1 : 0;
            }
        }
        EXPECT_TRUE(parser.finish());
        EXPECT_EQ(content, whole[0].data + whole[1].data) << cut;
        EXPECT_EQ(ended, 3);
    }
}

TEST(Multipart, TruncatedAnywhereIsAnError) {
    const auto end = kBody.find("--XX--") + 6;
    for (std::size_t length = 0; length < end; ++length) {
        EXPECT_NE(error_of(kBody.substr(0, length)), "(none)") << length;
    }
    EXPECT_EQ(error_of(kBody.substr(0, end)), "(none)");
}

TEST(Multipart, ContentIsNotHeldBack) {
    auto parser = MultipartParser::from_content_type(kType).value();
    ASSERT_TRUE(parser.feed("--XX\r\nContent-Disposition: form-data; name=file\r\n\r\n"));
    std::size_t seen = 0;
    const std::string piece(64 * 1024, '\r');  // the worst case: each byte may begin a delimiter
    for (int i = 0; i < 100; ++i) {
        for (const auto& event : parser.feed(piece).value()) seen += event.data.size();
    }
    EXPECT_GE(seen, 100 * piece.size() - 8);
}

struct NameCase {
    std::string_view disposition;
    std::string_view filename;
};

TEST(Multipart, FileNamesAsClientsWriteThem) {
    for (const NameCase& c : std::initializer_list<NameCase>{
             {R"(form-data; name="file"; filename="plain.txt")", "plain.txt"},
             {R"(form-data; name="file"; filename=token.txt)", "token.txt"},
             {R"(form-data; name="file"; filename="with \"quotes\".txt")", "with \"quotes\".txt"},
             {R"(form-data; name="file"; filename="with %22quotes%22.txt")", "with \"quotes\".txt"},
             {R"(form-data; name="file"; filename="100%.txt")", "100%.txt"},
             {R"(form-data; name="file"; filename="C:\Users\x.txt")", R"(C:\Users\x.txt)"},
             {R"(form-data; name="file"; filename="semi;colon.txt"; x=y)", "semi;colon.txt"},
             {"form-data; name=\"file\"; filename=\"报告.pdf\"", "报告.pdf"},
             {R"(form-data; name="file"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf)", "报告.pdf"},
             {R"(form-data; name="file"; filename="x.pdf"; filename*=utf-8'zh'%E6%8A%A5.pdf)", "报.pdf"},
             {R"(form-data; name="file"; filename*=ISO-8859-1''%E9t%E9.txt)", "été.txt"},
             {R"(form-data; name="file"; filename="fallback.txt"; filename*=KOI8-R''%C1.txt)", "fallback.txt"},
             {R"(form-data; name="file"; filename="")", ""},
         }) {
        const std::string body = "--XX\r\nContent-Disposition: " + std::string(c.disposition) + "\r\n\r\nx\r\n--XX--";
        const auto parts = parse(body, body.size());
        ASSERT_EQ(parts.size(), 1U) << c.disposition;
        EXPECT_EQ(parts[0].name, "file") << c.disposition;
        EXPECT_EQ(parts[0].filename, c.filename) << c.disposition;
    }
}

TEST(Multipart, BadBodiesSayWhatIsWrong) {
    EXPECT_THAT(error_of("--XX\r\n\r\nx\r\n--XX--"), HasSubstr("no Content-Disposition"));
    EXPECT_THAT(error_of("--XX\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--XX--"), HasSubstr("not form-data"));
    EXPECT_THAT(error_of("--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--"), HasSubstr("no name"));
    EXPECT_THAT(error_of("--XX\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\nx\r\n--XX--"),
                HasSubstr("two"));
    EXPECT_THAT(error_of("--XX\r\nnonsense\r\n\r\nx\r\n--XX--"), HasSubstr("colon"));
    EXPECT_THAT(error_of("--XXtrailing\r\n\r\n--XX--"), HasSubstr("line break"));
    EXPECT_THAT(error_of("--XX\r\nX: " + std::string(20'000, 'x')), HasSubstr("longer than"));
    EXPECT_THAT(error_of(""), HasSubstr("closing delimiter"));
    std::string many;
    for (int i = 0; i < 70; ++i) many += "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
    EXPECT_THAT(error_of(many + "--XX--"), HasSubstr("more than 64 parts"));
}

TEST(Multipart, ContentTypes) {
    EXPECT_TRUE(MultipartParser::from_content_type("Multipart/Form-Data; charset=utf-8; boundary=\"a b:c\""));
    EXPECT_EQ(MultipartParser::from_content_type("application/json").error().reason(), "unsupported_media_type");
    EXPECT_FALSE(MultipartParser::from_content_type("multipart/form-data"));
    EXPECT_FALSE(MultipartParser::from_content_type("multipart/form-data; boundary="));
    EXPECT_FALSE(MultipartParser::from_content_type("multipart/form-data; boundary=" + std::string(71, 'x')));
    EXPECT_FALSE(MultipartParser::from_content_type("multipart/form-data; boundary=\"ends in space \""));
    EXPECT_FALSE(MultipartParser::from_content_type(""));
}

}  // namespace
}  // namespace atrium::gateway
