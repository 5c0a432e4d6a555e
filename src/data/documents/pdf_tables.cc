#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>

#include "base/text.h"
#include "data/documents/internal/clean_text.h"
#include "data/documents/internal/pdf_layout.h"
#include "data/documents/internal/structure.h"

// A table in a PDF is only words in places. What gives it away: neighbouring rows whose words fall into the same columns,
// with clear gaps between the columns all the way down. Prose in two columns looks the same, but fills its columns.
namespace atrium::data::internal::pdf {
namespace {

struct Cell {
    std::string text;
    double x_min = 0;
    double x_max = 0;
};

struct Row {
    std::vector<Cell> cells;  // from left to right
    std::vector<std::size_t> lines;
    double middle = 0;
    double em = 0;
};

struct Column {
    double x_min;
    double x_max;
};

// In em. A space between words is a quarter, in justified text up to two thirds; Chinese text has none.
constexpr double kCellGap = 1.0;
constexpr double kCjkCellGap = 0.6;
constexpr double kColumnGap = 0.5;

std::vector<Row> visual_rows(const Page& page) {
    struct Placed {
        const Word* word;
        std::size_t line;
    };
    std::vector<Placed> words;
    for (std::size_t i = 0; i < page.lines.size(); ++i) {
        for (const Word& word : page.lines[i].words) words.push_back({&word, i});
    }
    const auto middle = [](const Word& word) { return (word.y_min + word.y_max) / 2; };
    std::sort(words.begin(), words.end(), [&](const Placed& a, const Placed& b) {
        return middle(*a.word) != middle(*b.word) ? middle(*a.word) < middle(*b.word) : a.word->x_min < b.word->x_min;
    });
    std::vector<Row> rows;
    for (std::size_t begin = 0; begin < words.size();) {
        const double em = page.lines[words[begin].line].em;
        std::size_t end = begin + 1;
        while (end < words.size() && middle(*words[end].word) - middle(*words[begin].word) < 0.45 * em) ++end;
        std::sort(words.begin() + static_cast<std::ptrdiff_t>(begin), words.begin() + static_cast<std::ptrdiff_t>(end),
                  [](const Placed& a, const Placed& b) { return a.word->x_min < b.word->x_min; });
        Row row;
        row.em = em;
        row.middle = middle(*words[begin].word);
        for (std::size_t i = begin; i < end; ++i) {
            const Word& word = *words[i].word;
            std::size_t at = 0;
            const bool cjk = text::is_cjk(text::next_char(word.text, at)) && !row.cells.empty() &&
                             static_cast<unsigned char>(row.cells.back().text.back()) >= 0x80;
            if (row.cells.empty() || word.x_min - row.cells.back().x_max > (cjk ? kCjkCellGap : kCellGap) * em) {
                row.cells.push_back({word.text, word.x_min, word.x_max});
            } else {
                Cell& cell = row.cells.back();
                if (!cjk) cell.text += ' ';
                cell.text += word.text;
                cell.x_max = std::max(cell.x_max, word.x_max);
            }
            row.lines.push_back(words[i].line);
        }
        rows.push_back(std::move(row));
        begin = end;
    }
    return rows;
}

/// Overlapping cells of all rows together, from left to right; nothing when neighbours come too close.
std::optional<std::vector<Column>> columns_of(std::span<const Row> rows) {
    std::vector<Column> spans;
    double em = 0;
    for (const Row& row : rows) {
        for (const Cell& cell : row.cells) spans.push_back({cell.x_min, cell.x_max});
        em = std::max(em, row.em);
    }
    std::sort(spans.begin(), spans.end(), [](const Column& a, const Column& b) { return a.x_min < b.x_min; });
    std::vector<Column> columns;
    for (const Column& span : spans) {
        if (!columns.empty() && span.x_min < columns.back().x_max + kColumnGap * em) {
            columns.back().x_max = std::max(columns.back().x_max, span.x_max);
        } else {
            columns.push_back(span);
        }
    }
    if (columns.size() < 2) return std::nullopt;
    return columns;
}

std::size_t column_of(const Cell& cell, const std::vector<Column>& columns) {
    std::size_t i = 0;
    while (i + 1 < columns.size() && columns[i + 1].x_min <= cell.x_min + 0.01) ++i;
    return i;
}

/// Two-column prose: long cells that fill their columns. Or a list, whose first column holds only its markers.
bool is_prose_or_list(std::span<const Row> rows, const std::vector<Column>& columns) {
    std::vector<double> fill(columns.size());
    std::vector<double> characters(columns.size());
    std::vector<int> cells(columns.size());
    int markers = 0;
    for (const Row& row : rows) {
        for (const Cell& cell : row.cells) {
            const std::size_t column = column_of(cell, columns);
            fill[column] += (cell.x_max - cell.x_min) / std::max(columns[column].x_max - columns[column].x_min, 1.0);
            characters[column] += static_cast<double>(text::char_count(cell.text));
            ++cells[column];
            if (column == 0 && list_marker(cell.text + " x") > 0) ++markers;
        }
    }
    if (markers * 2 >= static_cast<int>(rows.size())) return true;
    int prose = 0;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const double width = (columns[i].x_max - columns[i].x_min) / rows.front().em;
        if (cells[i] > 0 && fill[i] / cells[i] > 0.75 && characters[i] / cells[i] > 14 && width > 12) ++prose;
    }
    return prose * 2 >= static_cast<int>(columns.size()) && prose > 0 && columns.size() <= 3;
}

/// Most rows fill most columns. Where cells run over several lines side by side, rows cannot be told apart by their places,
/// and the reading order of the blocks is better than a table that mixes them up.
bool is_regular(std::span<const Row> rows, std::size_t columns) {
    if (rows.front().cells.size() != columns) return false;  // the header names every column
    for (const Row& row : rows) {
        if (starts_clause(row.cells.front().text)) return false;
    }
    const auto full = std::count_if(rows.begin(), rows.end(), [&](const Row& row) { return row.cells.size() >= 2 && row.cells.size() + 1 >= columns; });
    return static_cast<std::size_t>(full) * 3 >= rows.size() * 2;
}

/// "1.2 Scope . . . . 7", or its neighbours "1 Introduction    3" when others have dots.
bool is_contents_entry(const Row& row) {
    const std::string& last = row.cells.back().text;
    return row.cells.size() >= 2 && last.size() <= 4 && last.find_first_not_of("0123456789") == std::string::npos;
}

bool has_dots(const Row& row) {
    std::string joined;
    for (const Cell& cell : row.cells) joined += cell.text + " ";
    return is_contents_line(joined);
}

Table make_table(std::span<const Row> rows, const std::vector<Column>& columns) {
    Table table;
    const auto dotted = std::count_if(rows.begin(), rows.end(), has_dots);
    table.contents = static_cast<std::size_t>(dotted) * 3 >= rows.size();
    for (const Row& row : rows) {
        if (table.contents && !has_dots(row) && !is_contents_entry(row)) continue;  // stays text
        std::vector<std::string> cells(columns.size());
        // A header is often centred above columns that are not: its cells count, not their places.
        const bool by_position = &row != &rows.front() || row.cells.size() != columns.size();
        for (std::size_t i = 0; i < row.cells.size(); ++i) {
            append_wrapped_line(cells[by_position ? column_of(row.cells[i], columns) : i], row.cells[i].text);
        }
        // A row without a first cell goes on with the cells of the row above.
        const bool continuation = cells.front().empty() && !table.rows.empty() && row.cells.size() < columns.size();
        if (continuation) {
            for (std::size_t i = 0; i < cells.size(); ++i) append_wrapped_line(table.rows.back()[i], cells[i]);
        } else {
            table.rows.push_back(std::move(cells));
        }
        table.lines.insert(table.lines.end(), row.lines.begin(), row.lines.end());
    }
    std::sort(table.lines.begin(), table.lines.end());
    table.lines.erase(std::unique(table.lines.begin(), table.lines.end()), table.lines.end());
    return table;
}

}  // namespace

