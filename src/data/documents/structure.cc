#include "data/documents/internal/structure.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"

namespace atrium::data::internal {
namespace {

constexpr std::size_t kMaxHeadingChars = 40;

bool is_chinese_number(char32_t c) {
    constexpr std::u32string_view kNumbers = U"零〇一二三四五六七八九十百千两０１２３４５６７８９";
    return (c >= '0' && c <= '9') || kNumbers.find(c) != std::u32string_view::npos;
}

bool is_space(char32_t c) { return c == ' ' || c == '\t' || c == '\n' || c == 0x3000 || c == 0xA0; }

char32_t peek(std::string_view text, std::size_t at) { return at < text.size() ? text::next_char(text, at) : 0; }

/// For "第十二条 …": the unit (条) and where it ends; 0 when the text does not start so.
char32_t ordinal_unit(std::string_view text, std::size_t& end) {
    std::size_t i = 0;
    if (peek(text, i) != U'第') return 0;
    text::next_char(text, i);
    while (is_space(peek(text, i))) text::next_char(text, i);
    const std::size_t number = i;
    while (i < text.size() && is_chinese_number(peek(text, i))) text::next_char(text, i);
    if (i == number) return 0;
    while (is_space(peek(text, i))) text::next_char(text, i);
    if (i >= text.size()) return 0;
    const char32_t unit = text::next_char(text, i);
    end = i;
    return unit;
}

char32_t last_char(std::string_view text) {
    std::size_t i = text.size();
    while (i > 0) {
        --i;
        if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return text::next_char(text, i);
    }
    return 0;
}

bool is_closing(char32_t c) {
    constexpr std::u32string_view kClosing = U"\"'”’」』）)】》〉]";
    return kClosing.find(c) != std::u32string_view::npos;
}

std::string_view drop_last_char(std::string_view text) {
    std::size_t i = text.size();
    while (i > 0) {
        --i;
        if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) break;
    }
    return text.substr(0, i);
}

bool starts_with_word(std::string_view lower, std::string_view word) {
    return lower.starts_with(word) && lower.size() > word.size() && lower[word.size()] == ' ';
}

/// Digits, or roman numerals up to xxxix.
bool is_number_word(std::string_view word) {
    if (word.empty() || word.size() > 6) return false;
    const auto all = [&](std::string_view set) {
        return std::all_of(word.begin(), word.end(), [&](char c) { return set.find(c) != std::string_view::npos; });
    };
    return all("0123456789") || all("ivx");
}

}  // namespace

bool starts_clause(std::string_view line) {
    std::size_t end = 0;
    return ordinal_unit(line, end) == U'条' && peek(line, end) != U'第' && peek(line, end) != U'规' && peek(line, end) != U'所';
}

int chapter_level(std::string_view line) {
    const std::string_view text = text::trim(line);
    if (text.empty() || text.size() > kMaxHeadingChars * 4 || text::char_count(text) > kMaxHeadingChars) return 0;
    if (is_contents_line(text) || text.find('\n') != std::string_view::npos) return 0;
    for (const std::string_view mark : {"。", "；", "，", "：", "！", "？"}) {
        if (text.find(mark) != std::string_view::npos) return 0;
    }
    std::size_t end = 0;
    switch (ordinal_unit(text, end)) {
        case U'编':
        case U'篇': return 1;
        case U'部': return peek(text, end) == U'分' ? 1 : 0;
        case U'章': return 2;
        case U'节': return 3;
        default: break;
    }
    if (text == "附则" || text == "附 则" || text == "附　则" || text == "总则" || text == "前言") return 2;
    const std::string lower = text::to_lower_ascii(text);
    for (const std::string_view word : {"chapter", "part", "appendix", "annex"}) {
        if (!starts_with_word(lower, word)) continue;
        const std::string_view rest = text::trim(std::string_view(lower).substr(word.size() + 1));
        const std::string_view number = rest.substr(0, rest.find_first_of(" .:—–-"));
        const bool letter = number.size() == 1 && number[0] >= 'a' && number[0] <= 'z';
        const bool ends = text.back() == '.' || text.back() == ',' || text.back() == ';';
        if ((is_number_word(number) || letter) && !ends) return word == "part" ? 1 : 2;
    }
    return 0;
}

