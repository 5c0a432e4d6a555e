#pragma once

#include <string_view>

/// What a line of text says about its place in a document, in formats that carry no markup. Pure functions.
namespace atrium::data::internal {

/// "第三条 …", "第十二条之一 …": the start of a clause of a regulation or contract.
bool starts_clause(std::string_view line);

/// The heading level of "第一编 …" (1), "第一章 …", "附则", "Chapter 3 …" (2), "第一节 …" (3); 0 when the line is not such
/// a heading. Only short lines without a sentence end count, so "第一章规定的措施，……" does not.
int chapter_level(std::string_view line);

/// The bytes of a leading list marker with the white space after it ("- ", "• ", "1. ", "(2) ", "（三）", "a) "), or 0.
std::size_t list_marker(std::string_view line);

/// Whether the text ends like a sentence: 。！？；….!?:： and closing quotes after them.
bool ends_sentence(std::string_view text);

/// Whether it announces what follows: "…:" or "…：".
bool announces(std::string_view text);

/// A line of a table of contents: "第一章 总则……………3", "1.2 Scope ..... 7".
bool is_contents_line(std::string_view line);

/// A line that is nothing but a page number: "3", "- 3 -", "Page 3 of 10", "第 3 页 共 10 页", "3/10", "iv".
bool is_page_number(std::string_view line);

}  // namespace atrium::data::internal
