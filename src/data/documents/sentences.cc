#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "data/documents/chunker.h"

namespace atrium::data {
namespace {

bool contains(std::u32string_view set, char32_t c) { return set.find(c) != std::u32string_view::npos; }

bool is_space(char32_t c) { return c == ' ' || c == '\t' || c == '\n' || c == 0x3000 || c == 0xA0; }
bool is_lower(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 0xDF && c <= 0xFF); }
bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }

bool listed(std::string_view word, std::string_view list) {
    std::size_t at = 0;
    while ((at = list.find(word, at)) != std::string_view::npos) {
        const bool starts = at == 0 || list[at - 1] == ' ';
        const std::size_t end = at + word.size();
        if (starts && (end == list.size() || list[end] == ' ')) return true;
        at = end;
    }
    return false;
}

/// Whether the full stop after `before` (the sentence so far) belongs to an abbreviation, given what comes next.
bool is_abbreviation(std::string_view before, char32_t next) {
    const std::size_t start = before.find_last_of(" \t\n(\"'[") + 1;  // npos + 1 is 0
    const std::string word = text::to_lower_ascii(before.substr(start));
    if (word.empty()) return false;
    const bool first_word = text::trim(before.substr(0, start)).empty();
    const bool number = std::all_of(word.begin(), word.end(), [](char c) { return is_digit(static_cast<unsigned char>(c)); });
    if (number) return first_word && word.size() <= 3;  // "1. Scope": the number of a list item or heading
    if (word.size() == 1) return before[start] >= 'A' && before[start] <= 'Z' && before[start] != 'I';  // "J. Smith"
    if (word.find('.') != std::string::npos) {  // "e.g", "U.S": initials; a sentence may end there, but seldom does
        return std::all_of(word.begin(), word.end(), [](char c) { return c == '.' || (c >= 'a' && c <= 'z'); }) &&
               word.find("..") == std::string::npos && word.size() <= 6 && word[1] == '.';
    }
    constexpr std::string_view kAlways =
        "mr mrs ms dr prof st mt gen sen rep gov capt lt col sgt rev hon vs cf al approx dept eds jr sr";
    constexpr std::string_view kBeforeNumber = "no nos vol fig figs eq eqs sec ch pp p art ed jan feb mar apr jun jul aug sep sept oct nov dec tab";
    return listed(word, kAlways) || (is_digit(next) && listed(word, kBeforeNumber));
}

constexpr std::u32string_view kWideEnds = U"。！？；";
constexpr std::u32string_view kClosers = U"\"'”’」』）)】》〉]»";

}  // namespace

int estimate_tokens(std::string_view utf8) {
    constexpr double kPerCjk = 0.7;
    constexpr double kPerOther = 0.25;
    std::size_t cjk = 0;
    std::size_t other = 0;
    for (std::size_t i = 0; i < utf8.size();) {
        if (static_cast<unsigned char>(utf8[i]) < 0x80) {
            ++other;
            ++i;
            continue;
        }
        (text::is_cjk(text::next_char(utf8, i)) ? cjk : other) += 1;
    }
    return static_cast<int>(std::ceil(kPerCjk * static_cast<double>(cjk) + kPerOther * static_cast<double>(other)));
}

std::vector<std::string_view> split_sentences(std::string_view utf8) {
    std::vector<std::string_view> sentences;
    std::size_t begin = 0;
    const auto peek = [&](std::size_t at) -> char32_t { return at < utf8.size() ? text::next_char(utf8, at) : 0; };
    for (std::size_t i = 0; i < utf8.size();) {
        const std::size_t at = i;
        const char32_t c = text::next_char(utf8, i);
        const bool wide = contains(kWideEnds, c) || (c == U'…' && peek(i) == U'…');
        const bool narrow = c == '.' || c == '!' || c == '?';
        if (!wide && !narrow && c != '\n') continue;
        if (c != '\n') {  // "？！", "……", closing quotes
            while (i < utf8.size() && (contains(kWideEnds, peek(i)) || contains(U"…!?.", peek(i)))) text::next_char(utf8, i);
            std::size_t closed = i;
            while (closed < utf8.size() && contains(kClosers, peek(closed))) text::next_char(utf8, closed);
            // A straight quote after a Chinese full stop may open the next sentence; it closes only before space or end.
            i = closed;
        }
        const char32_t after = peek(i);
        if (narrow && after != 0 && !is_space(after) && !(c != '.' && text::is_cjk(after))) continue;
        std::size_t next = i;
        while (next < utf8.size() && is_space(peek(next))) text::next_char(utf8, next);
        const bool new_line = utf8.substr(i, next - i).find('\n') != std::string_view::npos;
        if (narrow && !new_line && next < utf8.size()) {
            if (is_lower(peek(next))) continue;
            if (c == '.' && is_abbreviation(utf8.substr(begin, at - begin), peek(next))) continue;
        }
        sentences.push_back(utf8.substr(begin, next - begin));
        begin = i = next;
    }
    if (begin < utf8.size()) sentences.push_back(utf8.substr(begin));
    return sentences;
}

}  // namespace atrium::data