std::size_t list_marker(std::string_view line) {
    const auto with_space = [&](std::size_t end, bool required) -> std::size_t {
        const std::size_t before = end;
        while (end < line.size() && is_space(peek(line, end)) && line[end] != '\n') text::next_char(line, end);
        if (end >= line.size()) return 0;  // a marker needs something to mark
        return required && end == before ? 0 : end;
    };
    if (line.empty()) return 0;
    std::size_t i = 0;
    const char32_t first = text::next_char(line, i);
    constexpr std::u32string_view kBullets = U"•●○■□◆◇▪▫‣⁃·➢➤✓✔";
    if (kBullets.find(first) != std::u32string_view::npos) return with_space(i, false);
    if (first == '-' || first == '*' || first == '+' || first == U'–' || first == U'—') return with_space(i, true);
    if (first >= U'①' && first <= U'⑳') return with_space(i, false);
    const bool open = first == '(' || first == U'（';
    std::size_t begin = open ? i : 0;
    i = begin;
    std::size_t count = 0;
    bool chinese = false;
    bool letters = false;
    while (i < line.size() && count < 4) {
        std::size_t next = i;
        const char32_t c = text::next_char(line, next);
        const bool letter = c >= 'a' && c <= 'z';
        if (!is_chinese_number(c) && !letter) break;
        chinese |= c >= 0x80;
        letters |= letter;
        ++count;
        i = next;
    }
    if (count == 0 || (letters && count > 1 && !is_number_word(line.substr(begin, i - begin)))) return 0;
    const char32_t close = peek(line, i);
    std::size_t after = i;
    if (close != 0) text::next_char(line, after);
    if (open) return close == ')' || close == U'）' ? with_space(after, false) : 0;
    if (close == ')' || close == U'）') return with_space(after, false);
    if (close == U'、') return with_space(after, false);
    if (close == '.' || close == U'．') return with_space(after, !chinese);
    return 0;
}

bool ends_sentence(std::string_view text) {
    text = text::trim(text);
    char32_t c = last_char(text);
    while (is_closing(c)) {
        text = drop_last_char(text);
        c = last_char(text);
    }
    constexpr std::u32string_view kEnds = U"。！？；….!?:：;";
    return c != 0 && kEnds.find(c) != std::u32string_view::npos;
}

bool announces(std::string_view text) {
    const char32_t c = last_char(text::trim(text));
    return c == ':' || c == U'：';
}

bool is_contents_line(std::string_view line) {
    const std::string_view text = text::trim(line);
    std::size_t end = text.size();
    while (end > 0 && text[end - 1] >= '0' && text[end - 1] <= '9') --end;
    if (end == text.size()) {  // the front matter counts in roman numerals
        while (end > 0 && (text[end - 1] == 'i' || text[end - 1] == 'v' || text[end - 1] == 'x')) --end;
    }
    if (end == text.size() || text.size() - end > 5) return false;
    int dots = 0;
    std::string_view rest = text.substr(0, end);
    while (!rest.empty()) {
        const char32_t c = last_char(rest);
        if (c == '.' || c == U'·' || c == U'．') ++dots;
        else if (c == U'…' || c == U'⋯') dots += 3;
        else if (!is_space(c)) break;
        rest = drop_last_char(rest);
    }
    return dots >= 3;
}

bool is_page_number(std::string_view line) {
    std::string compact;
    for (std::size_t i = 0; i < line.size();) {
        const char32_t c = text::next_char(line, i);
        if (is_space(c) || c == '-' || c == U'–' || c == U'—' || c == U'·' || c == '|') continue;
        text::append_utf8(compact, c);
        if (compact.size() > 32) return false;
    }
    std::string lower = text::to_lower_ascii(compact);
    const auto take = [&lower](std::string_view prefix) {
        if (!lower.starts_with(prefix)) return false;
        lower.erase(0, prefix.size());
        return true;
    };
    const auto take_number = [&lower] {
        std::size_t i = 0;
        while (i < lower.size() && lower[i] >= '0' && lower[i] <= '9') ++i;
        lower.erase(0, i);
        return i > 0 && i <= 5;
    };
    if (is_number_word(lower)) return true;
    const bool worded = take("page") || take("p.") || take("第");
    if (!take_number()) return false;
    take("页");
    if (take("/") || take("of") || take("，共") || take(",共") || take("共")) {
        if (!take_number()) return false;
        take("页");
    } else if (!worded) {
        return lower.empty();
    }
    return lower.empty();
}

}  // namespace atrium::data::internal
