#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "platform/http/message.h"

/// Heads of requests and responses (RFC 9112). The scanner decides where a head ends and refuses bytes on which two
/// parsers might disagree; Beast's parser then takes it apart; the rest is our own strictness. Sans-IO.
namespace atrium::http::internal {

/// Finds the end of a head in a growing input.
class HeadScanner {
public:
    enum class State {
        kMore,
        kDone,
        kBad,  ///< bare LF or CR, control character, folded line: see defect()
    };
    /// `input` starts at the head and only grows between two calls.
    State scan(std::string_view input);
    /// Bytes of the head with its empty line, after kDone.
    std::size_t size() const { return at_; }
    std::string_view defect() const { return defect_; }

private:
    State bad(std::string_view defect);
    std::size_t at_ = 0;
    std::size_t line_ = 0;  ///< where the current line begins
    std::string_view defect_;
};

struct ParsedRequest {
    RequestHead head;
    std::string method;  ///< as received; of use when head.method is kOther
    bool http11 = true;
    bool keep_alive = true;
    bool chunked = false;
    bool expects_continue = false;
};

/// kInvalidArgument → 400, kFailedPrecondition → 417 (expectation), kOutOfRange → 431 (too many fields).
Result<ParsedRequest> parse_request_head(std::string_view bytes);

struct ParsedResponse {
    int status = 0;
    Headers headers;
    bool keep_alive = true;
    bool chunked = false;
    std::optional<std::uint64_t> content_length;
};

/// kUnavailable: the peer does not speak HTTP/1.
Result<ParsedResponse> parse_response_head(std::string_view bytes);

/// Splits "/a%20b?q" into decoded path and raw query. kInvalidArgument for what must not reach a route: wrong percent
/// sequences, NUL and other controls, ill-formed UTF-8, "." and ".." segments.
Result<> split_target(std::string_view target, RequestHead& head);

bool is_token(std::string_view text);
/// Printable, tabs and bytes above 0x7f: what may stand in a field value.
bool is_field_value(std::string_view text);

}  // namespace atrium::http::internal
