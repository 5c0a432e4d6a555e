#include "model/upstream/internal/http_upstream.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/upstream/internal/http_answer.h"

namespace atrium::model {
namespace {

// An error body is a few hundred bytes; a misdirected URL may answer with a whole web page.
constexpr std::size_t kMaxErrorBody = 256 * 1024;

/// "retry-after-ms" as OpenAI sends it, else RFC 9110's Retry-After in seconds. The form with a date is not honoured:
/// it needs two clocks that agree.
std::chrono::milliseconds read_retry_after(const http::Headers& headers) {
    constexpr double kMaxSeconds = 24 * 3600;
    const auto read = [&](std::string_view name, double seconds_per_unit) {
        const auto value = headers.get(name);
        const auto number = value ? text::to_double(text::trim(*value)) : std::nullopt;
        const double seconds = number && *number > 0 ? std::min(*number * seconds_per_unit, kMaxSeconds) : 0;
        return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
    };
    const auto precise = read("retry-after-ms", 0.001);
    return precise.count() > 0 ? precise : read("Retry-After", 1);
}

}  // namespace

HttpUpstream::HttpUpstream(http::Client& client, const Dialect& dialect, UpstreamOptions options, http::Url base)
    : client_(client), dialect_(dialect), options_(std::move(options)), base_(std::move(base)) {
    // "https://host/v1?api-version=1": paths go before the query, which every call keeps.
    if (const auto query = base_.target.find('?'); query != std::string::npos) {
        base_query_ = base_.target.substr(query + 1);
        base_.target.resize(query);
    }
    while (base_.target.ends_with('/')) base_.target.pop_back();
}

Result<http::ClientRequest> HttpUpstream::make_request(const UpstreamCall& call) const {
    if (!dialect_.supports(call.operation)) {
        return fail(invalid_argument(fmt::format("The model '{}' is served by an upstream that cannot do '{}'.",
                                                 call.model, operation_name(call.operation)))
                        .with_field("model"));
    }
    TRY_ASSIGN(WireRequest wire, dialect_.encode(call, options_));
    http::ClientRequest request;
    request.method = http::Method::kPost;
    request.url = base_;
    request.url.target += wire.path;
    if (!base_query_.empty()) {
        request.url.target += wire.path.contains('?') ? '&' : '?';
        request.url.target += base_query_;
    }
    request.headers = std::move(wire.headers);
    request.headers.add("Content-Type", "application/json");
    const bool sse = call.stream && dialect_.framing() == Framing::kSse;
    request.headers.add("Accept", sse ? "text/event-stream" : "application/json");
    if (!call.traceparent.empty()) request.headers.add("traceparent", call.traceparent);
    if (!call.request_id.empty()) request.headers.add("x-request-id", call.request_id);
    // Only our own engines understand the salt; a foreign one has no business seeing it.
    if (base_.scheme == "unix" && !call.tenant.empty()) request.headers.add("x-atrium-tenant", call.tenant);
    request.body = std::move(wire.body);
    request.deadlines = options_.deadlines;
    return request;
}

Task<Result<std::unique_ptr<UpstreamAnswer>>> HttpUpstream::call(UpstreamCall call, StopToken stop) {
    CO_TRY_ASSIGN(auto request, make_request(call));
    StopSource own;
    std::unique_ptr<http::ClientResponse> response;
    {
        const ForwardStop forwarding(stop, StopOther{own});
        auto sent = co_await client_.send(std::move(request), own.get_token());
        if (!sent) co_return fail(unreachable(sent.error()));
        response = std::move(*sent);
        const int status = response->status();
        if (status < 200 || status >= 300) {
            auto body = co_await response->read_all(kMaxErrorBody);
            Error error = dialect_.decode_error(options_.name, status, response->headers(),
                                                body ? std::string_view(*body) : std::string_view());
            if (error.retry_after().count() > 0) co_return fail(std::move(error));
            co_return fail(std::move(error).with_retry_after(read_retry_after(response->headers())));
        }
    }
    co_return read_answer(dialect_, options_.name, std::move(call), std::move(response), std::move(stop), own);
}

Error HttpUpstream::unreachable(const Error& error) const {
    if (error.code() == Code::kCancelled) return error;
    if (error.code() == Code::kDeadlineExceeded) {
        return deadline_exceeded(fmt::format("the upstream '{}' did not answer in time", options_.name))
            .with_cause(error);
    }
    return unavailable(fmt::format("the upstream '{}' cannot be reached right now, please retry", options_.name))
        .with_reason("upstream_unavailable")
        .with_cause(error);
}

}  // namespace atrium::model
