// What upstreams' errors mean to our callers.
#include <fmt/format.h>

#include "base/text.h"
#include "model/upstream/upstream.h"

namespace atrium::model {
namespace {

struct WireError {
    std::string message;
    std::string code;
    std::string param;
    int status = 0;  ///< some servers put the HTTP status where the code belongs
};

/// {"error":{…}}, and vLLM's older flat {"object":"error","message":…}.
std::optional<WireError> read_wire_error(const json::object& body) {
    const json::object* error = nullptr;
    if (const auto* nested = body.if_contains("error")) {
        if (nested->is_string()) return WireError{std::string(nested->get_string()), {}, {}, 0};
        error = nested->if_object();
    } else if (json::string_or(body, "object") == "error") {
        error = &body;
    }
    if (error == nullptr) return std::nullopt;
    WireError wire;
    wire.message = json::string_or(*error, "message");
    wire.code = json::string_or(*error, "code");
    wire.param = json::string_or(*error, "param");
    if (const auto* code = error->if_contains("code"); code != nullptr && code->is_int64()) {
        if (code->get_int64() >= 400 && code->get_int64() < 600) wire.status = static_cast<int>(code->get_int64());
    }
    if (wire.message.empty()) return std::nullopt;
    return wire;
}

Error plain_error(std::string_view upstream, int status) {
    if (status >= 300 && status < 400) {
        return unavailable(
            fmt::format("the upstream '{}' answers with a redirect; its URL has to be corrected", upstream));
    }
    return {code_from_http(status), fmt::format("the upstream '{}' failed with HTTP status {}", upstream, status)};
}

Error from_wire(std::string_view upstream, int status, WireError wire) {
    Code code = code_from_http(status);
    if (wire.code == "context_length_exceeded") code = Code::kInvalidArgument;
    return Error(code, text::shorten(text::to_valid_utf8(wire.message), 2000))
        .with_reason(std::move(wire.code))
        .with_field(std::move(wire.param))
        .with_cause(unknown_error(fmt::format("upstream '{}' answered {}", upstream, status)));
}

}  // namespace

Error error_from_upstream(std::string_view upstream, int status, std::string_view body) {
    const Error seen = unknown_error(
        fmt::format("upstream '{}' answered {}: {}", upstream, status, text::shorten(text::to_valid_utf8(body), 500)));
    if (status == 401 || status == 403) {
        return unavailable(fmt::format("the upstream '{}' refuses this installation's credential; "
                                       "its operator has to correct the configured key",
                                       upstream))
            .with_reason("upstream_credential")
            .with_cause(seen);
    }
    auto parsed = json::parse_object(body);
    auto wire = parsed ? read_wire_error(*parsed) : std::nullopt;
    if (!wire) return plain_error(upstream, status).with_cause(seen);
    return from_wire(upstream, status, std::move(*wire));
}

std::optional<Error> error_in_event(std::string_view upstream, const json::object& event) {
    const auto* error = event.if_contains("error");
    if (error == nullptr || error->is_null()) return std::nullopt;
    auto wire = read_wire_error(event);
    if (!wire) return plain_error(upstream, 500);
    // The status line said 200; without a status in the event the failure counts as the upstream's.
    const int status = wire->status != 0 ? wire->status : 503;
    return from_wire(upstream, status, std::move(*wire));
}

}  // namespace atrium::model
