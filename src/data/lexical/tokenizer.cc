#include "data/lexical/internal/tokenizer.h"

#include <libstemmer.h>
#include <unicode/brkiter.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "data/lexical/internal/normalize.h"

namespace atrium::data::internal {
namespace {

constexpr std::size_t kMaxTermBytes = 64;  // longer "words" are base64 and the like: their beginning is enough

enum class Class : std::uint8_t {
    kOther,    // separators
    kLetter,   // any script with spaces between words
    kDigit,
    kHan,
    kKana,     // and hangul, bopomofo: bigrams, but single characters mean nothing
    kComplex,  // Thai, Lao, Khmer, Myanmar: words only a dictionary can find
};

Class classify(char32_t c) {
    if (c < 0x80) {
        if (c >= '0' && c <= '9') return Class::kDigit;
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? Class::kLetter : Class::kOther;
    }
    if ((c >= 0x4E00 && c < 0xA000) || (c >= 0x3400 && c < 0x4DC0) || (c >= 0x20000 && c < 0x32000) || c == 0x3005 ||
        c == 0x3007 || (c >= 0xF900 && c < 0xFB00)) {
        return Class::kHan;
    }
    if ((c >= 0x3041 && c < 0x3097) || (c >= 0x30A1 && c < 0x30FB) || c == 0x30FC || (c >= 0x3105 && c < 0x3130) ||
        (c >= 0xAC00 && c < 0xD7A4) || (c >= 0x1100 && c < 0x1200)) {
        return Class::kKana;
    }
    if ((c >= 0x0E00 && c < 0x0F00) || (c >= 0x1000 && c < 0x10A0) || (c >= 0x1780 && c < 0x1800)) return Class::kComplex;
    const auto code_point = static_cast<UChar32>(c);
    if (u_isdigit(code_point)) return Class::kDigit;
    if (u_isalpha(code_point)) return Class::kLetter;
    const auto mask = U_GET_GC_MASK(code_point);
    return (mask & (U_GC_M_MASK | U_GC_N_MASK)) != 0 ? Class::kLetter : Class::kOther;
}

bool is_connector(char32_t c) {
    return c == '.' || c == '-' || c == '_' || c == '/' || c == '\'' || c == ',' || c == '@' || c == ':';
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Stemmer {
public:
    Stemmer() : stemmer_(sb_stemmer_new("english", "UTF_8"), &sb_stemmer_delete) {}

    std::string operator()(std::string_view word) {
        const bool plain = std::all_of(word.begin(), word.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '\''; });
        if (!plain || !stemmer_ || word.size() < 3) return std::string(word);
        const auto* symbols = reinterpret_cast<const sb_symbol*>(word.data());
        const sb_symbol* stem = sb_stemmer_stem(stemmer_.get(), symbols, static_cast<int>(word.size()));
        if (stem == nullptr) return std::string(word);
        return {reinterpret_cast<const char*>(stem), static_cast<std::size_t>(sb_stemmer_length(stemmer_.get()))};
    }

private:
    std::unique_ptr<sb_stemmer, decltype(&sb_stemmer_delete)> stemmer_;
};

class WordBreaker {
public:
    WordBreaker() {
        UErrorCode status = U_ZERO_ERROR;
        iterator_.reset(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), status));
        if (U_FAILURE(status)) iterator_.reset();
    }

    /// Calls `visit` with the UTF-16 range of each word.
    template <class Visit>
    void each(const icu::UnicodeString& text, Visit visit) {
        if (!iterator_) return;
        iterator_->setText(text);
        std::int32_t begin = iterator_->first();
        for (std::int32_t end = iterator_->next(); end != icu::BreakIterator::DONE; end = iterator_->next()) {
            visit(begin, end);
            begin = end;
        }
    }

private:
    std::unique_ptr<icu::BreakIterator> iterator_;
};

