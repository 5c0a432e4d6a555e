#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace atrium {

/// The 16 canonical failure codes (the gRPC set without OK). Every failure in Atrium is one of these;
/// `http_status()` is the only place that maps them to HTTP.
enum class Code : std::uint8_t {
    kCancelled,           ///< the caller went away or asked to stop
    kUnknown,             ///< a foreign failure nobody could classify
    kInvalidArgument,     ///< the request is wrong whatever the state of the system
    kDeadlineExceeded,    ///< it took too long
    kNotFound,            ///< no such object, or one this caller may not know about
    kAlreadyExists,       ///< creating what is there already
    kPermissionDenied,    ///< the caller is known and may not
    kResourceExhausted,   ///< a limit, quota or budget is used up; retry later
    kFailedPrecondition,  ///< the object is in the wrong state for this call
    kAborted,             ///< lost a race; the caller may try again
    kOutOfRange,          ///< larger than a documented size limit
    kUnimplemented,       ///< this installation cannot do it
    kInternal,            ///< a defect in Atrium
    kUnavailable,         ///< a component is down or starting; retry later
    kDataLoss,            ///< stored bytes are missing or damaged
    kUnauthenticated,     ///< no valid credential
};

/// Lower-case snake name, e.g. "invalid_argument". Stable: used in logs, metrics and JSON.
std::string_view code_name(Code code);

/// The one table from code to HTTP status: 400 401 403 404 409 413 429 499 500 501 503 504.
int http_status(Code code);

/// The reverse, for statuses received from an upstream. Unlisted 4xx → kInvalidArgument, others → kUnknown.
Code code_from_http(int status);

/// An expected failure, as a value. Copying is cheap (one shared pointer for the cause).
///
/// `message` is safe to show to the client: it says what failed, on what, and what to do, and holds neither
/// secrets nor another tenant's data. What only an operator may see goes into `cause`, which is logged and
/// never sent. `field` names the offending request field ("messages[0].role"), `reason` is the machine
/// readable detail that wire dialects carry ("model_not_found"), `retry_after` when another try may succeed.
/// Thread-compatible.
class [[nodiscard]] Error {
public:
    Error(Code code, std::string message) : code_(code), message_(std::move(message)) {}

    Error with_field(std::string field) && { field_ = std::move(field); return std::move(*this); }
    Error with_reason(std::string reason) && { reason_ = std::move(reason); return std::move(*this); }
    Error with_retry_after(std::chrono::milliseconds wait) && { retry_after_ = wait; return std::move(*this); }
    Error with_cause(const Error& cause) && { cause_ = std::make_shared<const Error>(cause); return std::move(*this); }

    Code code() const { return code_; }
    const std::string& message() const { return message_; }
    const std::string& field() const { return field_; }
    const std::string& reason() const { return reason_; }
    /// How long whoever failed asks to be left alone (an upstream's Retry-After); 0: it did not say.
    std::chrono::milliseconds retry_after() const { return retry_after_; }
    const Error* cause() const { return cause_.get(); }

    /// "not_found: no model 'x' (caused by unavailable: …)". For logs only.
    std::string to_string() const;

private:
    Code code_;
    std::string message_;
    std::string field_;
    std::string reason_;
    std::chrono::milliseconds retry_after_{0};
    std::shared_ptr<const Error> cause_;
};

Error cancelled(std::string message);
Error unknown_error(std::string message);
Error invalid_argument(std::string message);
Error deadline_exceeded(std::string message);
Error not_found(std::string message);
Error already_exists(std::string message);
Error permission_denied(std::string message);
Error resource_exhausted(std::string message);
Error failed_precondition(std::string message);
Error aborted(std::string message);
Error out_of_range(std::string message);
Error unimplemented(std::string message);
Error internal_error(std::string message);
Error unavailable(std::string message);
Error data_loss(std::string message);
Error unauthenticated(std::string message);

/// From errno, e.g. ENOSPC → kResourceExhausted "write '/x': No space left on device".
/// `what` names the operation and its object.
Error from_errno(int error_number, std::string_view what);

}  // namespace atrium
