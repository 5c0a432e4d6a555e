#include <fmt/format.h>

#include "base/check.h"
#include "base/text.h"
#include "gateway/route_table.h"
#include "gateway/sse_stream.h"

namespace atrium::gateway {
namespace {

/// "application/json; charset=utf-8" and "application/vnd.x+json" are JSON too.
bool is_json(std::string_view content_type) {
    const auto type = text::to_lower_ascii(text::trim(content_type.substr(0, content_type.find(';'))));
    return type == "application/json" || type.ends_with("+json");
}

}  // namespace

Call::Call(http::Exchange& exchange, app::CallContext context, std::map<std::string, std::string> path_parameters)
    : exchange_(exchange), context_(std::move(context)), path_parameters_(std::move(path_parameters)) {}

Call::~Call() = default;

const std::string& Call::path(std::string_view name) const {
    const auto found = path_parameters_.find(std::string(name));
    CHECK(found != path_parameters_.end());
    return found->second;
}

const std::string* Call::path_if(std::string_view name) const {
    const auto found = path_parameters_.find(std::string(name));
    return found == path_parameters_.end() ? nullptr : &found->second;
}

Result<std::int64_t> Call::query_int(std::string_view name, std::int64_t fallback, std::int64_t min,
                                     std::int64_t max) const {
    const auto text = query(name);
    if (!text) return fallback;
    const auto number = text::to_int(*text);
    if (!number || *number < min || *number > max) {
        return fail(invalid_argument(fmt::format("{} must be an integer from {} to {}", name, min, max))
                        .with_field(std::string(name)));
    }
    return *number;
}

Task<Result<json::object>> Call::json_body() {
    CO_TRY_ASSIGN(auto body, co_await json_text());
    co_return std::move(body.object);
}

Task<Result<Call::JsonText>> Call::json_text() {
    const auto type = exchange_.head().headers.get("content-type");
    if (type && !is_json(*type)) {
        co_return fail(invalid_argument(fmt::format("Content-Type must be application/json, not '{}'",
                                                    text::shorten(text::to_valid_utf8(*type), 100)))
                           .with_reason("unsupported_media_type"));
    }
    CO_TRY_ASSIGN(auto body, co_await exchange_.read_body(max_body_));
    if (text::trim(body).empty())
        co_return fail(invalid_argument("The request has no body; a JSON object is expected."));
    CO_TRY_ASSIGN(auto object, json::parse_object(body));
    co_return JsonText{std::move(object), std::move(body)};
}

Task<Result<>> Call::respond_json(const json::value& body, int status) {
    // No coroutine: `body` is often a temporary of a caller who returns this task, so it is read now.
    return exchange_.respond(http::Response::json(status, json::serialize(body)));
}

SseStream& Call::sse() {
    if (!sse_) sse_ = std::make_unique<SseStream>(exchange_, heartbeat_, stream_format_);
    return *sse_;
}

Task<> Call::expect_sse() {
    return sse().arm();
}
Task<Result<>> Call::start_sse() {
    return sse().start();
}
Task<Result<>> Call::send_sse(std::string_view data, std::string_view event) {
    return sse().send(data, event);
}

Task<> Call::close_stream() {
    if (sse_) co_await sse_->close();
}

bool Call::is_streaming() const {
    return sse_ != nullptr && exchange_.response_started();
}

}  // namespace atrium::gateway