/// "1,234,567" → "1234567"; any other comma separates.
bool is_grouped_number(std::string_view text) {
    const std::size_t first = text.find(',');
    if (first == 0 || first > 3) return false;
    std::size_t since = 0;
    bool grouped = false;
    for (const char c : text) {
        if (c == ',') {
            if (grouped && since != 3) return false;
            grouped = true;
            since = 0;
        } else if (c == '.' && grouped && since == 3) {
            return true;
        } else if (is_digit(c)) {
            ++since;
        } else {
            return false;
        }
    }
    return grouped && since == 3;
}

class Tokenizer {
public:
    Tokenizer(std::string_view text, std::vector<Token>& out) : text_(text), out_(out) {}

    void run() {
        std::size_t i = 0;
        while (i < text_.size()) {
            std::size_t next = i;
            const Class kind = classify(text::next_char(text_, next));
            switch (kind) {
                case Class::kOther: i = next; break;
                case Class::kLetter:
                case Class::kDigit: i = take_joined(i); break;
                default: i = take_run(i); break;
            }
        }
    }

private:
    void emit(std::string term, TokenKind kind) {
        if (term.empty()) return;
        if (term.size() > kMaxTermBytes) term.resize(text::complete_utf8_prefix(std::string_view(term).substr(0, kMaxTermBytes)));
        out_.push_back({std::move(term), kind});
    }

    /// Letters and digits with single connectors between them.
    std::size_t take_joined(std::size_t begin) {
        std::size_t end = begin;
        bool connected = false;
        std::size_t i = begin;
        while (i < text_.size()) {
            std::size_t next = i;
            const char32_t c = text::next_char(text_, next);
            const Class kind = classify(c);
            if (kind == Class::kLetter || kind == Class::kDigit) {
                end = next;
                connected = false;
            } else if (is_connector(c) && !connected) {
                connected = true;
            } else {
                break;
            }
            i = next;
        }
        std::string_view joined = text_.substr(begin, end - begin);
        if (joined.size() == 1 && !is_digit(joined[0])) {  // c++, c#, f#
            if (text_.substr(end, 2) == "++") {
                emit(std::string(joined) + "++", TokenKind::kWord);
                return end + 2;
            }
            if (text_.substr(end, 1) == "#") {
                emit(std::string(joined) + "#", TokenKind::kWord);
                return end + 1;
            }
        }
        analyze_joined(joined);
        return end;
    }

    void analyze_joined(std::string_view joined) {
        std::string ungrouped;
        if (joined.find(',') != std::string_view::npos) {
            if (!is_grouped_number(joined)) {
                for (const std::string_view piece : text::split(joined, ',')) analyze_code(piece);
                return;
            }
            std::copy_if(joined.begin(), joined.end(), std::back_inserter(ungrouped), [](char c) { return c != ','; });
            joined = ungrouped;
        }
        analyze_code(joined);
    }

    void analyze_code(std::string_view code) {
        std::vector<std::string_view> parts;
        bool digits = false;
        bool letters = false;
        bool dots_only = true;
        bool identifier = false;  // '_' or '@', or '.' between longer words: a name people search as a whole
        std::size_t longest = 0;
        std::size_t begin = 0;
        for (std::size_t i = 0; i <= code.size(); ++i) {
            const char c = i < code.size() ? code[i] : '.';
            if (i < code.size() && (!is_connector(static_cast<unsigned char>(c)) || c == '\'')) {
                (is_digit(c) ? digits : letters) = true;
                continue;
            }
            if (i < code.size()) {
                if (c != '.') dots_only = false;
                if (c == '_' || c == '@' || c == '.') identifier = true;
            }
            if (i > begin) {
                parts.push_back(code.substr(begin, i - begin));
                longest = std::max(longest, i - begin);
            }
            begin = i + 1;
        }
        if (parts.size() == 1) {
            emit_word(parts.front(), TokenKind::kWord);
            return;
        }
        if (digits && !letters && dots_only) {  // 3.5, 1.2.3: the digits alone mean nothing
            emit(std::string(code), TokenKind::kWord);
            return;
        }
        if (longest == 1 && dots_only && letters && !digits) {  // u.s, e.g
            std::string initials;
            for (const std::string_view part : parts) initials += part;
            emit(std::move(initials), TokenKind::kWord);
            return;
        }
        const bool whole = digits || identifier;
        if (whole) emit(std::string(code), TokenKind::kCode);
        for (const std::string_view part : parts) emit_word(part, whole ? TokenKind::kPart : TokenKind::kWord);
    }

