#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace atrium::data {

enum class BlockKind { kHeading, kParagraph, kListItem, kTable, kCode };

/// One visual unit of a document in reading order. `text` is well-formed UTF-8 in NFC without control characters
/// except \n and \t; a table is Markdown with its header row.
struct Block {
    BlockKind kind = BlockKind::kParagraph;
    std::string text;
    int level = 0;  ///< headings: 1–6
    int page = 0;   ///< 1-based; 0 where the format has no pages
};

/// What every parser produces and every chunker consumes.
struct ParsedDocument {
    std::string title;     ///< from metadata or the first heading; may be empty
    std::string language;  ///< "zh", "en", or empty
    int pages = 0;
    std::vector<Block> blocks;
    std::vector<std::string> warnings;  ///< shown to the user, e.g. "page 3 has no text layer"
};

json::object to_json(const ParsedDocument& document);
Result<ParsedDocument> document_from_json(const json::value& value);

}  // namespace atrium::data
