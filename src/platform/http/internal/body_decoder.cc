#include "platform/http/internal/body_decoder.h"

#include <algorithm>

namespace atrium::http::internal {
namespace {

constexpr std::size_t kMaxExtension = 1024;
constexpr std::size_t kMaxTrailers = 16 * 1024;

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool is_field_byte(char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

auto malformed(const char* what) {
    return fail(invalid_argument(std::string("the chunked body is malformed: ") + what));
}

}  // namespace

BodyDecoder BodyDecoder::of_length(std::uint64_t bytes) {
    BodyDecoder decoder;
    decoder.remaining_ = bytes;
    if (bytes > 0) decoder.state_ = State::kLength;
    return decoder;
}

BodyDecoder BodyDecoder::chunked(bool lenient) {
    BodyDecoder decoder;
    decoder.state_ = State::kSize;
    decoder.lenient_ = lenient;
    return decoder;
}

BodyDecoder BodyDecoder::until_close() {
    BodyDecoder decoder;
    decoder.state_ = State::kUntilClose;
    return decoder;
}

void BodyDecoder::skip(std::uint64_t bytes) {
    remaining_ -= std::min(bytes, remaining_);
    if (remaining_ == 0) state_ = State::kDone;
}

Result<std::size_t> BodyDecoder::feed(std::string_view in, std::string& out, std::size_t max_out) {
    std::size_t used = 0;
    while (used < in.size() && state_ != State::kDone) {
        if (state_ == State::kLength || state_ == State::kData || state_ == State::kUntilClose) {
            std::uint64_t take = std::min<std::uint64_t>(in.size() - used, max_out);
            if (state_ != State::kUntilClose) take = std::min(take, remaining_);
            if (take == 0) break;
            out.append(in, used, take);
            used += take;
            max_out -= take;
            if (state_ == State::kUntilClose) continue;
            remaining_ -= take;
            if (remaining_ == 0) state_ = state_ == State::kLength ? State::kDone : State::kDataCr;
        } else {
            TRY(framing(in[used]));
            ++used;
        }
    }
    return used;
}

// The only line end is CRLF: a parser that also took a bare LF would see other chunks than its neighbour.
Result<> BodyDecoder::framing(char c) {
    switch (state_) {
        case State::kSize:
            if (const int digit = hex_digit(c); digit >= 0) {
                if (++digits_ > 15) return malformed("a chunk size is too large");
                remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(digit);
                return {};
            }
            if (digits_ == 0) return malformed("a chunk has no size");
            overhead_ = 0;
            if (c == '\r')
                state_ = State::kSizeLf;
            else if (c == ';')
                state_ = State::kExtension;
            else if (c == ' ' || c == '\t')
                state_ = State::kPadding;
            else
                return malformed("a chunk size is not hexadecimal");
            return {};
        case State::kPadding:
            if (++overhead_ > kMaxExtension) return malformed("a chunk extension is too long");
            if (c == ';')
                state_ = State::kExtension;
            else if (c == '\r' && lenient_)
                state_ = State::kSizeLf;
            else if (c != ' ' && c != '\t')
                return malformed("a chunk size is followed by something else");
            return {};
        case State::kExtension:
            if (++overhead_ > kMaxExtension) return malformed("a chunk extension is too long");
            if (c == '\r')
                state_ = State::kSizeLf;
            else if (!is_field_byte(c))
                return malformed("a chunk extension holds a control character");
            return {};
        case State::kSizeLf:
            if (c != '\n') return malformed("a chunk size does not end with CRLF");
            digits_ = 0;
            overhead_ = 0;
            state_ = remaining_ == 0 ? State::kTrailerStart : State::kData;
            return {};
        case State::kDataCr:
            if (c != '\r') return malformed("a chunk is longer than its size");
            state_ = State::kDataLf;
            return {};
        case State::kDataLf:
            if (c != '\n') return malformed("a chunk does not end with CRLF");
            state_ = State::kSize;
            return {};
        case State::kTrailerStart:
            if (c == '\r') {
                state_ = State::kEndLf;
                return {};
            }
            state_ = State::kTrailer;
            [[fallthrough]];
        case State::kTrailer:
            if (++overhead_ > kMaxTrailers) return malformed("the trailers are too long");
            if (c == '\r')
                state_ = State::kTrailerLf;
            else if (!is_field_byte(c))
                return malformed("a trailer holds a control character");
            return {};
        case State::kTrailerLf:
            if (c != '\n') return malformed("a trailer does not end with CRLF");
            state_ = State::kTrailerStart;
            return {};
        case State::kEndLf:
            if (c != '\n') return malformed("it does not end with CRLF");
            state_ = State::kDone;
            return {};
        case State::kDone:
        case State::kLength:
        case State::kUntilClose:
        case State::kData: break;
    }
    return {};
}

}  // namespace atrium::http::internal