std::vector<Table> find_tables(const Page& page) {
    const auto rows = visual_rows(page);
    const std::span all(rows);
    std::vector<Table> tables;
    constexpr std::size_t kFewestRows = 3;
    for (std::size_t begin = 0; begin < rows.size();) {
        if (rows[begin].cells.size() < 2) {
            ++begin;
            continue;
        }
        // As many rows as keep at least two columns and the distance of lines; one of a single cell must sit inside a
        // column other than the first, as the rest of a cell above does.
        std::size_t end = begin + 1;
        auto columns = columns_of(all.subspan(begin, 1));
        while (end < rows.size() && rows[end].middle - rows[end - 1].middle < 4.5 * rows[begin].em) {
            const auto wider = columns_of(all.subspan(begin, end + 1 - begin));
            if (!wider || !columns || wider->size() + 1 < columns->size()) break;
            if (rows[end].cells.size() < 2 && (wider->size() < columns->size() || column_of(rows[end].cells.front(), *wider) == 0)) break;
            columns = wider;
            ++end;
        }
        while (end > begin && rows[end - 1].cells.size() < 2) --end;
        // A line of text right above the table looks like a row, but closes the gaps between the columns.
        const auto count = [&](std::size_t from) {
            const auto some = columns_of(all.subspan(from, end - from));
            return some ? some->size() : 1;
        };
        while (end - begin > kFewestRows && count(begin + 1) > count(begin)) ++begin;
        const auto found = all.subspan(begin, end - begin);
        columns = columns_of(found);
        if (const auto body = columns_of(found.subspan(1)); body && body->size() == found.front().cells.size()) columns = body;
        const auto full = std::count_if(found.begin(), found.end(), [](const Row& row) { return row.cells.size() >= 2; });
        if (columns && static_cast<std::size_t>(full) >= kFewestRows && is_regular(found, columns->size()) &&
            !is_prose_or_list(found, *columns)) {
            tables.push_back(make_table(found, *columns));
            begin = end;
        } else {
            ++begin;
        }
    }
    return tables;
}

}  // namespace atrium::data::internal::pdf
