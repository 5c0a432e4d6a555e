#include "data/documents/internal/pdf_layout.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "data/documents/internal/clean_text.h"
#include "data/documents/internal/entities.h"
#include "data/documents/internal/structure.h"

namespace atrium::data::internal::pdf {
namespace {

double number_attribute(std::string_view tag, std::string_view name) {
    const std::size_t at = tag.find(std::string(name) + "=\"");
    if (at == std::string_view::npos) return 0;
    const std::string_view rest = tag.substr(at + name.size() + 2);
    const double value = text::to_double(rest.substr(0, rest.find('"'))).value_or(0);
    return std::isfinite(value) ? value : 0;
}

std::string unescape(std::string_view xml) {
    std::string out;
    for (std::size_t i = 0; i < xml.size();) {
        const std::size_t end = xml[i] == '&' ? xml.find(';', i) : std::string_view::npos;
        if (end == std::string_view::npos || end - i > 10) {
            out += xml[i++];
            continue;
        }
        out += decode_entity(xml.substr(i, end + 1 - i));
        i = end + 1;
    }
    return out;
}

/// CJK characters count one, others half.
double ems(std::string_view text) {
    double total = 0;
    for (std::size_t i = 0; i < text.size();) total += text::is_cjk(text::next_char(text, i)) ? 1 : 0.5;
    return total;
}

char32_t first_char(std::string_view text) {
    std::size_t i = 0;
    return text.empty() ? 0 : text::next_char(text, i);
}

char32_t last_char(std::string_view text) {
    std::size_t i = text.size();
    while (i > 0) {
        --i;
        if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return text::next_char(text, i);
    }
    return 0;
}

void finish_line(Line& line) {
    if (line.words.empty()) return;
    double widths = 0;
    double characters = 0;
    line.text.clear();
    line.size = 0;
    double longest = 0;
    for (const Word& word : line.words) {
        if (ems(word.text) > longest) {
            longest = ems(word.text);
            line.size = word.y_max - word.y_min;
        }
        widths += word.x_max - word.x_min;
        characters += ems(word.text);
    }
    line.em = characters > 0 && widths > 0 ? widths / characters : 10;
    for (std::size_t i = 0; i < line.words.size(); ++i) {
        const Word& word = line.words[i];
        if (i > 0) {
            // The tool also cuts Chinese text at changes of font; only a visible gap is a space there.
            const bool cjk = text::is_cjk(last_char(line.text)) || text::is_cjk(first_char(word.text));
            const double gap = word.x_min - line.words[i - 1].x_max;
            if (!cjk || gap > 0.35 * line.em) line.text += ' ';
        }
        line.text += word.text;
    }
}

/// "3.1" in a block of its own, left of the heading that it numbers.
void join_section_numbers(Page& page) {
    const auto is_number = [](std::string_view text) {
        return !text.empty() && text.size() <= 8 && text.find_first_not_of("0123456789.") == std::string_view::npos && text.front() != '.';
    };
    std::vector<Line> kept;
    for (Line& line : page.lines) {
        const bool joins = !kept.empty() && is_number(kept.back().text) && std::fabs(kept.back().middle() - line.middle()) < 0.4 * line.em &&
                           line.x_min > kept.back().x_max && line.x_min - kept.back().x_max < 4 * line.em && !is_number(line.text);
        if (!joins) {
            kept.push_back(std::move(line));
            continue;
        }
        line.words.insert(line.words.begin(), kept.back().words.front());
        line.x_min = kept.back().x_min;
        finish_line(line);
        kept.back() = std::move(line);
    }
    page.lines = std::move(kept);
}

/// Digits reduced to '#', so that "Page 3" and "Page 4" are the same.
std::string furniture_key(const Line& line) {
    std::string key;
    for (const char c : collapse_spaces(line.text)) {
        const bool digit = c >= '0' && c <= '9';
        if (digit && !key.empty() && key.back() == '#') continue;
        key += digit ? '#' : c;
    }
    return key;
}

}  // namespace

std::vector<Page> read_layout(std::string_view output, int first_page) {
    std::vector<Page> pages;
    int block = first_page * 10'000;  // apart from the blocks of other calls
    for (std::string_view row : text::split(output, '\n')) {
        row = text::trim(row);
        if (row.starts_with("<page")) {
            pages.push_back({first_page + static_cast<int>(pages.size()), number_attribute(row, "width"), number_attribute(row, "height"), {}});
        } else if (row.starts_with("<block")) {
            ++block;
        } else if (row.starts_with("<line") && !pages.empty()) {
            Line line;
            line.x_min = number_attribute(row, "xMin");
            line.x_max = number_attribute(row, "xMax");
            line.y_min = number_attribute(row, "yMin");
            line.y_max = number_attribute(row, "yMax");
            line.block = block;
            pages.back().lines.push_back(std::move(line));
        } else if (row.starts_with("<word") && !pages.empty() && !pages.back().lines.empty()) {
            const std::size_t begin = row.find('>');
            const std::size_t end = row.rfind("</word>");
            if (begin == std::string_view::npos || end == std::string_view::npos || end <= begin) continue;
            Word word{clean_text(unescape(row.substr(begin + 1, end - begin - 1))), number_attribute(row, "xMin"),
                      number_attribute(row, "xMax"), number_attribute(row, "yMin"), number_attribute(row, "yMax")};
            if (!text::trim(word.text).empty()) pages.back().lines.back().words.push_back(std::move(word));
        }
    }
    for (Page& page : pages) {
        for (Line& line : page.lines) finish_line(line);
        std::erase_if(page.lines, [](const Line& line) { return line.text.empty(); });
        join_section_numbers(page);
    }
    return pages;
}

void remove_furniture(std::vector<Page>& pages) {
    // Only the outermost lines of a page can be furniture.
    constexpr double kMargin = 0.14;
    constexpr std::size_t kOutermost = 3;
    const auto candidates = [](const Page& page) {
        std::vector<std::size_t> order(page.lines.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return page.lines[a].middle() < page.lines[b].middle(); });
        std::vector<std::size_t> found;
        for (std::size_t i = 0; i < order.size(); ++i) {
            const double middle = page.lines[order[i]].middle();
            const bool top = i < kOutermost && middle < page.height * kMargin;
            const bool bottom = i + kOutermost >= order.size() && middle > page.height * (1 - kMargin);
            if (top || bottom) found.push_back(order[i]);
        }
        return found;
    };
    std::map<std::string, int> seen;
    for (const Page& page : pages) {
        std::set<std::string> keys;
        for (const std::size_t i : candidates(page)) keys.insert(furniture_key(page.lines[i]));
        for (const auto& key : keys) ++seen[key];
    }
    // Left and right pages may differ, and a chapter's title runs only as long as the chapter.
    const int often = std::max(3, static_cast<int>(pages.size()) / 20);
    for (Page& page : pages) {
        std::set<std::size_t> gone;
        for (const std::size_t i : candidates(page)) {
            const int times = seen[furniture_key(page.lines[i])];
            const bool repeats = times >= often || (times == 2 && pages.size() == 2);
            if (repeats || is_page_number(page.lines[i].text)) gone.insert(i);
        }
        std::vector<Line> kept;
        for (std::size_t i = 0; i < page.lines.size(); ++i) {
            if (!gone.contains(i)) kept.push_back(std::move(page.lines[i]));
        }
        page.lines = std::move(kept);
    }
}

