#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/documents/document.h"
#include "data/documents/parser.h"

namespace atrium::data::internal {

/// Collects the blocks of a document: cleans text, drops what is empty, enforces the limit on text. What every parser
/// writes to. Single-threaded.
class BlockWriter {
public:
    explicit BlockWriter(const ParseLimits& limits) : limits_(limits) {}

    /// White space inside a line is collapsed; line ends in the text are kept. kOutOfRange beyond the limit on text.
    Result<> heading(int level, std::string_view text, int page = 0);
    Result<> paragraph(std::string_view text, int page = 0);
    Result<> list_item(std::string_view text, int page = 0);
    Result<> code(std::string_view text, int page = 0);  ///< keeps its white space
    /// The first row is the header. Rows may differ in length; a table of one cell is a paragraph.
    Result<> table(const std::vector<std::vector<std::string>>& rows, int page = 0);

    void warn(std::string message) { document_.warnings.push_back(std::move(message)); }
    void set_title(std::string_view title);
    bool has_title() const { return !document_.title.empty(); }
    std::vector<Block>& blocks() { return document_.blocks; }

    /// Turns "一、总体要求" into a heading where text, not another item, follows it. Fills in title (the first heading when there is none), language and pages. kInvalidArgument with `empty_message`
    /// when there is no text.
    Result<ParsedDocument> finish(int pages, std::string_view empty_message);

private:
    Result<> add(BlockKind kind, std::string text, int level, int page);
    void promote_numbered_lines();

    const ParseLimits& limits_;
    ParsedDocument document_;
    std::uint64_t text_bytes_ = 0;
};

/// The error for a document that is damaged or cannot be read as what it claims to be; reason "invalid_file".
Error unreadable(std::string message);

}  // namespace atrium::data::internal