    void emit_word(std::string_view word, TokenKind kind) {
        while (!word.empty() && word.back() == '\'') word.remove_suffix(1);
        while (!word.empty() && word.front() == '\'') word.remove_prefix(1);
        if (word.empty()) return;
        emit(stem_(word), kind);
        // "gb45438" is also found by "GB 45438" and "GB-45438".
        const auto letter_end = static_cast<std::size_t>(std::find_if(word.begin(), word.end(), is_digit) - word.begin());
        const std::string_view tail = word.substr(letter_end);
        if (letter_end >= 2 && tail.size() >= 3 && std::all_of(tail.begin(), tail.end(), is_digit)) {
            emit(std::string(word.substr(0, letter_end)), TokenKind::kPart);
            emit(std::string(tail), TokenKind::kPart);
        }
    }

    /// A run of text without spaces between its words.
    std::size_t take_run(std::size_t begin) {
        chars_.clear();
        std::size_t end = begin;
        bool dictionary_only = false;
        while (end < text_.size()) {
            std::size_t next = end;
            const Class kind = classify(text::next_char(text_, next));
            if (kind != Class::kHan && kind != Class::kKana && kind != Class::kComplex) break;
            if (!chars_.empty() && (kind == Class::kComplex) != dictionary_only) break;
            dictionary_only = kind == Class::kComplex;
            chars_.push_back({end, next, kind, 0});
            end = next;
        }
        if (chars_.size() > 1) find_words(begin, end);
        for (std::size_t i = 0; i < chars_.size(); ++i) {
            const std::size_t word = chars_[i].word_length;
            if (dictionary_only) {
                if (word > 0) emit(slice(i, i + word - 1), TokenKind::kWord);
                continue;
            }
            if (chars_[i].kind == Class::kHan || chars_.size() == 1) emit(slice(i, i), TokenKind::kUnigram);
            // A word of two characters is its bigram, once: counted twice, CMRC recall@1 falls from .981 to .972.
            if (i + 1 < chars_.size()) emit(slice(i, i + 1), word == 2 ? TokenKind::kWord : TokenKind::kBigram);
            if (word > 2) emit(slice(i, i + word - 1), TokenKind::kWord);
        }
        return end;
    }

    /// Notes the length of the dictionary word that starts at each character.
    void find_words(std::size_t begin, std::size_t end) {
        const auto run = icu::UnicodeString::fromUTF8(
            icu::StringPiece(text_.data() + begin, static_cast<std::int32_t>(end - begin)));
        std::size_t first = 0;
        breaker_.each(run, [&](std::int32_t word_begin, std::int32_t word_end) {
            const auto count = static_cast<std::size_t>(run.countChar32(word_begin, word_end - word_begin));
            if (first + count <= chars_.size()) chars_[first].word_length = count;
            first += count;
        });
    }

    std::string slice(std::size_t first, std::size_t last) const {
        return std::string(text_.substr(chars_[first].begin, chars_[last].end - chars_[first].begin));
    }

    struct Char {
        std::size_t begin;
        std::size_t end;
        Class kind;
        std::size_t word_length;  // in characters; 0 inside a word
    };

    static thread_local Stemmer stem_;
    static thread_local WordBreaker breaker_;
    std::string_view text_;
    std::vector<Token>& out_;
    std::vector<Char> chars_;
};

thread_local Stemmer Tokenizer::stem_;
thread_local WordBreaker Tokenizer::breaker_;

}  // namespace

std::vector<Token> tokenize(std::string_view utf8) {
    const std::string normalized = normalize_for_search(utf8);
    std::vector<Token> tokens;
    tokens.reserve(normalized.size() / 4);
    Tokenizer(normalized, tokens).run();
    return tokens;
}

}  // namespace atrium::data::internal