namespace {

/// The depth of "2.1.3 Title": 3; 0 when the line is not numbered so.
int section_depth(std::string_view line) {
    int depth = 0;
    std::size_t i = 0;
    while (true) {
        const std::size_t begin = i;
        while (i < line.size() && line[i] >= '0' && line[i] <= '9') ++i;
        if (i == begin || i - begin > 2) return 0;
        ++depth;
        if (i < line.size() && line[i] == '.') {
            ++i;
            if (i < line.size() && line[i] == ' ') break;
            continue;
        }
        break;
    }
    if (depth < 2 || i >= line.size() || line[i] != ' ') return 0;
    const std::string_view title = text::trim(line.substr(i));
    const char32_t first = first_char(title);
    const bool titled = (first >= 'A' && first <= 'Z') || text::is_cjk(first);
    return titled ? depth : 0;
}

struct Paragraph {
    std::string text;
    const Line* first = nullptr;
    const Line* last = nullptr;
    double column_right = 0;  ///< where its lines end when they are full
    int lines = 0;
    int page = 0;
    double height = 0;
};

class BlockBuilder {
public:
    BlockBuilder(const std::vector<Page>& pages, BlockWriter& writer) : pages_(pages), writer_(writer) { measure(); }

    Result<> build() {
        for (const Page& page : pages_) {
            const auto tables = find_tables(page);
            constexpr int kManyEntries = 4;
            contents_page_ = std::count_if(page.lines.begin(), page.lines.end(), [](const Line& line) { return is_contents_line(line.text); }) >= kManyEntries;
            std::map<std::size_t, const Table*> begins;
            std::set<std::size_t> in_table;
            for (const Table& table : tables) {
                begins[table.lines.front()] = &table;
                in_table.insert(table.lines.begin(), table.lines.end());
            }
            std::map<int, double> right;  // of each block
            for (const Line& line : page.lines) right[line.block] = std::max(right[line.block], line.x_max);
            for (std::size_t i = 0; i < page.lines.size(); ++i) {
                if (const auto table = begins.find(i); table != begins.end()) {
                    TRY(flush());
                    if (!table->second->contents) TRY(writer_.table(table->second->rows, page.number));
                }
                if (in_table.contains(i)) continue;
                const Line& line = page.lines[i];
                if (is_contents_line(line.text)) continue;
                if (!current_.text.empty() && !continues(line, page.number)) TRY(flush());
                add(line, page.number, right[line.block]);
            }
        }
        return flush();
    }

private:
    /// The height of body text, and heights clearly above it: sizes of headings, largest first.
    void measure() {
        std::map<int, std::size_t> characters;  // by height in tenths of a point
        for (const Page& page : pages_) {
            for (const Line& line : page.lines) characters[tenths(line.size)] += line.text.size();
        }
        std::size_t most = 0;
        for (const auto& [height, count] : characters) {
            if (count > most) body_ = height, most = count;
        }
        for (auto entry = characters.rbegin(); entry != characters.rend(); ++entry) {
            if (entry->first * 100 < body_ * kHeadingPercent) break;
            if (sizes_.empty() || entry->first * 100 < sizes_.back() * 95) sizes_.push_back(entry->first);
        }
    }

