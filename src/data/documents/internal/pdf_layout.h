#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/documents/document.h"
#include "data/documents/internal/block_writer.h"

/// From words with places on pages to headings and paragraphs. Pure functions on the output of `pdftotext -bbox-layout`,
/// which groups words into lines, lines into blocks, and puts blocks into reading order. Lengths are in points,
/// y grows downwards.
namespace atrium::data::internal::pdf {

struct Word {
    std::string text;
    double x_min = 0;
    double x_max = 0;
    double y_min = 0;
    double y_max = 0;
};

struct Line {
    std::string text;
    double x_min = 0;
    double x_max = 0;
    double y_min = 0;
    double y_max = 0;
    double size = 0;  ///< the height of its longest word: raised and lowered characters make the line itself taller
    double em = 0;    ///< the width of a CJK character, about twice that of a Latin one: what distances are measured in
    int block = 0;  ///< numbered through the document
    std::vector<Word> words;

    double middle() const { return (y_min + y_max) / 2; }
};

struct Page {
    int number = 0;
    double width = 0;
    double height = 0;
    std::vector<Line> lines;  ///< in reading order
};

/// Reads the tool's output for pages numbered from `first_page`; what it does not know it skips.
std::vector<Page> read_layout(std::string_view output, int first_page);

/// Removes page numbers, and headers and footers that repeat from page to page.
void remove_furniture(std::vector<Page>& pages);

/// Writes headings (by size and numbering), paragraphs (joined across lines, columns and pages), list items and tables.
Result<> write_blocks(const std::vector<Page>& pages, BlockWriter& writer);

/// A table found on a page by its geometry: rows of cells and the lines it consists of (ascending positions).
struct Table {
    std::vector<std::vector<std::string>> rows;
    std::vector<std::size_t> lines;
    bool contents = false;  ///< a table of contents, which says nothing that the headings do not say
};
std::vector<Table> find_tables(const Page& page);

}  // namespace atrium::data::internal::pdf
