#pragma once

#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/result.h"
#include "base/text.h"

/// The one reader of JSON text (RFC 8259, strict): what json::parse builds a tree from and json_edit finds members
/// with.
namespace atrium::json::internal {

inline constexpr int kMaxDepth = 64;  // one bit of a word per open container

/// The first byte from `at` on that needs a look inside a string: quote, backslash, control character or not ASCII.
/// Long prompts are mostly plain text: 16 bytes at a time this runs at memory speed.
inline const char* skip_plain(const char* at, const char* end) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    while (end - at >= 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        // Signed: below a space are the controls and everything from 0x80 on.
        const __m128i special = _mm_or_si128(
            _mm_cmplt_epi8(bytes, space), _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
        if (mask != 0) return at + std::countr_zero(mask);
        at += 16;
    }
#endif
    while (at != end && static_cast<signed char>(*at) >= 0x20 && *at != '"' && *at != '\\') ++at;
    return at;
}

inline int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// The four digits after "\u", or -1.
inline int hex4(const char* at, const char* end) {
    if (end - at < 4) return -1;
    int code = 0;
    for (int i = 0; i < 4; ++i) {
        const int digit = hex_digit(at[i]);
        if (digit < 0) return -1;
        code = code * 16 + digit;
    }
    return code;
}

inline bool is_high_surrogate(int code) {
    return code >= 0xd800 && code < 0xdc00;
}
inline bool is_low_surrogate(int code) {
    return code >= 0xdc00 && code < 0xe000;
}

/// Length of the well-formed UTF-8 sequence at `at` (Unicode table 3-7), or 0. `*at` is not ASCII.
inline int utf8_length(const char* at, const char* end) {
    const auto byte = [&](int i) { return static_cast<unsigned char>(at[i]); };
    const auto follows = [&](int i) { return (byte(i) & 0xc0) == 0x80; };
    const auto left = end - at;
    const unsigned char lead = byte(0);
    if (lead < 0xc2 || lead > 0xf4) return 0;
    if (lead < 0xe0) return left >= 2 && follows(1) ? 2 : 0;
    if (lead < 0xf0) {
        if (left < 3 || !follows(1) || !follows(2)) return 0;
        if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f)) return 0;
        return 3;
    }
    if (left < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
    if ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)) return 0;
    return 4;
}

/// A strict walk over JSON text. After a failure `at` is where and `defect` is what; nothing is read beyond `end`.
class Walker {
public:
    explicit Walker(std::string_view text) : begin_(text.data()), at_(begin_), end_(begin_ + text.size()) {}

    const char* at() const { return at_; }
    bool at_end() const { return at_ == end_; }

    void space() {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    }
    /// Steps over `c` when it is next.
    bool take(char c) {
        if (at_ == end_ || *at_ != c) return false;
        ++at_;
        return true;
    }
    bool refuse(const char* defect) {
        if (defect_ == nullptr) defect_ = defect;
        return false;
    }
    std::unexpected<Error> error() const {
        return fail(invalid_argument(fmt::format("invalid JSON at byte {}: {}", at_ - begin_, defect_)));
    }

    /// A string with both quotes; `escaped` tells of a backslash inside.
    bool string(bool* escaped = nullptr) {
        if (!take('"')) return refuse("a string is expected");
        while (true) {
            at_ = skip_plain(at_, end_);
            if (at_ == end_) return refuse("a string does not end");
            if (*at_ == '"') return ++at_, true;
            if (*at_ == '\\') {
                if (escaped != nullptr) *escaped = true;
                if (!escape()) return false;
            } else if (static_cast<unsigned char>(*at_) < 0x20) {
                return refuse("a control character inside a string");
            } else if (!wide_run()) {
                return false;
            }
        }
    }

    /// Any value. `depth`: how many containers are open around it.
    bool value(int depth) {
        const int outside = depth;
        std::uint64_t objects = 0;  // bit per open container: 1 for an object
        while (true) {
            // Here a value begins.
            if (at_ == end_) return refuse("a value is expected");
            if (*at_ == '{' || *at_ == '[') {
                const bool is_object = *at_ == '{';
                if (depth == kMaxDepth) return refuse("nested too deeply");
                ++at_, ++depth;
                objects = objects << 1 | (is_object ? 1u : 0u);
                space();
                if (!take(is_object ? '}' : ']')) {
                    if (is_object && !name()) return false;
                    continue;
                }
                --depth;
                objects >>= 1;
            } else if (!scalar()) {
                return false;
            }
            // Here a value has ended: close what ends with it, or go on to the next element.
            while (true) {
                if (depth == outside) return true;
                const bool is_object = (objects & 1) != 0;
                space();
                if (take(',')) {
                    space();
                    if (is_object && !name()) return false;
                    break;
                }
                if (!take(is_object ? '}' : ']')) return refuse("a comma or the end of the container is expected");
                --depth;
                objects >>= 1;
            }
        }
    }