    static int tenths(double height) { return static_cast<int>(std::lround(std::clamp(height, 0.0, 10'000.0) * 10)); }

    /// 1 for the largest size on; 0 for body text.
    int size_level(double height) const {
        const int size = tenths(height);
        if (size * 100 < body_ * kHeadingPercent) return 0;
        for (std::size_t i = 0; i < sizes_.size(); ++i) {
            if (size * 100 >= sizes_[i] * 95) return static_cast<int>(std::min<std::size_t>(i + 1, 5));
        }
        return 0;
    }

    static bool starts_anew(const Line& line) {
        return list_marker(line.text) > 0 || starts_clause(line.text) || chapter_level(line.text) > 0 || section_depth(line.text) > 0;
    }

    bool continues(const Line& line, int page) const {
        const Line& previous = *current_.last;
        if (std::fabs(line.size - current_.height) > 0.08 * current_.height) {
            // A line of numbers or with a raised note differs a little; a change of level does not.
            if (size_level(line.size) != size_level(current_.height)) return false;
        }
        if (starts_anew(line)) return false;
        const bool heading = size_level(current_.height) > 0;
        if (line.block == previous.block) {
            if (heading) return line.size < 1.5 * current_.height;
            const bool alone = current_.lines == 1 && (chapter_level(current_.text) > 0 || section_depth(current_.text) > 0);
            if (alone) return false;
            const bool short_line = previous.x_max < current_.column_right - 2.5 * previous.em;
            const bool indented = line.x_min > previous.x_min + 1.2 * line.em && line.x_min > current_.first->x_min - 0.5 * line.em;
            if (ends_sentence(current_.text) && (short_line || indented)) return false;
            return !(short_line && previous.x_max - previous.x_min < 0.5 * (current_.column_right - previous.x_min));
        }
        if (heading || ends_sentence(current_.text)) return false;
        // In another block, column or page: only where the text plainly goes on.
        const char32_t first = first_char(line.text);
        const bool full = current_.lines > 1 || previous.x_max - previous.x_min > 20 * previous.em;
        const bool near = page != current_.page || std::fabs(line.middle() - previous.middle()) < 3 * previous.size ||
                          line.middle() < previous.middle();
        if (!full || !near) return false;
        if (first >= 'a' && first <= 'z') return true;
        const bool filled = previous.x_max > current_.column_right - 1.5 * previous.em;
        return filled && text::is_cjk(first) && text::is_cjk(last_char(current_.text)) && page != current_.page;
    }

    void add(const Line& line, int page, double column_right) {
        if (current_.text.empty()) {
            current_ = {};
            current_.first = &line;
            current_.page = page;
            current_.height = line.size;
        }
        const double right = current_.last != nullptr && current_.last->block == line.block ? current_.column_right : column_right;
        append_wrapped_line(current_.text, line.text);
        current_.column_right = right;
        current_.last = &line;
        ++current_.lines;
    }

    Result<> flush() {
        const Paragraph paragraph = std::exchange(current_, {});
        if (text::trim(paragraph.text).empty()) return {};
        constexpr std::size_t kMaxHeadingChars = 120;
        const bool lettered = std::any_of(paragraph.text.begin(), paragraph.text.end(), [](char c) {
            return std::isalpha(static_cast<unsigned char>(c)) != 0 || static_cast<unsigned char>(c) >= 0x80;
        });
        if (contents_page_ && !lettered) return {};  // numbers left over from its entries
        const bool brief = paragraph.lines <= 3 && text::char_count(paragraph.text) <= kMaxHeadingChars;
        const char32_t end = last_char(text::trim(paragraph.text));
        const bool stops = end == '.' || end == ',' || end == ';' || end == U'。' || end == U'；' || end == U'，';
        if (const int level = chapter_level(paragraph.text); level > 0) return writer_.heading(level, paragraph.text, paragraph.page);
        if (brief && !stops) {
            if (const int depth = section_depth(paragraph.text); depth > 0 && paragraph.lines == 1) {
                return writer_.heading(depth, paragraph.text, paragraph.page);
            }
            if (const int level = size_level(paragraph.height); level > 0 && lettered) return writer_.heading(level, paragraph.text, paragraph.page);
        }
        if (list_marker(paragraph.text) > 0) return writer_.list_item(paragraph.text, paragraph.page);
        return writer_.paragraph(paragraph.text, paragraph.page);
    }

    static constexpr int kHeadingPercent = 112;
    const std::vector<Page>& pages_;
    BlockWriter& writer_;
    int body_ = 0;            // in tenths of a point
    std::vector<int> sizes_;  // descending
    Paragraph current_;
    bool contents_page_ = false;
};

}  // namespace

Result<> write_blocks(const std::vector<Page>& pages, BlockWriter& writer) { return BlockBuilder(pages, writer).build(); }

}  // namespace atrium::data::internal::pdf
