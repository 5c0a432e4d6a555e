#include "data/lexical/analyzer.h"

#include "base/text.h"
#include "data/lexical/internal/tokenizer.h"

namespace atrium::data {

std::vector<std::string> analyze(std::string_view utf8) {
    auto tokens = internal::tokenize(utf8);
    std::vector<std::string> terms;
    terms.reserve(tokens.size());
    for (auto& token : tokens) terms.push_back(std::move(token.term));
    return terms;
}

std::string_view detect_language(std::string_view utf8) {
    constexpr std::size_t kSample = 64 * 1024;
    constexpr std::size_t kHanWeight = 3;
    const std::string_view sample = utf8.substr(0, kSample);
    const std::string valid = text::to_valid_utf8(sample.substr(0, text::complete_utf8_prefix(sample)));
    std::size_t han = 0;
    std::size_t kana = 0;
    std::size_t latin = 0;
    std::size_t other = 0;
    for (std::size_t i = 0; i < valid.size();) {
        const char32_t c = text::next_char(valid, i);
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c < 0x250)) {
            ++latin;
        } else if ((c >= 0x4E00 && c < 0xA000) || (c >= 0x3400 && c < 0x4DC0) || (c >= 0x20000 && c < 0x32000)) {
            ++han;
        } else if ((c >= 0x3041 && c < 0x30FF) || (c >= 0xAC00 && c < 0xD7A4)) {
            ++kana;
        } else if (c >= 0x370 && c < 0x2000) {
            ++other;
        }
    }
    if (kana * 4 > han + kana) return {};
    const std::size_t letters = han * kHanWeight + latin + other;
    if (letters == 0) return {};
    if (han * kHanWeight * 2 > letters) return "zh";
    return latin * 2 > letters ? "en" : std::string_view();
}

}  // namespace atrium::data
