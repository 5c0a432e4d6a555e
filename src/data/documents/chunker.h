#pragma once

#include <string>
#include <vector>

#include "base/stop.h"
#include "data/documents/document.h"

namespace atrium::data {

/// Sizes in estimated tokens: a CJK character counts 0.7, other text a quarter of its characters
/// (within 15 % of the e5 tokenizer on the development sets).
struct ChunkOptions {
    int max_tokens = 300;     ///< measured best on CMRC: sentences packed to ≈ 400 characters
    int overlap_tokens = 0;
};

/// A passage to retrieve and cite. Chunks never cut a sentence unless a single sentence exceeds max_tokens,
/// never join text under different headings, and keep tables whole or repeat their header row.
struct Chunk {
    std::string text;
    std::vector<std::string> headings;  ///< outermost first, at most 500 bytes each
    int page = 0;                       ///< of its first block; 0 unknown
    int last_page = 0;
    int ordinal = 0;                    ///< position in the document
    int tokens = 0;                     ///< estimate
};

int estimate_tokens(std::string_view utf8);

/// Sentences of a paragraph, in Chinese and English ("。！？；" with closing quotes, "." not after abbreviations or in
/// numbers). Concatenating them gives the input.
std::vector<std::string_view> split_sentences(std::string_view utf8);

/// Time and memory grow with the length of the text, whatever it holds. Stops early, between blocks, when `stop` is
/// requested; what it returns then is not the whole document.
std::vector<Chunk> chunk_document(const ParsedDocument& document, const ChunkOptions& options, const StopToken& stop = {});

}  // namespace atrium::data
