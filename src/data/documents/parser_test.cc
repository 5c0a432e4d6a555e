#include "data/documents/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/text.h"
#include "data/documents/internal/charset.h"
#include "data/documents/internal/ooxml.h"
#include "data/documents/internal/test_documents.h"

namespace atrium::data {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using test::describe;
using test::docx;
using test::error_of;
using test::parse;
using namespace std::string_literals;

TEST(DetectFormat, GoesByContent) {
    EXPECT_EQ(detect_format("%PDF-1.7\n…", "report.txt").value(), "pdf");
    EXPECT_EQ(detect_format(docx("<w:p/>"), "mislabelled.pdf").value(), "docx");
    EXPECT_EQ(detect_format("\xEF\xBB\xBF <!-- x --> <!DOCTYPE html><p>x", "page.txt").value(), "html");
    EXPECT_EQ(detect_format("<?xml version='1.0'?>\n<html xmlns='x'></html>", "").value(), "html");
    EXPECT_EQ(detect_format("<p>fragment</p>", "page.HTM").value(), "html");
    EXPECT_EQ(detect_format("# Title", "notes.md").value(), "markdown");
    EXPECT_EQ(detect_format("plain", "notes").value(), "text");
    EXPECT_EQ(detect_format("a,b\n1,2\n", "data.csv").value(), "text");
    EXPECT_EQ(detect_format("\xFF\xFEh\0i\0"s, "utf16.txt").value(), "text");
}

TEST(DetectFormat, SaysWhatIsWrong) {
    EXPECT_THAT(detect_format("", "x.pdf").error().message(), HasSubstr("empty"));
    const auto png = detect_format("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"s, "scan.pdf").error();
    EXPECT_THAT(png.message(), HasSubstr("image (PNG)"));
    EXPECT_THAT(png.message(), HasSubstr("supported are PDF, Word (.docx), HTML, Markdown and plain text"));
    EXPECT_EQ(png.reason(), "unsupported_file");
    EXPECT_THAT(detect_format(test::zip({{"xl/workbook.xml", "<x/>"}}), "a.xlsx").error().message(), HasSubstr("Excel"));
    EXPECT_THAT(detect_format(test::zip({{"readme.txt", "x"}}), "a.zip").error().message(), HasSubstr("ZIP archive"));
    EXPECT_THAT(detect_format("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 old"s, "a.doc").error().message(), HasSubstr("old format"));
    EXPECT_THAT(detect_format("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0"s, "a.docx").error().message(), HasSubstr("password"));
    EXPECT_EQ(detect_format("\0\1\2\3\4\5"s, "a.bin").error().reason(), "unsupported_file");
    EXPECT_FALSE(detect_format("PK\x03\x04 cut off", "a.docx"));
    EXPECT_THAT(supported_formats(), ElementsAre("pdf", "docx", "html", "markdown", "text"));
    EXPECT_EQ(make_parser("spreadsheet"), nullptr);
}

TEST(TextParser, ReadsEveryEncoding) {
    const std::string text = "数据安全管理办法\n\n第一条 为了规范数据处理活动，保障数据安全，促进数据开发利用，制定本办法。";
    const std::string traditional = "資料安全管理辦法\n\n為了規範資料處理活動，保障個人與組織的合法權益，特制定這個辦法。";
    EXPECT_EQ(describe(parse("text", text)), describe(parse("text", "\xEF\xBB\xBF" + text)));
    for (const auto* charset : {"UTF-16LE", "UTF-16BE", "GB18030"}) {
        EXPECT_EQ(describe(parse("text", test::encode(text, charset))), describe(parse("text", text))) << charset;
    }
    EXPECT_EQ(describe(parse("text", "\xFF\xFE" + test::encode(text, "UTF-16LE"))), describe(parse("text", text)));
    EXPECT_EQ(describe(parse("text", "\xFE\xFF" + test::encode(text, "UTF-16BE"))), describe(parse("text", text)));
    EXPECT_EQ(describe(parse("text", test::encode(traditional, "Big5"))), describe(parse("text", traditional)));
    EXPECT_THAT(describe(parse("text", "caf\xE9 cr\xE8me, d\xE9j\xE0 vu et ainsi de suite")), HasSubstr("café crème, déjà vu"));
    EXPECT_THAT(describe(parse("text", text + "\xFF broken")), HasSubstr("保障数据安全"));
}

TEST(TextParser, FindsParagraphsListsAndChapters) {
    EXPECT_EQ(describe(parse("text", "Title of it\n\nFirst paragraph.\n\n- one\n- two\n\nLast.")),
              "H1 Title of it|P First paragraph.|L - one|L - two|P Last.");
    EXPECT_EQ(describe(parse("text", "第一章 总则\n第一条 内容。\n第二条 内容。\n\n第二章 职责\n第三条 内容。")),
              "H2 第一章 总则|P 第一条 内容。|P 第二条 内容。|H2 第二章 职责|P 第三条 内容。");
    const auto document = parse("text", "Only line").value();
    EXPECT_EQ(document.language, "en");
    EXPECT_EQ(document.pages, 0);
}

TEST(TextParser, JoinsWrappedLinesOnly) {
    EXPECT_EQ(describe(parse("text", "This paragraph was wrapped by an editor at a\ncolumn near forty, so that its line breaks\nmean nothing at all, and "
                                     "are to be joined\nagain.")),
              "P This paragraph was wrapped by an editor at a column near forty, so that its line breaks mean nothing at all, and are to be joined again.");
    EXPECT_EQ(describe(parse("text", "Roses are red\nViolets are blue")), "P Roses are red\nViolets are blue");
}

TEST(TextParser, TakesRepeatedCaptionsAsHeadings) {
    EXPECT_EQ(describe(parse("text", "Desk\nThe desk is open all day long.\n\nLaptops\nThey are replaced after four years.")),
              "H2 Desk|P The desk is open all day long.|H2 Laptops|P They are replaced after four years.");
    EXPECT_EQ(describe(parse("text", "一、总体要求\n坚持统一领导。\n\n二、主要任务\n完善制度体系。")),
              "H3 一、总体要求|P 坚持统一领导。|H3 二、主要任务|P 完善制度体系。");
}

TEST(MarkdownParser, ReadsTheUsualElements) {
    EXPECT_EQ(describe(parse("markdown", "# Title\n\nSome *emphasised* text\nthat wraps &amp; ends.\n\n- one\n  - nested\n- two\n\n1. first\n2. second\n\n"
                                         "```c\nint x;\n\nint y;\n```\n\n| a | b |\n|---|---|\n| 1 | 2\\|3 |\n\n> quoted\n\n[link](http://x) `code`")),
              "H1 Title|P Some emphasised text that wraps & ends.|L - one|L   - nested|L - two|L 1. first|L 2. second|C int x;\n\nint y;|"
              "T | a | b |\n| --- | --- |\n| 1 | 2\\|3 ||P quoted|P link code");
}

TEST(MarkdownParser, HandlesFrontMatterHtmlAndChinese) {
    const auto document = parse("markdown", "---\ntitle: \"The Guide\"\ntags: [a]\n---\n## 安装\n第一行\n第二行<br>第三行\n\n<div>in <b>html</b></div>\n\n<!-- gone -->").value();
    EXPECT_EQ(document.title, "The Guide");
    EXPECT_EQ(describe(document), "H2 安装|P 第一行第二行\n第三行|P in html");
    EXPECT_THAT(error_of(parse("markdown", "<!-- nothing -->")), HasSubstr("no text"));
}

TEST(HtmlParser, KeepsTheDocumentAndDropsTheFurniture) {
    const auto document = parse("html", R"(<!doctype html><html><head><title>Leave policy | Example</title><style>p{}</style></head><body>
        <header><nav><a>Home</a></nav></header><div class="cookie-banner">We use cookies</div><aside>Ads</aside>
        <h1>Leave policy</h1><p>Everybody has
        <b>18</b> days.<br>More after five years.</p><script>alert(1)</script>
        <ul><li>One<ul><li>Inner</li></ul></li><li>Two</li></ul><ol><li>First</li></ol>
        <table><tr><th>Year</th><th>Days</th></tr><tr><td rowspan=2>2024</td><td>18</td></tr><tr><td>19 | 20</td></tr></table>
        <pre>  code
    here</pre><p hidden>secret</p><div style="display: none">gone</div><footer>Imprint</footer></body></html>)").value();
    EXPECT_EQ(document.title, "Leave policy");
    EXPECT_EQ(describe(document),
              "H1 Leave policy|P Everybody has 18 days.\nMore after five years.|L - One|L   - Inner|L - Two|L 1. First|"
              "T | Year | Days |\n| --- | --- |\n| 2024 | 18 |\n| 2024 | 19 \\| 20 ||C   code\n    here");
}

TEST(HtmlParser, PrefersMainAndHandlesLayoutTables) {
    const std::string body(300, 'x');
    EXPECT_EQ(describe(parse("html", "<html><body><div>Menu</div><main><p>" + body + "</p></main><div>More</div>")), "P " + body);
    EXPECT_EQ(describe(parse("html", "<html><table><tr><td><h2>Left</h2><p>Text</p></td><td><p>Right</p></td></tr></table>")), "H2 Left|P Text|P Right");
    EXPECT_EQ(describe(parse("html", "<html><nav><p>Only navigation here</p></nav>")), "P Only navigation here");
    EXPECT_EQ(describe(parse("html", "<html><p>中文\n换行")), "P 中文换行");
}

TEST(HtmlParser, ReadsDeclaredCharsets) {
    const std::string page = "<html><head><meta charset=\"gb2312\"></head><body><p>数据</p></body></html>";
    EXPECT_EQ(describe(parse("html", test::encode(page, "GB18030"))), "P 数据");
    const std::string big5 = "<html><head><meta http-equiv=Content-Type content='text/html; charset=big5'></head><body><p>資料</p>";
    EXPECT_EQ(describe(parse("html", test::encode(big5, "Big5"))), "P 資料");
}

TEST(HtmlParser, RefusesDeepNestingAndEmptyPages) {
    const auto deep = parse("html", "<html>" + test::repeat("<div>", 100'000));
    EXPECT_EQ(deep.error().code(), Code::kOutOfRange);
    EXPECT_THAT(deep.error().message(), HasSubstr("256"));
    EXPECT_EQ(parse("html", "<html>" + test::repeat("<div>", 1000) + "x").error().code(), Code::kOutOfRange);
    EXPECT_THAT(error_of(parse("html", "<html><script>render()</script>")), HasSubstr("no text"));
    EXPECT_TRUE(parse("html", "<html><table><tr><td colspan=99999999 rowspan=99999999>x</td><td>y</td></tr></table>"));
}

TEST(DocxParser, ReadsHeadingsByStyleAndOutline) {
    const std::string styles = test::styles({{"1", "heading 1", ""}, {"a5", "Title", ""}, {"Sub", "My style", "1"}, {"TOC1", "toc 1", ""}});
    const std::string body = test::p("年度报告", "a5") + test::p("Contents … 3", "TOC1") + test::p("第一部分", "1") + test::p("正文。") +
                             test::p("Derived", "Sub") + "<w:p><w:pPr><w:outlineLvl w:val=\"2\"/></w:pPr><w:r><w:t>Direct</w:t></w:r></w:p>" + test::p("End.");
    const auto document = parse("docx", docx(body, {{"word/styles.xml", styles}})).value();
    EXPECT_EQ(document.title, "年度报告");
    EXPECT_EQ(describe(document), "H1 年度报告|H2 第一部分|P 正文。|H2 Derived|H4 Direct|P End.");
}

TEST(DocxParser, GeneratesNumbers) {
    const std::string numbering = test::numbering({{{"chineseCounting", "第%1条"}, {"decimal", "%1.%2"}}, {{"bullet", "·"}}});
    const std::string body = test::numbered("目的。", 1, 0) + test::numbered("细则。", 1, 1) + test::numbered("又一细则。", 1, 1) +
                             test::numbered("范围。", 1, 0) + test::numbered("再一细则。", 1, 1) + test::numbered("点。", 2, 0) + test::p("");
    EXPECT_EQ(describe(parse("docx", docx(body, {{"word/numbering.xml", numbering}}))),
              "P 第一条 目的。|L   一.1 细则。|L   一.2 又一细则。|P 第二条 范围。|L   二.1 再一细则。|L - 点。");
}

TEST(DocxParser, ReadsTablesWithMergedCells) {
    const auto cell = [](std::string_view text, std::string_view properties = "") {
        return "<w:tc><w:tcPr>" + std::string(properties) + "</w:tcPr>" + test::p(text) + "</w:tc>";
    };
    const std::string table = "<w:tbl><w:tr>" + cell("级别") + cell("说明") + cell("期限") + "</w:tr><w:tr>" + cell("一级", "<w:vMerge w:val=\"restart\"/>") +
                              cell("公开") + cell("3年") + "</w:tr><w:tr>" + cell("", "<w:vMerge/>") + cell("跨列", "<w:gridSpan w:val=\"2\"/>") + "</w:tr></w:tbl>";
    EXPECT_EQ(describe(parse("docx", docx(test::p("见下表。") + table))),
              "P 见下表。|T | 级别 | 说明 | 期限 |\n| --- | --- | --- |\n| 一级 | 公开 | 3年 |\n| 一级 | 跨列 |  |");
}

TEST(DocxParser, LeavesOutWhatIsNotShown) {
    const std::string body =
        "<w:p><w:r><w:t xml:space=\"preserve\">Kept </w:t></w:r><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>inserted</w:t></w:r></w:ins><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r></w:p>"
        "<w:p><w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText>TOC \\o</w:instrText></w:r><w:r><w:fldChar w:fldCharType=\"separate\"/></w:r>"
        "<w:r><w:t>Entry 1</w:t></w:r></w:p><w:p><w:r><w:t>Entry 2</w:t></w:r><w:r><w:fldChar w:fldCharType=\"end\"/></w:r></w:p>"
        "<w:p><w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText>DATE</w:instrText></w:r><w:r><w:fldChar w:fldCharType=\"separate\"/></w:r>"
        "<w:r><w:t>2025</w:t></w:r><w:r><w:fldChar w:fldCharType=\"end\"/></w:r></w:p>"
        "<w:p><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink><mc:AlternateContent xmlns:mc=\"m\"><mc:Choice><w:r><w:t> chosen</w:t></w:r></mc:Choice>"
        "<mc:Fallback><w:r><w:t> twice</w:t></w:r></mc:Fallback></mc:AlternateContent></w:p>";
    EXPECT_EQ(describe(parse("docx", docx(body))), "P Kept inserted|P 2025|P link chosen");
}

TEST(DocxParser, TakesBoldLinesAsHeadingsWhereThereAreNoOthers) {
    const auto bold = [](std::string_view text) { return "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>" + std::string(text) + "</w:t></w:r></w:p>"; };
    EXPECT_EQ(describe(parse("docx", docx(bold("Scope") + test::p("It applies to all.") + bold("Dates") + test::p("From May.")))),
              "H2 Scope|P It applies to all.|H2 Dates|P From May.");
}

TEST(DocxParser, RefusesHostileFiles) {
    const std::string entities = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>"
                                 "<w:document xmlns:w=\"w\"><w:body><w:p><w:r><w:t>x&b;y</w:t></w:r></w:p></w:body></w:document>";
    const auto unexpanded = parse("docx", test::zip({{"word/document.xml", entities}}));
    EXPECT_THAT(describe(unexpanded), Not(HasSubstr("aaaa")));
    const auto bomb = parse("docx", docx(test::p(std::string(33u << 20, 'a'))));
    EXPECT_EQ(bomb.error().code(), Code::kOutOfRange);
    EXPECT_THAT(bomb.error().message(), HasSubstr("bomb"));
    const auto deep = parse("docx", docx(test::repeat("<w:sdt><w:sdtContent>", 400) + test::p("x") + test::repeat("</w:sdtContent></w:sdt>", 400)));
    EXPECT_EQ(deep.error().code(), Code::kOutOfRange);
    std::vector<std::pair<std::string, std::string>> many{{"word/document.xml", "<x/>"}};
    for (int i = 0; i < 50; ++i) many.emplace_back("f" + std::to_string(i), "");
    ParseLimits limits;
    limits.archive_members = 20;
    EXPECT_EQ(make_parser("docx")->parse(test::zip(many), limits).error().code(), Code::kOutOfRange);
    EXPECT_THAT(error_of(parse("docx", test::zip({{"word/document.xml", "<w:document><w:body><w:p>"}}))), HasSubstr("well-formed"));
    EXPECT_THAT(error_of(parse("docx", test::zip({{"word/document.xml", "<w:document/>"}}))), HasSubstr("no body"));
    const std::string good = docx(test::p("text"));
    EXPECT_FALSE(parse("docx", good.substr(0, good.size() / 2)));
    EXPECT_THAT(error_of(parse("docx", docx("<w:p/>"))), HasSubstr("no text"));
}

TEST(Parsers, EnforceTheLimitOnText) {
    ParseLimits limits;
    limits.text_bytes = 1 << 20;
    const std::string text = test::repeat(std::string(500, 'x') + "\n\n", 2200);
    for (const auto* format : {"text", "markdown", "html"}) {
        const auto result = make_parser(format)->parse(text, limits);
        ASSERT_FALSE(result) << format;
        EXPECT_EQ(result.error().code(), Code::kOutOfRange) << format;
        EXPECT_THAT(result.error().message(), HasSubstr("1 MiB"));
    }
}

TEST(Numbers, AreSpelledAsWordDoes) {
    using internal::ooxml::format_number;
    EXPECT_EQ(format_number(12, "chineseCounting"), "十二");
    EXPECT_EQ(format_number(20, "chineseCountingThousand"), "二十");
    EXPECT_EQ(format_number(105, "chineseCounting"), "一百零五");
    EXPECT_EQ(format_number(1010, "ideographDigital"), "一千零一十");
    EXPECT_EQ(format_number(14, "upperRoman"), "XIV");
    EXPECT_EQ(format_number(28, "lowerLetter"), "bb");
    EXPECT_EQ(format_number(3, "decimalZero"), "03");
    EXPECT_EQ(format_number(3, "decimalEnclosedCircle"), "③");
    EXPECT_EQ(format_number(7, "whatever"), "7");
}

/// Damaged input of every kind: parsers fail or succeed, but never crash, and what they return is well-formed.
TEST(Parsers, SurviveDamagedInput) {
    const std::string page = "<html><body><h1>T</h1><table><tr><td rowspan=2>a<td>b</tr></table><ul><li>x<p>&#20013;&amp;</ul><pre>c</pre></body>";
    const std::string notes = "# T\n\n- a\n  1. b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n<div>h</div>\n第一条 文字。\n";
    const std::vector<std::pair<std::string, std::string>> samples{
        {"html", page}, {"markdown", notes}, {"text", notes}, {"docx", docx(test::p("text") + "<w:tbl><w:tr><w:tc>" + test::p("c") + "</w:tc></w:tr></w:tbl>")}};
    std::mt19937 random(1);
    for (const auto& [format, sample] : samples) {
        for (int round = 0; round < 2000; ++round) {
            std::string bytes = sample;
            for (std::size_t edits = 1 + random() % 8; edits > 0 && !bytes.empty(); --edits) {
                const std::size_t at = random() % bytes.size();
                switch (random() % 4) {
                    case 0: bytes[at] = static_cast<char>(random()); break;
                    case 1: bytes.erase(at, random() % 16); break;
                    case 2: bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 64)); break;
                    default: bytes.resize(at); break;
                }
            }
            const auto document = parse(format, bytes);
            if (!document) continue;
            EXPECT_FALSE(document->blocks.empty());
            for (const Block& block : document->blocks) ASSERT_TRUE(text::is_utf8(block.text) && !block.text.empty());
            static_cast<void>(detect_format(bytes, "x"));
        }
    }
}

}  // namespace
}  // namespace atrium::data
