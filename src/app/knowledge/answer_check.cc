#include "app/knowledge/answer_check.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "data/documents/chunker.h"
#include "data/lexical/analyzer.h"

namespace atrium::app {

namespace {

constexpr std::size_t kLongestAnswer = 160;
constexpr std::size_t kLongestCjkAnswer = 80;

bool is_ignored(char32_t c) {
    if (c < 0x80) return !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '%' || c == '+');
    return c == 0xa0 || (c >= 0x2000 && c <= 0x206f) || (c >= 0x3000 && c <= 0x303f) || c == 0xfffd || c == 0xb7;
}

char32_t fold(char32_t c) {
    if (c >= 0xff01 && c <= 0xff5e) c -= 0xfee0;
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }

/// "1,200" and "1200" are the same number; "3.5" keeps its point.
std::set<std::string> numbers_in(std::string_view utf8) {
    std::set<std::string> numbers;
    std::string current;
    std::vector<char32_t> characters;
    for (std::size_t offset = 0; offset < utf8.size();) characters.push_back(fold(text::next_char(utf8, offset)));
    for (std::size_t i = 0; i <= characters.size(); ++i) {
        const char32_t c = i < characters.size() ? characters[i] : U' ';
        const bool inside = !current.empty() && i + 1 < characters.size() && is_digit(characters[i + 1]);
        if (is_digit(c)) {
            current.push_back(static_cast<char>(c));
        } else if (c == '.' && inside) {
            current.push_back('.');
        } else if (!(c == ',' && inside)) {
            if (!current.empty()) numbers.insert(current);
            current.clear();
        }
    }
    return numbers;
}

std::string whole_text(const FoundPassage& passage) {
    std::string text = passage.chunk.filename + "\n";
    for (const auto& heading : passage.chunk.headings) text += heading + "\n";
    return text + passage.chunk.text;
}

std::set<std::string> content_terms(std::string_view utf8) {
    std::set<std::string> terms;
    for (auto& term : data::analyze(utf8)) {
        if (!data::is_stop_word(term)) terms.insert(std::move(term));
    }
    return terms;
}

std::string_view strip_quotes(std::string_view utf8) {
    static constexpr std::string_view kQuotes[] = {"\"", "'", "“", "”", "‘", "’", "「", "」", "《", "》", "*", "`"};
    for (bool changed = true; changed;) {
        changed = false;
        utf8 = text::trim(utf8);
        for (const auto quote : kQuotes) {
            if (utf8.size() > quote.size() && utf8.starts_with(quote)) { utf8.remove_prefix(quote.size()); changed = true; }
            if (utf8.size() > quote.size() && utf8.ends_with(quote)) { utf8.remove_suffix(quote.size()); changed = true; }
        }
    }
    return utf8;
}

struct Bracket {
    std::string_view open;
    std::string_view close;
};
constexpr Bracket kBrackets[] = {{"[", "]"}, {"【", "】"}, {"［", "］"}};

/// The length of a marker at the start of `utf8`, and its numbers. 0: none; npos: it may become one.
std::size_t marker_at(std::string_view utf8, std::vector<int>& numbers) {
    for (const auto& bracket : kBrackets) {
        if (!utf8.starts_with(bracket.open)) continue;
        std::size_t i = bracket.open.size();
        std::string digits;
        std::vector<int> found;
        for (; i < utf8.size() && i < 24; ++i) {
            const char c = utf8[i];
            if (c >= '0' && c <= '9') {
                if (digits.size() >= 3) return 0;
                digits.push_back(c);
            } else if (c == ',' || c == ' ') {
                if (!digits.empty()) found.push_back(std::stoi(digits));
                digits.clear();
            } else if (utf8.substr(i).starts_with(bracket.close)) {
                if (!digits.empty()) found.push_back(std::stoi(digits));
                if (found.empty()) return 0;
                numbers.insert(numbers.end(), found.begin(), found.end());
                return i + bracket.close.size();
            } else {
                return 0;
            }
        }
        return i >= 24 ? 0 : std::string_view::npos;
    }
    return 0;
}

}  // namespace

std::string normalise_wording(std::string_view utf8) {
    std::string out;
    for (std::size_t offset = 0; offset < utf8.size();) {
        const char32_t c = fold(text::next_char(utf8, offset));
        if (!is_ignored(c)) text::append_utf8(out, c);
    }
    return out;
}

MarkedText split_markers(std::string_view utf8) {
    MarkedText marked;
    std::string plain;
    for (std::size_t i = 0; i < utf8.size();) {
        std::vector<int> numbers;
        const auto length = marker_at(utf8.substr(i), numbers);
        if (length == 0 || length == std::string_view::npos) {
            plain.push_back(utf8[i++]);
            continue;
        }
        for (const int number : numbers) {
            if (std::find(marked.markers.begin(), marked.markers.end(), number) == marked.markers.end()) marked.markers.push_back(number);
        }
        while (!plain.empty() && plain.back() == ' ') plain.pop_back();
        i += length;
    }
    marked.text = std::string(text::trim(plain));
    return marked;
}

