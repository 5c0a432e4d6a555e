#include "data/documents/internal/clean_text.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

#include <algorithm>

#include "base/text.h"

namespace atrium::data::internal {
namespace {

bool is_invisible(char32_t c) {
    return c == 0xAD || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x2064) ||
           (c >= 0x2066 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0x80 && c < 0xA0) ||
           (c & 0xFFFE) == 0xFFFE;
}

std::string to_nfc(std::string text) {
    const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii) return text;
    UErrorCode status = U_ZERO_ERROR;
    const auto* normalizer = icu::Normalizer2::getNFCInstance(status);
    if (U_FAILURE(status) || normalizer->isNormalizedUTF8(text, status)) return text;
    std::string normalized;
    icu::StringByteSink<std::string> sink(&normalized);
    normalizer->normalizeUTF8(0, text, sink, nullptr, status);
    return U_SUCCESS(status) ? normalized : text;
}

char32_t last_char(std::string_view text) {
    std::size_t i = text.size();
    while (i > 0) {
        --i;
        if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return text::next_char(text, i);
    }
    return 0;
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

}  // namespace

std::string clean_text(std::string_view bytes) {
    const std::string valid = text::is_utf8(bytes) ? std::string(bytes) : text::to_valid_utf8(bytes);
    std::string out;
    out.reserve(valid.size());
    for (std::size_t i = 0; i < valid.size();) {
        const char32_t c = text::next_char(valid, i);
        if (c == '\r') {
            if (i >= valid.size() || valid[i] != '\n') out += '\n';
        } else if (c == '\f' || c == '\v' || c == 0x85 || c == 0x2028 || c == 0x2029) {
            out += '\n';
        } else if (c == 0xA0 || c == 0x202F || c == 0x2007) {
            out += ' ';
        } else if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7F && !is_invisible(c))) {
            text::append_utf8(out, c);
        }
    }
    return to_nfc(std::move(out));
}

std::string collapse_spaces(std::string_view utf8) {
    std::string out;
    out.reserve(utf8.size());
    bool space = false;
    for (const char c : utf8) {
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
            space = true;
            continue;
        }
        if (space && !out.empty()) out += ' ';
        space = false;
        out += c;
    }
    return out;
}

std::string trim_lines(std::string_view utf8) {
    std::string out;
    for (const std::string_view line : text::split(utf8, '\n')) {
        const std::string_view trimmed = text::trim(line);
        if (trimmed.empty()) continue;
        if (!out.empty()) out += '\n';
        out += trimmed;
    }
    return out;
}

void append_wrapped_line(std::string& paragraph, std::string_view line, bool hyphenated) {
    line = text::trim(line);
    if (line.empty()) return;
    while (!paragraph.empty() && paragraph.back() == ' ') paragraph.pop_back();
    if (paragraph.empty()) {
        paragraph = line;
        return;
    }
    std::size_t i = 0;
    const char32_t next = text::next_char(line, i);
    const char32_t previous = last_char(paragraph);
    if (hyphenated && previous == '-' && paragraph.size() > 1 && is_lower(paragraph[paragraph.size() - 2]) && is_lower(line[0])) {
        paragraph.pop_back();
    } else if (!text::is_cjk(previous) && !text::is_cjk(next)) {
        paragraph += ' ';  // and none where one side is CJK: a line break there says nothing about a space
    }
    paragraph += line;
}

}  // namespace atrium::data::internal
