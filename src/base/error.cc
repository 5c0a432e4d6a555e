#include "base/error.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/machine_error.h"

namespace atrium {
namespace {

struct CodeRow {
    Code code;
    std::string_view name;
    int http;
};

constexpr std::array<CodeRow, 16> kCodes{{
    {Code::kCancelled, "cancelled", 499},
    {Code::kUnknown, "unknown", 500},
    {Code::kInvalidArgument, "invalid_argument", 400},
    {Code::kDeadlineExceeded, "deadline_exceeded", 504},
    {Code::kNotFound, "not_found", 404},
    {Code::kAlreadyExists, "already_exists", 409},
    {Code::kPermissionDenied, "permission_denied", 403},
    {Code::kResourceExhausted, "resource_exhausted", 429},
    {Code::kFailedPrecondition, "failed_precondition", 409},
    {Code::kAborted, "aborted", 409},
    {Code::kOutOfRange, "out_of_range", 413},
    {Code::kUnimplemented, "unimplemented", 501},
    {Code::kInternal, "internal", 500},
    {Code::kUnavailable, "unavailable", 503},
    {Code::kDataLoss, "data_loss", 500},
    {Code::kUnauthenticated, "unauthenticated", 401},
}};

const CodeRow& row(Code code) { return kCodes[static_cast<std::size_t>(code)]; }

Code code_from_errno(int error_number) {
    switch (error_number) {
        case ENOENT: return Code::kNotFound;
        case EEXIST: return Code::kAlreadyExists;
        case EACCES:
        case EPERM:
        case EROFS: return Code::kPermissionDenied;
        case ENOSPC:
        case EDQUOT:
        case EMFILE:
        case ENFILE:
        case ENOMEM: return Code::kResourceExhausted;
        case ETIMEDOUT: return Code::kDeadlineExceeded;
        case EFBIG: return Code::kOutOfRange;
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
        case EADDRINUSE: return Code::kUnavailable;
        case EIO: return Code::kDataLoss;
        default: return Code::kUnknown;
    }
}

/// Nothing for what a peer on the network did: that is no trouble of this machine.
std::optional<MachineTrouble> trouble_from_errno(int error_number) {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT: return MachineTrouble::kStorageFull;
        case EROFS:
        case EACCES:
        case EPERM: return MachineTrouble::kStorageReadOnly;
        case EMFILE:
        case ENFILE:
        case ENOMEM: return MachineTrouble::kMachineExhausted;
        case ETIMEDOUT:
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
        case EADDRINUSE: return std::nullopt;
        default: return MachineTrouble::kMachineFailure;
    }
}

}  // namespace

std::string_view code_name(Code code) { return row(code).name; }

int http_status(Code code) { return row(code).http; }

Code code_from_http(int status) {
    switch (status) {
        case 401: return Code::kUnauthenticated;
        case 403: return Code::kPermissionDenied;
        case 404: return Code::kNotFound;
        case 408:
        case 504: return Code::kDeadlineExceeded;
        case 409: return Code::kAborted;
        case 413: return Code::kOutOfRange;
        case 429: return Code::kResourceExhausted;
        case 499: return Code::kCancelled;
        case 501: return Code::kUnimplemented;
        case 502:
        case 503:
        case 529: return Code::kUnavailable;
        default: return status >= 400 && status < 500 ? Code::kInvalidArgument : Code::kUnknown;
    }
}

std::string Error::to_string() const {
    std::string text = fmt::format("{}: {}", code_name(code_), message_);
    if (cause_) text += fmt::format(" (caused by {})", cause_->to_string());
    return text;
}

Error cancelled(std::string message) { return {Code::kCancelled, std::move(message)}; }
Error unknown_error(std::string message) { return {Code::kUnknown, std::move(message)}; }
Error invalid_argument(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }
Error deadline_exceeded(std::string message) { return {Code::kDeadlineExceeded, std::move(message)}; }
Error not_found(std::string message) { return {Code::kNotFound, std::move(message)}; }
Error already_exists(std::string message) { return {Code::kAlreadyExists, std::move(message)}; }
Error permission_denied(std::string message) { return {Code::kPermissionDenied, std::move(message)}; }
Error resource_exhausted(std::string message) { return {Code::kResourceExhausted, std::move(message)}; }
Error failed_precondition(std::string message) { return {Code::kFailedPrecondition, std::move(message)}; }
Error aborted(std::string message) { return {Code::kAborted, std::move(message)}; }
Error out_of_range(std::string message) { return {Code::kOutOfRange, std::move(message)}; }
Error unimplemented(std::string message) { return {Code::kUnimplemented, std::move(message)}; }
Error internal_error(std::string message) { return {Code::kInternal, std::move(message)}; }
Error unavailable(std::string message) { return {Code::kUnavailable, std::move(message)}; }
Error data_loss(std::string message) { return {Code::kDataLoss, std::move(message)}; }
Error unauthenticated(std::string message) { return {Code::kUnauthenticated, std::move(message)}; }

Error from_errno(int error_number, std::string_view what) {
    char buffer[128];
    const char* text = strerror_r(error_number, buffer, sizeof buffer);
    std::string message = fmt::format("{}: {}", what, text);
    const auto trouble = trouble_from_errno(error_number);
    if (!trouble) return {code_from_errno(error_number), std::move(message)};
    if (*trouble == MachineTrouble::kStorageFull) message += "; free some disk space";
    return machine_error(*trouble, code_from_errno(error_number), std::move(message));
}

}  // namespace atrium
