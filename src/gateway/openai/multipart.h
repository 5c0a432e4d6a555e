#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace atrium::gateway {

/// multipart/form-data (RFC 7578) as it arrives: feed pieces of any size, take what they contain. Holds at most one
/// header block plus a delimiter, never a part's content. One per request; single-threaded.
///
/// Strict where two readers might disagree (CRLF, closing delimiter, one Content-Disposition per part), lenient in how
/// clients write file names: quoted with backslashes or WHATWG's %22, or RFC 5987 `filename*`, which wins.
/// Everything wrong is kInvalidArgument; too many parts or too long headers are kOutOfRange.
class MultipartParser {
public:
    struct Limits {
        int parts = 64;
        std::size_t header_bytes = 16 * 1024;  ///< of one part
    };

    enum class Kind { kBegin, kData, kEnd };
    /// A part begins (name, filename, content_type), has a piece of content (data), or ends.
    struct Event {
        Kind kind = Kind::kData;
        std::string name;
        std::optional<std::string> filename;
        std::string content_type;
        std::string data;
    };

    /// From a request's Content-Type. Another type, or one without a boundary, is kInvalidArgument.
    static Result<MultipartParser> from_content_type(std::string_view content_type, Limits limits);
    static Result<MultipartParser> from_content_type(std::string_view content_type) { return from_content_type(content_type, Limits()); }

    Result<std::vector<Event>> feed(std::string_view bytes);
    /// The body has ended: an error unless the closing delimiter was seen.
    Result<> finish() const;

private:
    enum class State { kPreamble, kAfterDelimiter, kHeaders, kData, kEpilogue };

    MultipartParser(std::string boundary, Limits limits);
    Result<bool> step(std::vector<Event>& events);
    Result<Event> parse_headers(std::string_view block) const;

    Limits limits_;
    std::string delimiter_;  ///< CRLF "--" boundary
    std::string buffer_;
    State state_ = State::kPreamble;
    int parts_ = 0;
};

/// The value of a parameter of a structured header (`form-data; name="x"; filename*=UTF-8''y`), decoded; for tests and
/// Content-Type. Names compare without case. Nothing when it is absent.
std::optional<std::string> header_parameter(std::string_view header, std::string_view name);

}  // namespace atrium::gateway
