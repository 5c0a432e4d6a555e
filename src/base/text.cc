#include "base/text.h"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace atrium::text {
namespace {

// Nobody mistypes more than this; edit distance is quadratic and `word` comes from strangers.
constexpr std::size_t kLongestTypo = 256;

// Length of the well-formed sequence at the start of `bytes`; 0 when ill-formed; -1 when well-formed so far but cut
// off.
int sequence_length(std::string_view bytes) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const unsigned char lead = at(0);
    if (lead < 0x80) return 1;
    int length = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
    } else {
        return 0;
    }
    for (int i = 1; i < length; ++i) {
        if (static_cast<std::size_t>(i) >= bytes.size()) return -1;
        const unsigned char byte = at(static_cast<std::size_t>(i));
        if (byte < low || byte > high) return 0;
        low = 0x80;
        high = 0xBF;
    }
    return length;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
    while (!bytes.empty()) {
        const int length = sequence_length(bytes);
        if (length <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(length));
    }
    return true;
}

std::string to_valid_utf8(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    while (!bytes.empty()) {
        const int length = sequence_length(bytes);
        if (length > 0) {
            out.append(bytes.substr(0, static_cast<std::size_t>(length)));
            bytes.remove_prefix(static_cast<std::size_t>(length));
        } else {
            out.append("\xEF\xBF\xBD");
            if (length < 0) break;
            bytes.remove_prefix(1);
        }
    }
    return out;
}

std::size_t complete_utf8_prefix(std::string_view bytes) {
    const std::size_t look_back = std::min<std::size_t>(3, bytes.size());
    for (std::size_t back = 1; back <= look_back; ++back) {
        const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
        if ((byte & 0xC0) == 0x80) continue;
        return sequence_length(bytes.substr(bytes.size() - back)) == -1 ? bytes.size() - back : bytes.size();
    }
    return bytes.size();
}

std::string shorten(std::string_view utf8, std::size_t max_bytes) {
    if (utf8.size() <= max_bytes) return std::string(utf8);
    const std::string_view cut = utf8.substr(0, max_bytes);
    return std::string(cut.substr(0, complete_utf8_prefix(cut))) + "…";
}

char32_t next_char(std::string_view utf8, std::size_t& offset) {
    const auto at = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(utf8[offset + i])); };
    const char32_t lead = at(0);
    char32_t c = lead;
    std::size_t length = 1;
    if (lead >= 0xF0 && offset + 3 < utf8.size()) {
        c = (lead & 0x07) << 18 | (at(1) & 0x3F) << 12 | (at(2) & 0x3F) << 6 | (at(3) & 0x3F);
        length = 4;
    } else if (lead >= 0xE0 && offset + 2 < utf8.size()) {
        c = (lead & 0x0F) << 12 | (at(1) & 0x3F) << 6 | (at(2) & 0x3F);
        length = 3;
    } else if (lead >= 0xC0 && offset + 1 < utf8.size()) {
        c = (lead & 0x1F) << 6 | (at(1) & 0x3F);
        length = 2;
    }
    offset += length;
    return c;
}

void append_utf8(std::string& out, char32_t c) {
    const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | c >> 6);
        put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | c >> 12);
        put(0x80 | (c >> 6 & 0x3F));
        put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | c >> 18);
        put(0x80 | (c >> 12 & 0x3F));
        put(0x80 | (c >> 6 & 0x3F));
        put(0x80 | (c & 0x3F));
    }
}

std::size_t char_count(std::string_view utf8) {
    return static_cast<std::size_t>(
        std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_cjk(char32_t c) {
    return (c >= 0x1100 && c <= 0x11FF) ||  // hangul jamo
           (c >= 0x2E80 && c <= 0x303F) ||  // radicals, CJK punctuation
           (c >= 0x3040 && c <= 0x30FF) ||  // kana
           (c >= 0x3100 && c <= 0x31BF) ||  // bopomofo
           (c >= 0x31F0 && c <= 0x4DBF) ||  // kana extensions, enclosed, extension A
           (c >= 0x4E00 && c <= 0x9FFF) ||  // unified ideographs
           (c >= 0xAC00 && c <= 0xD7AF) ||  // hangul
           (c >= 0xF900 && c <= 0xFAFF) ||  // compatibility ideographs
           (c >= 0xFF00 && c <= 0xFFEF) ||  // full-width forms
           (c >= 0x20000 && c <= 0x323AF);  // extensions B–H
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n\f\v";
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

std::string to_lower_ascii(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    return out;
}

bool equals_ignore_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return x == y || lower(x) == lower(y); });
}

std::optional<std::int64_t> to_int(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<double> to_double(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

std::optional<std::string_view> closest(std::string_view word, const std::vector<std::string_view>& candidates) {
    if (word.size() > kLongestTypo) return std::nullopt;
    std::optional<std::string_view> best;
    std::size_t best_distance = std::min<std::size_t>(3, word.size() / 3 + 1) + 1;
    for (const std::string_view candidate : candidates) {
        const std::size_t longer = std::max(word.size(), candidate.size());
        if (longer - std::min(word.size(), candidate.size()) >= best_distance)
            continue;  // at least that many edits apart
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

}  // namespace atrium::text
