#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include "data/documents/internal/pdf_layout.h"
#include "data/documents/internal/test_documents.h"

namespace atrium::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using test::describe;
using test::error_of;
using test::parse;
using test::PdfText;

class PdfParser : public ::testing::Test {
protected:
    void SetUp() override {
        if (::access("/usr/bin/pdftotext", X_OK) != 0) GTEST_SKIP() << "poppler-utils is not installed";
    }
};

std::vector<PdfText> lines(std::initializer_list<const char*> texts, double top = 700) {
    std::vector<PdfText> out;
    for (const char* text : texts) {
        out.push_back({72, top, 11, text});
        top -= 14;
    }
    return out;
}

TEST_F(PdfParser, ReadsPagesHeadingsAndParagraphs) {
    auto first = lines({"This is a paragraph which runs over sev-", "eral lines of the first page and then it", "ends."}, 650);
    first.insert(first.begin(), {72, 700, 22, "Annual Report"});
    const auto document = parse("pdf", test::pdf({first, lines({"The second page has a text of its own."})}, false, "Annual Report 2025")).value();
    EXPECT_EQ(document.title, "Annual Report 2025");
    EXPECT_EQ(document.pages, 2);
    EXPECT_EQ(document.language, "en");
    EXPECT_EQ(describe(document), "H1 Annual Report|P This is a paragraph which runs over several lines of the first page and then it ends.|"
                                  "P The second page has a text of its own.");
    EXPECT_EQ(document.blocks[1].page, 1);
    EXPECT_EQ(document.blocks[2].page, 2);
}

TEST_F(PdfParser, RemovesHeadersFootersAndPageNumbers) {
    std::vector<std::vector<PdfText>> pages;
    for (int i = 1; i <= 4; ++i) {
        auto page = lines({"Body text number one of this page, which is long enough.", "It has a second line."}, 500);
        page[0].text += std::string(static_cast<std::size_t>(i), 'x');
        page.insert(page.begin(), {72, 810, 9, "Confidential - Example Corporation"});
        page.push_back({280, 30, 9, "Page " + std::to_string(i) + " of 4"});
        pages.push_back(std::move(page));
    }
    const std::string text = describe(parse("pdf", test::pdf(pages)));
    EXPECT_THAT(text, Not(HasSubstr("Confidential")));
    EXPECT_THAT(text, Not(HasSubstr("of 4")));
    EXPECT_THAT(text, HasSubstr("It has a second line."));
}

TEST_F(PdfParser, FindsTables) {
    std::vector<PdfText> page = lines({"The following table shows the revenue by segment:"}, 700);
    const std::vector<std::vector<std::string>> rows{{"Segment", "2024", "2025"}, {"Software", "5.1", "6.3"}, {"Services", "3.9", "4.0"}, {"Hardware", "2.2", "2.1"}};
    double y = 670;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) page.push_back({72 + 150.0 * static_cast<double>(i), y, 11, row[i]});
        y -= 16;
    }
    EXPECT_THAT(describe(parse("pdf", test::pdf({page}))),
                HasSubstr("T | Segment | 2024 | 2025 |\n| --- | --- | --- |\n| Software | 5.1 | 6.3 |\n| Services | 3.9 | 4.0 |\n| Hardware | 2.2 | 2.1 |"));
}

TEST_F(PdfParser, TakesACentredHeaderByItsCells) {
    std::vector<PdfText> page = lines({"Growth by sector:"}, 700);
    page.push_back({110, 670, 11, "Sector"});
    page.push_back({300, 670, 11, "Billions"});
    page.push_back({470, 670, 11, "Growth"});
    double y = 654;
    for (const auto* name : {"Agriculture", "Industry", "Services"}) {
        page.push_back({72, y, 11, name});
        page.push_back({250, y, 11, "4920"});
        page.push_back({420, y, 11, "5.3"});
        y -= 16;
    }
    EXPECT_THAT(describe(parse("pdf", test::pdf({page}))), HasSubstr("T | Sector | Billions | Growth |\n| --- | --- | --- |\n| Agriculture | 4920 | 5.3 |"));
}

TEST_F(PdfParser, SaysWhyAFileCannotBeRead) {
    EXPECT_THAT(error_of(parse("pdf", test::pdf({lines({"x"})}, true))), HasSubstr("encrypted; remove the password"));
    EXPECT_THAT(error_of(parse("pdf", test::pdf({{}, {}}))), HasSubstr("scanned images"));
    EXPECT_THAT(error_of(parse("pdf", "%PDF-1.4 and then nothing")), HasSubstr("damaged"));
    const std::string whole = test::pdf({lines({"text"})});
    EXPECT_FALSE(parse("pdf", whole.substr(0, 200)));
    ParseLimits limits;
    limits.pages = 1;
    EXPECT_EQ(make_parser("pdf")->parse(test::pdf({lines({"a"}), lines({"b"})}), limits).error().code(), Code::kOutOfRange);
}

TEST_F(PdfParser, WarnsAboutPagesWithoutText) {
    const auto document = parse("pdf", test::pdf({lines({"Some text of the first page."}), {}})).value();
    EXPECT_THAT(document.warnings, ElementsAre(HasSubstr("page 2 has no text layer")));
}

TEST(PdfLayout, ReadsTheToolsOutput) {
    const auto pages = internal::pdf::read_layout(
        "<page width=\"595.0\" height=\"842.0\">\n<block>\n<line xMin=\"10\" yMin=\"20\" xMax=\"60\" yMax=\"30\">\n"
        "<word xMin=\"10\" yMin=\"20\" xMax=\"30\" yMax=\"30\">A&amp;B</word>\n<word xMin=\"32\" yMin=\"20\" xMax=\"60\" yMax=\"30\">中文</word>\n"
        "<word broken\n<word xMin=\"nan\">x</word>\n</line></block></page>\n<page width=\"1\" height=\"1\">\n", 5);
    ASSERT_EQ(pages.size(), 2U);
    EXPECT_EQ(pages[0].number, 5);
    EXPECT_EQ(pages[1].number, 6);
    ASSERT_EQ(pages[0].lines.size(), 1U);
    EXPECT_THAT(pages[0].lines[0].text, ::testing::StartsWith("A&B中文"));
    EXPECT_TRUE(internal::pdf::read_layout("", 1).empty());
}

}  // namespace
}  // namespace atrium::data
