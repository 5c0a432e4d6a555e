#pragma once

#include <memory>
#include <string_view>

#include "data/documents/parser.h"

/// One function per format; make_parser() is the table.
namespace atrium::data::internal {

std::unique_ptr<DocumentParser> make_text_parser();
std::unique_ptr<DocumentParser> make_markdown_parser();
std::unique_ptr<DocumentParser> make_html_parser();
std::unique_ptr<DocumentParser> make_pdf_parser();
std::unique_ptr<DocumentParser> make_docx_parser();

}  // namespace atrium::data::internal
