#include "data/documents/internal/block_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "data/documents/internal/clean_text.h"
#include "data/documents/internal/structure.h"
#include "data/lexical/analyzer.h"

namespace atrium::data::internal {
namespace {

std::string collapse_lines(std::string_view text) {
    std::string out;
    for (const std::string_view line : text::split(text, '\n')) {
        const std::string collapsed = collapse_spaces(line);
        if (collapsed.empty()) continue;
        if (!out.empty()) out += '\n';
        out += collapsed;
    }
    return out;
}

std::string cell_text(std::string_view text) {
    std::string out;
    for (const char c : collapse_spaces(clean_text(text))) {
        if (c == '|') out += '\\';
        out += c;
    }
    return out;
}

}  // namespace

Error unreadable(std::string message) { return invalid_argument(std::move(message)).with_reason("invalid_file"); }

Result<> BlockWriter::add(BlockKind kind, std::string text, int level, int page) {
    if (text.empty()) return {};
    text_bytes_ += text.size();
    if (text_bytes_ > limits_.text_bytes) {
        return fail(out_of_range(fmt::format("the document holds more than {} MiB of text, which is the limit; split it",
                                             limits_.text_bytes >> 20))
                        .with_reason("invalid_file"));
    }
    document_.blocks.push_back({kind, std::move(text), level, page});
    return {};
}

Result<> BlockWriter::heading(int level, std::string_view text, int page) {
    return add(BlockKind::kHeading, collapse_spaces(clean_text(text)), std::clamp(level, 1, 6), page);
}

Result<> BlockWriter::paragraph(std::string_view text, int page) {
    return add(BlockKind::kParagraph, collapse_lines(clean_text(text)), 0, page);
}

Result<> BlockWriter::list_item(std::string_view text, int page) {
    const std::string clean = clean_text(text);
    const std::size_t indent = std::min<std::size_t>(clean.find_first_not_of(' '), 12);
    std::string item = collapse_lines(clean);
    if (item.empty()) return {};
    return add(BlockKind::kListItem, std::string(indent, ' ') + item, 0, page);
}

Result<> BlockWriter::code(std::string_view text, int page) {
    std::string clean = clean_text(text);
    while (!clean.empty() && (clean.back() == '\n' || clean.back() == ' ')) clean.pop_back();
    const std::size_t first = clean.find_first_not_of('\n');
    return add(BlockKind::kCode, first == std::string::npos ? std::string() : clean.substr(first), 0, page);
}

Result<> BlockWriter::table(const std::vector<std::vector<std::string>>& rows, int page) {
    std::vector<std::vector<std::string>> kept;
    std::size_t columns = 0;
    for (const auto& row : rows) {
        std::vector<std::string> cells;
        for (const auto& cell : row) cells.push_back(cell_text(cell));
        const bool empty = std::all_of(cells.begin(), cells.end(), [](const auto& cell) { return cell.empty(); });
        if (empty) continue;
        while (cells.back().empty()) cells.pop_back();
        columns = std::max(columns, cells.size());
        kept.push_back(std::move(cells));
    }
    if (kept.empty()) return {};
    if (columns == 1) {
        std::string text;
        for (const auto& row : kept) text += row.front() + "\n";
        return paragraph(text, page);
    }
    std::string text;
    for (std::size_t r = 0; r < kept.size(); ++r) {
        kept[r].resize(columns);
        text += "|";
        for (const auto& cell : kept[r]) text += fmt::format(" {} |", cell);
        text += "\n";
        if (r == 0) {
            text += "|";
            for (std::size_t c = 0; c < columns; ++c) text += " --- |";
            text += "\n";
        }
    }
    text.pop_back();
    return add(BlockKind::kTable, std::move(text), 0, page);
}

void BlockWriter::set_title(std::string_view title) {
    constexpr std::size_t kMaxTitle = 300;
    document_.title = text::shorten(collapse_spaces(clean_text(title)), kMaxTitle);
}

/// Chinese official documents number their sections "一、", "二、" and often have no other heading.
void BlockWriter::promote_numbered_lines() {
    const auto is_section = [](const Block& block) {
        constexpr std::size_t kMaxChars = 30;
        constexpr std::string_view kComma = "、";
        if (block.kind != BlockKind::kListItem || ends_sentence(block.text) || text::char_count(block.text) > kMaxChars) return false;
        const std::size_t marker = list_marker(block.text);
        const std::string_view number = text::trim(std::string_view(block.text).substr(0, marker));
        return number.ends_with(kComma) && static_cast<unsigned char>(number.front()) >= 0x80;
    };
    constexpr int kLevel = 3;  // below 章 (2)
    auto& blocks = document_.blocks;
    for (std::size_t i = 0; i + 1 < blocks.size(); ++i) {
        if (!is_section(blocks[i]) || is_section(blocks[i + 1]) || blocks[i + 1].kind == BlockKind::kHeading) continue;
        blocks[i].kind = BlockKind::kHeading;
        blocks[i].level = kLevel;
    }
}

Result<ParsedDocument> BlockWriter::finish(int pages, std::string_view empty_message) {
    if (document_.blocks.empty()) return fail(unreadable(std::string(empty_message)));
    promote_numbered_lines();
    if (document_.title.empty()) {
        const auto first = std::find_if(document_.blocks.begin(), document_.blocks.end(),
                                        [](const Block& block) { return block.kind == BlockKind::kHeading; });
        if (first != document_.blocks.end()) set_title(first->text);
    }
    std::string sample;
    constexpr std::size_t kSample = 64 * 1024;
    for (const Block& block : document_.blocks) {
        if (sample.size() > kSample) break;
        sample += block.text;
        sample += '\n';
    }
    document_.language = detect_language(sample);
    document_.pages = pages;
    return std::move(document_);
}

}  // namespace atrium::data::internal