    /// `"name" :` and the space after it.
    bool name(bool* escaped = nullptr) {
        if (at_ == end_ || *at_ != '"') return refuse("a member name is expected");
        if (!string(escaped)) return false;
        space();
        if (!take(':')) return refuse("a colon is expected");
        space();
        return true;
    }

    /// A number; its grammar only.
    bool number() {
        take('-');
        if (!take('0') && !digits()) return false;
        if (take('.') && !digits()) return false;
        if (take('e') || take('E')) {
            if (!take('+')) take('-');
            return digits();
        }
        return true;
    }

    bool literal(std::string_view word) {
        if (!std::string_view(at_, end_).starts_with(word)) return refuse("a value is expected");
        at_ += word.size();
        return true;
    }

private:
    bool escape() {
        ++at_;
        if (at_ == end_) return refuse("a string does not end");
        if (*at_ != 'u') {
            if (std::memchr("\"\\/bfnrt", *at_, 8) == nullptr) return refuse("an unknown escape");
            return ++at_, true;
        }
        const int code = hex4(at_ + 1, end_);
        if (code < 0) return refuse("a wrong \\u escape");
        if (is_low_surrogate(code)) return refuse("half of a surrogate pair");
        at_ += 5;
        if (!is_high_surrogate(code)) return true;
        if (end_ - at_ < 6 || at_[0] != '\\' || at_[1] != 'u' || !is_low_surrogate(hex4(at_ + 2, end_)))
            return refuse("half of a surrogate pair");
        at_ += 6;
        return true;
    }

    /// Characters that are not ASCII; text in such a script has many in a row.
    bool wide_run() {
        do {
            // Three bytes are what most of the world's scripts take; e0 and ed have exceptions.
            while (end_ - at_ >= 4) {
                std::uint32_t word;
                std::memcpy(&word, at_, sizeof word);
                if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap32(word);
                if ((word & 0x00c0c0f0) != 0x008080e0 || (word & 0xff) == 0xe0 || (word & 0xff) == 0xed) break;
                at_ += 3;
            }
            if (at_ == end_ || static_cast<signed char>(*at_) >= 0) break;
            const int length = utf8_length(at_, end_);
            if (length == 0) return refuse("ill-formed UTF-8");
            at_ += length;
        } while (at_ != end_ && static_cast<signed char>(*at_) < 0);
        return true;
    }

    bool digits() {
        const char* const first = at_;
        while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
        return at_ != first || refuse("a digit is expected");
    }

    bool scalar() {
        switch (*at_) {
            case '"': return string();
            case 't': return literal("true");
            case 'f': return literal("false");
            case 'n': return literal("null");
            default: return number();
        }
    }

    const char* begin_;
    const char* at_;
    const char* end_;
    const char* defect_ = nullptr;
};

/// The characters of a string's inside, whose escapes have been checked.
inline std::string unescaped(std::string_view inside) {
    std::string out;
    out.reserve(inside.size());
    const char* const end = inside.data() + inside.size();
    for (const char* at = inside.data(); at != end;) {
        const auto* const backslash =
            static_cast<const char*>(std::memchr(at, '\\', static_cast<std::size_t>(end - at)));
        out.append(at, backslash != nullptr ? backslash : end);
        if (backslash == nullptr || backslash + 1 == end) break;
        at = backslash + 2;
        switch (at[-1]) {
            case 'b': out.push_back('\b'); break;
            case 'f': out.push_back('\f'); break;
            case 'n': out.push_back('\n'); break;
            case 'r': out.push_back('\r'); break;
            case 't': out.push_back('\t'); break;
            case 'u': {
                int code = hex4(at, end);
                if (code < 0) return out;
                at += 4;
                if (is_high_surrogate(code) && end - at >= 6) {
                    code = 0x10000 + ((code - 0xd800) << 10) + (hex4(at + 2, end) - 0xdc00);
                    at += 6;
                }
                text::append_utf8(out, static_cast<char32_t>(code));
                break;
            }
            default: out.push_back(at[-1]);
        }
    }
    return out;
}

}  // namespace atrium::json::internal
