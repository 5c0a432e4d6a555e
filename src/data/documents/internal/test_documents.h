#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/documents/parser.h"

/// Small documents made on the spot, for tests.
namespace atrium::data::test {

Result<ParsedDocument> parse(std::string_view format, std::string_view bytes);
/// "H1 Title|P Text|L - item|T | a |…|C code", or "error: …".
std::string describe(const Result<ParsedDocument>& document);
std::string error_of(const Result<ParsedDocument>& document);

std::string repeat(std::string_view text, int times);
/// UTF-8 in another encoding.
std::string encode(std::string_view utf8, const char* charset);

std::string zip(const std::vector<std::pair<std::string, std::string>>& members);
/// A DOCX with this content of <w:body> and further parts.
std::string docx(std::string_view body, const std::vector<std::pair<std::string, std::string>>& parts = {});
std::string p(std::string_view text, std::string_view style = {});
std::string numbered(std::string_view text, int list, int level);
struct StyleRow {
    std::string id, name, based_on;
};
std::string styles(const std::vector<StyleRow>& rows);
/// One abstract list per entry, with (format, text) per level; list n is number n + 1.
std::string numbering(const std::vector<std::vector<std::pair<std::string, std::string>>>& lists);

/// Text at a place, y upwards from the bottom, A4 portrait.
struct PdfText {
    double x, y, size;
    std::string text;  ///< Latin only
};
/// A PDF of Helvetica text; a page without text draws a rectangle, as a scan would. `encrypted` only claims to be.
std::string pdf(const std::vector<std::vector<PdfText>>& pages, bool encrypted = false, std::string_view title = {});

}  // namespace atrium::data::test
