#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace atrium::http::internal {

/// Finds the end of a message body (RFC 9112 §6, §7) and strips the chunked coding. Sans-IO; copies content only.
class BodyDecoder {
public:
    static BodyDecoder none() { return {}; }
    static BodyDecoder of_length(std::uint64_t bytes);
    /// Chunked. Extensions and trailers are skipped, within limits. A `lenient` decoder lets a peer pad the size.
    static BodyDecoder chunked(bool lenient);
    static BodyDecoder until_close();

    /// Appends content to `out`, at most `max_out` bytes; returns how many bytes of `in` were used.
    Result<std::size_t> feed(std::string_view in, std::string& out, std::size_t max_out);
    bool done() const { return state_ == State::kDone; }
    /// Bytes still to come where the length is known in advance.
    bool has_length() const { return state_ == State::kLength; }
    std::uint64_t remaining() const { return remaining_; }
    /// Content that went past feed().
    void skip(std::uint64_t bytes);
    bool ends_with_connection() const { return state_ == State::kUntilClose; }

private:
    enum class State {
        kDone,
        kLength,
        kUntilClose,
        kSize,
        kPadding,
        kExtension,
        kSizeLf,
        kData,
        kDataCr,
        kDataLf,
        kTrailerStart,
        kTrailer,
        kTrailerLf,
        kEndLf,
    };
    Result<> framing(char c);

    State state_ = State::kDone;
    std::uint64_t remaining_ = 0;
    int digits_ = 0;
    std::size_t overhead_ = 0;  ///< bytes of this extension, or of all trailers
    bool lenient_ = false;
};

}  // namespace atrium::http::internal
