#include "data/lexical/internal/normalize.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/translit.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "base/text.h"

namespace atrium::data::internal {
namespace {

constexpr char32_t kFirstHan = 0x3400;
constexpr char32_t kEndHan = 0xA000;

/// Traditional → simplified, one character at a time. ICU's transliterator is five times slower than the word breaker
/// and takes 16 ms to load, so it is asked once per distinct character and its answers are kept.
class Simplifier {
public:
    char32_t operator()(char32_t c) {
        if (c < kFirstHan || c >= kEndHan) return c;
        auto& slot = simplified_[c - kFirstHan];
        const std::uint16_t known = slot.load(std::memory_order_relaxed);
        return known != 0 ? known : learn(c, slot);
    }

private:
    char32_t learn(char32_t c, std::atomic<std::uint16_t>& slot) {
        const std::lock_guard lock(mutex_);
        if (!loaded_) {
            UErrorCode status = U_ZERO_ERROR;
            transliterator_.reset(icu::Transliterator::createInstance("Traditional-Simplified", UTRANS_FORWARD, status));
            if (U_FAILURE(status)) transliterator_.reset();
            loaded_ = true;
        }
        icu::UnicodeString text(static_cast<UChar32>(c));
        if (transliterator_) transliterator_->transliterate(text);
        // An answer of several characters, or outside the plane, does not fit one term position: keep the original.
        const char16_t answer = text.length() == 1 ? text.charAt(0) : static_cast<char16_t>(c);
        slot.store(answer, std::memory_order_relaxed);
        return answer;
    }

    std::array<std::atomic<std::uint16_t>, kEndHan - kFirstHan> simplified_{};
    std::mutex mutex_;
    bool loaded_ = false;
    std::unique_ptr<icu::Transliterator> transliterator_;
};

Simplifier& simplifier() {
    static Simplifier instance;
    return instance;
}

constexpr char32_t kFirstAccented = 0xC0;
constexpr char32_t kEndAccented = 0x250;
constexpr char32_t kFirstAccentedMore = 0x1E00;
constexpr char32_t kEndAccentedMore = 0x1F00;

/// "é" → "e" for the Latin blocks; question and document often disagree about accents.
class AccentFolder {
public:
    AccentFolder() {
        UErrorCode status = U_ZERO_ERROR;
        const auto* nfd = icu::Normalizer2::getNFDInstance(status);
        const auto base_of = [&](char32_t c) -> char32_t {
            if (c == U'ø') return U'o';
            if (c == U'ł') return U'l';
            if (c == U'đ') return U'd';
            if (U_FAILURE(status)) return c;
            icu::UnicodeString parts;
            if (!nfd->getDecomposition(static_cast<UChar32>(c), parts)) return c;
            const char16_t first = parts.charAt(0);
            return first < 0x80 ? first : c;
        };
        for (char32_t c = kFirstAccented; c < kEndAccented; ++c) latin_[c - kFirstAccented] = base_of(c);
        for (char32_t c = kFirstAccentedMore; c < kEndAccentedMore; ++c) more_[c - kFirstAccentedMore] = base_of(c);
    }

    char32_t operator()(char32_t c) const {
        if (c >= kFirstAccented && c < kEndAccented) return latin_[c - kFirstAccented];
        if (c >= kFirstAccentedMore && c < kEndAccentedMore) return more_[c - kFirstAccentedMore];
        return c;
    }

private:
    std::array<char32_t, kEndAccented - kFirstAccented> latin_{};
    std::array<char32_t, kEndAccentedMore - kFirstAccentedMore> more_{};
};

char32_t fold_punctuation(char32_t c) {
    switch (c) {
        case 0x2019:  // ’
        case 0x02BC: return U'\'';
        case 0x2010:  // hyphens and en dash, as in "GB–45438"
        case 0x2011:
        case 0x2012:
        case 0x2013: return U'-';
        default: return c;
    }
}

std::string nfkc_casefold(std::string_view utf8) {
    UErrorCode status = U_ZERO_ERROR;
    const auto* normalizer = icu::Normalizer2::getNFKCCasefoldInstance(status);
    std::string folded;
    folded.reserve(utf8.size());
    if (U_SUCCESS(status)) {
        icu::StringByteSink<std::string> sink(&folded);
        normalizer->normalizeUTF8(0, icu::StringPiece(utf8.data(), static_cast<std::int32_t>(utf8.size())), sink, nullptr,
                                  status);
    }
    return U_SUCCESS(status) ? folded : text::to_lower_ascii(utf8);
}

}  // namespace

std::string normalize_for_search(std::string_view utf8) {
    const bool ascii = std::all_of(utf8.begin(), utf8.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii) return text::to_lower_ascii(utf8);
    const std::string folded = nfkc_casefold(text::is_utf8(utf8) ? std::string(utf8) : text::to_valid_utf8(utf8));
    static const AccentFolder fold_accent;
    auto& simplify = simplifier();
    std::string out;
    out.reserve(folded.size());
    char32_t previous = 0;
    for (std::size_t i = 0; i < folded.size();) {
        const char32_t c = text::next_char(folded, i);
        if (c >= 0x300 && c < 0x370 && previous < 0x250) continue;  // a combining accent left on a Latin letter
        const char32_t mapped = c < 0x80 ? c : fold_punctuation(fold_accent(simplify(c)));
        text::append_utf8(out, mapped);
        previous = mapped;
    }
    return out;
}

}  // namespace atrium::data::internal
