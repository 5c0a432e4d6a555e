#include "data/documents/internal/charset.h"

#include <unicode/ucnv.h>
#include <unicode/ucsdet.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/text.h"

namespace atrium::data::internal {
namespace {

constexpr std::size_t kSample = 256 * 1024;

struct Decoded {
    std::string text;
    std::size_t errors = 0;  ///< characters that had to be replaced
};

std::optional<Decoded> decode_as(std::string_view bytes, const char* charset) {
    UErrorCode status = U_ZERO_ERROR;
    const std::unique_ptr<UConverter, decltype(&ucnv_close)> converter(ucnv_open(charset, &status), &ucnv_close);
    if (U_FAILURE(status)) return std::nullopt;
    Decoded decoded;
    const char* source = bytes.data();
    const char* const end = source + bytes.size();
    char16_t buffer[16 * 1024];
    icu::UnicodeString text;
    bool more = true;
    while (more) {
        status = U_ZERO_ERROR;
        char16_t* target = buffer;
        ucnv_toUnicode(converter.get(), &target, std::end(buffer), &source, end, nullptr, true, &status);
        text.append(buffer, static_cast<std::int32_t>(target - buffer));
        more = status == U_BUFFER_OVERFLOW_ERROR;
        if (U_FAILURE(status) && !more) return std::nullopt;
    }
    text.toUTF8String(decoded.text);
    for (std::size_t at = decoded.text.find("\xEF\xBF\xBD"); at != std::string::npos; at = decoded.text.find("\xEF\xBF\xBD", at + 3)) {
        ++decoded.errors;
    }
    return decoded;
}

bool is_control(char32_t c) { return (c < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1B && c != '\v') || c == 0xFFFD; }

/// UTF-16 text of most languages holds spaces, digits and line ends, whose high byte is zero; so does binary data, which
/// then decodes to control characters.
const char* utf16_without_mark(std::string_view bytes) {
    const std::string_view sample = bytes.substr(0, 4096);
    if (sample.size() < 4 || bytes.size() % 2 != 0) return nullptr;
    std::size_t even = 0;
    std::size_t odd = 0;
    for (std::size_t i = 0; i < sample.size(); ++i) {
        if (sample[i] == '\0') ++(i % 2 == 0 ? even : odd);
    }
    const std::size_t units = sample.size() / 2;
    const char* charset = nullptr;
    if (odd * 20 >= units && even * 10 < odd) charset = "UTF-16LE";
    if (even * 20 >= units && odd * 10 < even) charset = "UTF-16BE";
    if (charset == nullptr) return nullptr;
    const auto decoded = decode_as(sample, charset);
    if (!decoded) return nullptr;
    std::size_t controls = 0;
    for (std::size_t i = 0; i < decoded->text.size();) controls += is_control(text::next_char(decoded->text, i)) ? 1 : 0;
    return controls * 50 <= units ? charset : nullptr;
}

/// The share of frequent Chinese characters among the non-ASCII ones: what a wrong Chinese encoding does not have.
double chinese_likeness(std::string_view utf8) {
    constexpr std::u32string_view kFrequent =
        U"的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么"
        U"去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将"
        U"两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解"
        U"水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社"
        U"，。、；：？！“”（）《》"
        U"個們來國為說時會對這過發後裡樣經麼學還現動點問題業長間實將從與開關應體產員無處場務資統區隊電號書";
    std::size_t wide = 0;
    std::size_t frequent = 0;
    for (std::size_t i = 0; i < utf8.size();) {
        const char32_t c = text::next_char(utf8, i);
        if (c < 0x80) continue;
        ++wide;
        if (kFrequent.find(c) != std::u32string_view::npos) ++frequent;
    }
    return wide == 0 ? 0 : static_cast<double>(frequent) / static_cast<double>(wide);
}

std::string detected_charset(std::string_view sample) {
    UErrorCode status = U_ZERO_ERROR;
    const std::unique_ptr<UCharsetDetector, decltype(&ucsdet_close)> detector(ucsdet_open(&status), &ucsdet_close);
    if (U_FAILURE(status)) return {};
    ucsdet_setText(detector.get(), sample.data(), static_cast<std::int32_t>(sample.size()), &status);
    const UCharsetMatch* match = ucsdet_detect(detector.get(), &status);
    if (U_FAILURE(status) || match == nullptr) return {};
    constexpr std::int32_t kPlausible = 20;
    if (ucsdet_getConfidence(match, &status) < kPlausible) return {};
    const char* name = ucsdet_getName(match, &status);
    return U_SUCCESS(status) && name != nullptr ? name : std::string();
}

std::string decode_or_replace(std::string_view bytes, const char* charset) {
    auto decoded = decode_as(bytes, charset);
    return decoded ? std::move(decoded->text) : text::to_valid_utf8(bytes);
}

/// GB18030 or Big5 when the bytes read well as Chinese in it. ICU's detector needs several hundred characters for that.
const char* chinese_charset(std::string_view sample) {
    const char* best = nullptr;
    double best_likeness = 0.15;
    for (const char* charset : {"GB18030", "Big5"}) {
        const auto decoded = decode_as(sample, charset);
        if (!decoded || decoded->errors > 1 + sample.size() / 1000) continue;
        const double likeness = chinese_likeness(decoded->text);
        if (likeness > best_likeness) {
            best_likeness = likeness;
            best = charset;
        }
    }
    return best;
}

}  // namespace

std::string decode_text(std::string_view bytes, std::string_view declared_charset) {
    if (bytes.starts_with("\xEF\xBB\xBF")) return text::to_valid_utf8(bytes.substr(3));
    if (bytes.starts_with("\xFF\xFE")) return decode_or_replace(bytes.substr(2), "UTF-16LE");
    if (bytes.starts_with("\xFE\xFF")) return decode_or_replace(bytes.substr(2), "UTF-16BE");
    if (const char* charset = utf16_without_mark(bytes)) return decode_or_replace(bytes, charset);
    if (text::is_utf8(bytes)) return std::string(bytes);
    const std::string_view sample = bytes.substr(0, kSample);
    if (!declared_charset.empty() && declared_charset.size() < 40) {
        std::string name = text::to_lower_ascii(declared_charset);
        if (name.starts_with("gb")) name = "GB18030";  // pages that declare gb2312 use characters beyond it
        const auto decoded = decode_as(bytes, name.c_str());
        if (decoded && decoded->errors <= 1 + bytes.size() / 200) return decoded->text;
    }
    // Mostly well-formed UTF-8 with a few broken bytes stays UTF-8.
    const std::string repaired = text::to_valid_utf8(bytes);
    std::size_t broken = 0;
    std::size_t multibyte = 0;
    for (std::size_t i = 0; i < repaired.size();) {
        const char32_t c = text::next_char(repaired, i);
        if (c == 0xFFFD) ++broken;
        else if (c >= 0x80) ++multibyte;
    }
    if (multibyte > 20 * broken) return repaired;
    if (const char* charset = chinese_charset(sample)) return decode_or_replace(bytes, charset);
    const std::string charset = detected_charset(sample);
    return decode_or_replace(bytes, charset.empty() ? "windows-1252" : charset.c_str());
}

bool looks_like_text(std::string_view bytes) {
    if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF") || utf16_without_mark(bytes) != nullptr) return true;
    const std::string_view sample = bytes.substr(0, 64 * 1024);
    const auto controls = std::count_if(sample.begin(), sample.end(), [](char c) { return is_control(static_cast<unsigned char>(c)); });
    const bool zeros = sample.find('\0') != std::string_view::npos;
    return !zeros && static_cast<std::size_t>(controls) * 200 <= sample.size();
}

}  // namespace atrium::data::internal
