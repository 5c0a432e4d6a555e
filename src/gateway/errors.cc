#include "gateway/errors.h"

#include <fmt/format.h>

#include <array>

#include "base/machine_error.h"
#include "base/text.h"
#include "gateway/route_table.h"

namespace atrium::gateway {
namespace {

/// What a code is called in OpenAI's error object when the error brings no reason of its own. Empty code: null.
struct CodeRow {
    Code code;
    std::string_view type;
    std::string_view wire_code;
};

constexpr std::array<CodeRow, 16> kCodes{{
    {Code::kCancelled, "request_cancelled", "client_closed_request"},
    {Code::kUnknown, "server_error", "upstream_error"},
    {Code::kInvalidArgument, "invalid_request_error", ""},
    {Code::kDeadlineExceeded, "timeout_error", "timeout"},
    {Code::kNotFound, "invalid_request_error", "not_found"},
    {Code::kAlreadyExists, "invalid_request_error", "already_exists"},
    {Code::kPermissionDenied, "permission_error", "permission_denied"},
    {Code::kResourceExhausted, "requests", "rate_limit_exceeded"},
    {Code::kFailedPrecondition, "invalid_request_error", "failed_precondition"},
    {Code::kAborted, "invalid_request_error", "conflict"},
    {Code::kOutOfRange, "invalid_request_error", "request_too_large"},
    {Code::kUnimplemented, "invalid_request_error", "not_supported"},
    {Code::kInternal, "server_error", "internal_error"},
    {Code::kUnavailable, "server_error", "service_unavailable"},
    {Code::kDataLoss, "server_error", "internal_error"},
    {Code::kUnauthenticated, "invalid_request_error", "invalid_api_key"},
}};

/// Reasons whose status, type or code differ from what their code says. Empty or 0: as the code.
struct ReasonRow {
    std::string_view reason;
    int status;
    std::string_view type;
    std::string_view wire_code;
};

constexpr std::array<ReasonRow, 6> kReasons{{
    {"method_not_allowed", 405, "invalid_request_error", ""},
    {"unsupported_media_type", 415, "", ""},
    {"concurrency_limit_exceeded", 0, "concurrency", "rate_limit_exceeded"},
    {"token_limit_exceeded", 0, "tokens", "rate_limit_exceeded"},
    {"insufficient_quota", 0, "insufficient_quota", ""},
    // Not 429: it is not the client that has to slow down.
    {"disk_full", 507, "server_error", "insufficient_storage"},
}};

constexpr int kOverloaded = 529;  // Anthropic's 503

const CodeRow& row_of(Code code) {
    return kCodes[static_cast<std::size_t>(code)];
}

const ReasonRow* row_of(std::string_view reason) {
    for (const auto& row : kReasons) {
        if (row.reason == reason) return &row;
    }
    return nullptr;
}

/// Defects show a general sentence with the request id.
std::string public_message(const Error& error, std::string_view request_id) {
    if (error.code() != Code::kInternal && error.code() != Code::kDataLoss) return text::to_valid_utf8(error.message());
    return fmt::format(
        "The server failed while handling this request. Its log has the details under the request id {}.", request_id);
}

/// Anthropic's names; its clients map statuses to exception types, so the two agree here.
std::string_view anthropic_type(int status) {
    switch (status) {
        case 401: return "authentication_error";
        case 402: return "billing_error";
        case 403: return "permission_error";
        case 404: return "not_found_error";
        case 413: return "request_too_large";
        case 429: return "rate_limit_error";
        case 504: return "timeout_error";
        case kOverloaded: return "overloaded_error";
        default: return status < 500 ? "invalid_request_error" : "api_error";
    }
}

json::value text_or_null(std::string_view text) {
    if (text.empty()) return nullptr;
    return json::string(text::to_valid_utf8(text));
}

}  // namespace

int error_status(const Error& error) {
    const Code code = machine_trouble(error) ? shown_to_client(error).code() : error.code();
    const auto* reason = row_of(error.reason());
    return reason != nullptr && reason->status != 0 ? reason->status : http_status(code);
}

json::object error_body(const Error& whole, std::string_view request_id) {
    const Error error = shown_to_client(whole);
    const auto& code = row_of(error.code());
    const auto* reason = row_of(error.reason());
    std::string message = public_message(error, request_id);
    std::string_view wire_code = error.reason().empty() ? code.wire_code : std::string_view(error.reason());
    if (reason != nullptr && !reason->wire_code.empty()) wire_code = reason->wire_code;
    const std::string_view type = reason != nullptr && !reason->type.empty() ? reason->type : code.type;
    return {{"error",
             {{"message", std::move(message)},
              {"type", type},
              {"param", text_or_null(error.field())},
              {"code", text_or_null(wire_code)}}}};
}

int error_status(const Error& error, Dialect dialect) {
    const int status = error_status(error);
    return dialect == Dialect::kAnthropic && status == 503 ? kOverloaded : status;
}

json::object error_body(const Error& error, std::string_view request_id, Dialect dialect) {
    if (dialect == Dialect::kOllama) return {{"error", public_message(error, request_id)}};
    if (dialect != Dialect::kAnthropic) return error_body(error, request_id);
    return {{"type", "error"},
            {"error",
             {{"type", anthropic_type(error_status(error, dialect))}, {"message", public_message(error, request_id)}}},
            {"request_id", request_id}};
}

http::Response error_response(const Error& error, std::string_view request_id) {
    return error_response(error, request_id, Dialect::kOpenAi);
}

http::Response error_response(const Error& error, std::string_view request_id, Dialect dialect) {
    const int status = error_status(error, dialect);
    auto response = http::Response::json(status, json::serialize(error_body(error, request_id, dialect)));
    // A model that is starting or an engine that is coming back takes seconds, not the SDKs' default half second.
    if (needs_operator(error)) {
        // The SDKs retry every 5xx; these stay until somebody does something.
        response.headers.add("x-should-retry", "false");
    } else if (status == 503 || status == kOverloaded) {
        response.headers.add("retry-after", "2");
    }
    if (status == 401) response.headers.add("WWW-Authenticate", "Bearer");
    return response;
}

}  // namespace atrium::gateway
