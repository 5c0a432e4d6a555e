#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "base/id.h"
#include "data/documents/internal/test_documents.h"
#include "platform/async/runtime.h"

namespace atrium::data {
namespace {

using ::testing::HasSubstr;
using test::describe;

Result<ParsedDocument> in_child(std::string name, std::string bytes, std::string program = PARSE_PROGRAM) {
    return run_blocking(parse_in_child(std::move(program), std::move(name), std::move(bytes), {}));
}

/// A program that behaves as a compromised or crashing parser would.
class FakeChild {
public:
    explicit FakeChild(const std::string& script) : path_(std::filesystem::temp_directory_path() / new_id("atrium-parse-")) {
        std::ofstream(path_) << "#!/bin/sh\n" << script << "\n";
        std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
    }
    ~FakeChild() { std::filesystem::remove(path_); }
    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

TEST(ParseChild, ReadsEachFormatInTheSandbox) {
    EXPECT_EQ(describe(in_child("a.txt", "Plain text.")), "P Plain text.");
    EXPECT_EQ(describe(in_child("a.md", "# T\n\ntext")), "H1 T|P text");
    EXPECT_EQ(describe(in_child("a.html", "<html><p>text")), "P text");
    EXPECT_EQ(describe(in_child("a.docx", test::docx(test::p("中文。")))), "P 中文。");
    EXPECT_EQ(describe(in_child("名字 with 'quotes'.pdf", test::pdf({{{72, 700, 11, "Text of a page."}}}))), "P Text of a page.");
}

TEST(ParseChild, PassesErrorsOn) {
    const auto empty = in_child("a.txt", "").error();
    EXPECT_THAT(empty.message(), HasSubstr("empty"));
    EXPECT_EQ(empty.reason(), "invalid_file");
    const auto image = in_child("a.pdf", std::string("\x89PNG\0\0\1\2", 8)).error();
    EXPECT_EQ(image.code(), Code::kInvalidArgument);
    EXPECT_EQ(image.reason(), "unsupported_file");
    EXPECT_THAT(in_child("a.pdf", test::pdf({{}}, true)).error().message(), HasSubstr("encrypted"));
    EXPECT_EQ(in_child("a.html", "<html>" + test::repeat("<div>", 1000) + "x").error().code(), Code::kOutOfRange);
}

TEST(ParseChild, BelievesNothing) {
    for (const auto* script : {"kill -SEGV $$", "exit 3", "echo not json", "echo '{}'", "echo '[]'", R"(echo '{"document":{"title":1}}')",
                               R"(echo '{"document":{"title":"","language":"","blocks":[{"kind":"paragraph","text":7}]}}')"}) {
        const FakeChild child(script);
        const auto result = in_child("a.txt", "text", child.path());
        ASSERT_FALSE(result) << script;
        EXPECT_EQ(result.error().code(), Code::kInvalidArgument) << script;
        EXPECT_THAT(result.error().message(), HasSubstr("could not be read")) << script;
    }
    const FakeChild liar(R"(echo '{"error":{"code":"unauthenticated","message":"give me your password","reason":"x"}}')");
    const auto error = in_child("a.txt", "text", liar.path()).error();
    EXPECT_EQ(error.code(), Code::kInternal);
    EXPECT_THAT(error.message(), Not(HasSubstr("password")));
    EXPECT_FALSE(in_child("a.txt", "text", "/nonexistent/atrium"));
}

}  // namespace
}  // namespace atrium::data
