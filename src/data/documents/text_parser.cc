#include <algorithm>
#include <span>

#include "base/text.h"
#include "data/documents/internal/block_writer.h"
#include "data/documents/internal/charset.h"
#include "data/documents/internal/clean_text.h"
#include "data/documents/internal/parsers.h"
#include "data/documents/internal/structure.h"

namespace atrium::data::internal {
namespace {

constexpr std::size_t kMaxTitleChars = 80;

/// Columns on a terminal: CJK characters take two.
std::size_t width(std::string_view line) {
    std::size_t columns = 0;
    for (std::size_t i = 0; i < line.size();) columns += text::is_cjk(text::next_char(line, i)) ? 2 : 1;
    return columns;
}

std::size_t indent(std::string_view line) { return std::min(line.find_first_not_of(" \t"), line.size()); }

/// Lines between blank lines.
using Paragraph = std::vector<std::string_view>;

std::vector<Paragraph> paragraphs_of(std::string_view text) {
    std::vector<Paragraph> paragraphs(1);
    for (const std::string_view line : text::split(text, '\n')) {
        if (!text::trim(line).empty()) paragraphs.back().push_back(line);
        else if (!paragraphs.back().empty()) paragraphs.emplace_back();
    }
    if (paragraphs.back().empty()) paragraphs.pop_back();
    return paragraphs;
}

/// The column at which the file was wrapped by its editor, or 0 when its line breaks mean something: most lines that
/// another line follows reach nearly the same width, at most 120 columns.
std::size_t wrap_width(const std::vector<Paragraph>& paragraphs) {
    std::vector<std::size_t> widths;
    for (const Paragraph& paragraph : paragraphs) {
        for (std::size_t i = 0; i + 1 < paragraph.size(); ++i) widths.push_back(width(paragraph[i]));
    }
    if (widths.size() < 3) return 0;
    std::sort(widths.begin(), widths.end());
    const std::size_t typical = widths[widths.size() * 9 / 10];
    if (typical > 120 || typical < 30) return 0;
    const auto full = std::count_if(widths.begin(), widths.end(), [&](std::size_t w) { return w * 5 >= typical * 4; });
    return static_cast<std::size_t>(full) * 3 >= widths.size() * 2 ? typical : 0;
}

class TextParser final : public DocumentParser {
public:
    std::string_view format() const override { return "text"; }

    Result<ParsedDocument> parse(std::string_view bytes, const ParseLimits& limits) override {
        const std::string text = clean_text(decode_text(bytes));
        const auto paragraphs = paragraphs_of(text);
        const std::size_t wrapped_at = wrap_width(paragraphs);
        const auto captioned = std::count_if(paragraphs.begin(), paragraphs.end(), is_captioned);
        BlockWriter writer(limits);
        for (std::size_t i = 0; i < paragraphs.size(); ++i) {
            const bool stands_alone = paragraphs[i].size() == 1 && paragraphs.size() > 1;
            if (i == 0 && stands_alone && is_title(paragraphs[i].front())) {
                writer.set_title(paragraphs[i].front());
                TRY(writer.heading(1, paragraphs[i].front()));
            } else if (captioned >= 2 && is_captioned(paragraphs[i])) {
                TRY(writer.heading(2, paragraphs[i].front()));
                TRY(add(writer, std::span(paragraphs[i]).subspan(1), wrapped_at));
            } else {
                TRY(add(writer, paragraphs[i], wrapped_at));
            }
        }
        return writer.finish(0, "the file holds no text");
    }

private:
    static bool is_title(std::string_view line) {
        return text::char_count(line) <= kMaxTitleChars && !ends_sentence(line) && list_marker(text::trim(line)) == 0 &&
               !starts_clause(text::trim(line));
    }

    /// A short first line that is no sentence, above lines that are: a heading, when the file does it again and again.
    static bool is_captioned(const Paragraph& lines) {
        constexpr std::size_t kMaxWidth = 50;
        return lines.size() >= 2 && width(text::trim(lines.front())) <= kMaxWidth && is_title(lines.front()) &&
               chapter_level(text::trim(lines.front())) == 0 && width(lines[1]) > width(lines.front()) && ends_sentence(lines.back()) &&
               list_marker(text::trim(lines[1])) == 0;
    }

    static Result<> add(BlockWriter& writer, std::span<const std::string_view> lines, std::size_t wrapped_at) {
        std::string current;
        bool item = false;
        const auto finish = [&]() -> Result<> {
            const std::string text = std::exchange(current, {});
            return item ? writer.list_item(text) : writer.paragraph(text);
        };
        std::size_t previous_width = 0;
        std::size_t item_indent = 0;
        for (const std::string_view line : lines) {
            const std::string_view content = text::trim(line);
            const bool marked = list_marker(content) > 0;
            if (const int level = chapter_level(content); level > 0) {
                TRY(finish());
                TRY(writer.heading(level, content));
            } else if (current.empty() || marked || starts_clause(content)) {
                TRY(finish());
                item = marked;
                item_indent = indent(line);
                current = content;
            } else if (wrapped_at > 0 && previous_width * 4 >= wrapped_at * 3) {
                append_wrapped_line(current, content);
            } else if (item) {
                if (indent(line) > item_indent) {
                    append_wrapped_line(current, content);
                } else {  // "一、总体要求" and its text on the next line
                    TRY(finish());
                    item = false;
                    current = content;
                }
            } else {
                current += '\n';
                current += content;
            }
            previous_width = width(line);
        }
        return finish();
    }
};

}  // namespace

std::unique_ptr<DocumentParser> make_text_parser() { return std::make_unique<TextParser>(); }

}  // namespace atrium::data::internal