std::optional<ShortAnswer> check_short_answer(std::string_view question, std::string_view raw,
                                              const std::vector<FoundPassage>& passages) {
    const auto line = text::split(text::trim(raw), '\n').front();
    auto marked = split_markers(line);
    std::string answer(strip_quotes(marked.text));
    while (!answer.empty() && (answer.ends_with(".") || answer.ends_with(",") || answer.ends_with(";"))) answer.pop_back();
    for (const std::string_view stop : {"。", "，", "；"}) {
        while (answer.ends_with(stop)) answer.resize(answer.size() - stop.size());
    }
    const std::string wording = normalise_wording(answer);
    if (wording.empty()) return std::nullopt;
    const bool cjk = data::detect_language(answer) == "zh";
    if (text::char_count(answer) > (cjk ? kLongestCjkAnswer : kLongestAnswer)) return std::nullopt;

    // An echo of the question, whole or in part, answers nothing.
    const auto asked = content_terms(question);
    const auto said = content_terms(answer);
    if (said.empty() || std::all_of(said.begin(), said.end(), [&](const auto& term) { return asked.contains(term); })) {
        return std::nullopt;
    }

    std::vector<std::size_t> order;
    for (const int marker : marked.markers) {
        if (marker >= 1 && static_cast<std::size_t>(marker) <= passages.size()) order.push_back(static_cast<std::size_t>(marker) - 1);
    }
    for (std::size_t p = 0; p < passages.size(); ++p) order.push_back(p);
    for (const auto p : order) {
        // Whole words only: "5" is not in "25 days". Wording drops the spaces, so words are compared as terms too.
        if (normalise_wording(passages[p].chunk.text).find(wording) == std::string::npos) continue;
        const auto there = content_terms(passages[p].chunk.text);
        if (std::all_of(said.begin(), said.end(), [&](const auto& term) { return there.contains(term); })) return ShortAnswer{answer, p};
    }
    return std::nullopt;
}

bool numbers_occur(std::string_view question, std::string_view sentence, const FoundPassage& passage) {
    const auto said = numbers_in(sentence);
    if (said.empty()) return true;
    auto known = numbers_in(whole_text(passage));
    known.merge(numbers_in(question));
    return std::all_of(said.begin(), said.end(), [&](const auto& number) { return known.contains(number); });
}

bool supports(std::string_view question, std::string_view sentence, const FoundPassage& passage, const CoverageFunction& coverage) {
    return numbers_occur(question, sentence, passage) && coverage(sentence, whole_text(passage)) >= kSupportCoverage;
}

std::vector<std::string> SentenceCutter::feed(std::string_view text) {
    buffer_ += text;
    return take(false);
}

std::vector<std::string> SentenceCutter::finish() { return take(true); }

std::vector<std::string> SentenceCutter::take(bool at_end) {
    std::vector<std::string> sentences;
    // An unfinished character at the end stays for the next piece.
    const std::size_t usable = at_end ? buffer_.size() : text::complete_utf8_prefix(buffer_);
    const std::string_view whole = std::string_view(buffer_).substr(0, usable);
    std::vector<std::string_view> pieces;
    std::size_t line_start = 0;
    while (line_start < whole.size()) {
        const auto feed = whole.find('\n', line_start);
        const auto end = feed == std::string_view::npos ? whole.size() : feed + 1;
        for (const auto piece : data::split_sentences(whole.substr(line_start, end - line_start))) pieces.push_back(piece);
        line_start = end;
    }
    std::size_t consumed = 0;
    std::string current;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        std::string_view piece = pieces[i];
        // Markers at the start of a piece belong to the sentence before it.
        while (!current.empty()) {
            const auto space = piece.find_first_not_of(' ');
            std::vector<int> numbers;
            const auto length = space == std::string_view::npos ? 0 : marker_at(piece.substr(space), numbers);
            if (length == std::string_view::npos && !at_end) return sentences.empty() ? sentences : (buffer_.erase(0, consumed), sentences);
            if (length == 0 || length == std::string_view::npos) break;
            current.append(piece.substr(0, space + length));
            piece.remove_prefix(space + length);
        }
        if (!current.empty() && !text::trim(piece).empty()) {
            consumed += current.size();
            sentences.push_back(std::exchange(current, {}));
        }
        current.append(piece);
    }
    if (at_end) {
        if (!text::trim(current).empty()) sentences.push_back(std::move(current));
        buffer_.clear();
    } else {
        buffer_.erase(0, consumed);
    }
    return sentences;
}

}  // namespace atrium::app
