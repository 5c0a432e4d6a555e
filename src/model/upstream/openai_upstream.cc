#include <fmt/format.h>

#include "base/text.h"
#include "model/upstream/upstream.h"

namespace atrium::model {
namespace {

// An error body is a few hundred bytes; a misdirected URL may answer with a whole web page.
constexpr std::size_t kMaxErrorBody = 256 * 1024;

/// The OpenAI dialect: our own shape, so only the model's name, the credential and the trace context change.
class OpenAiUpstream final : public Upstream {
public:
    OpenAiUpstream(http::Client& client, UpstreamOptions options, http::Url base)
        : client_(client), options_(std::move(options)), base_(std::move(base)) {
        while (base_.target.ends_with('/')) base_.target.pop_back();
    }

    const std::string& name() const override { return options_.name; }

    Task<Result<std::unique_ptr<http::ClientResponse>>> call(UpstreamCall call, StopToken stop) override {
        http::ClientRequest request;
        request.method = http::Method::kPost;
        request.url = base_;
        request.url.target += operation_path(call.operation);
        request.headers.add("Content-Type", "application/json");
        request.headers.add("Accept", call.stream ? "text/event-stream" : "application/json");
        // The key goes to the configured origin only: the client never follows redirects.
        if (!options_.api_key.empty()) request.headers.add("Authorization", "Bearer " + options_.api_key);
        if (!call.traceparent.empty()) request.headers.add("traceparent", std::move(call.traceparent));
        if (!call.request_id.empty()) request.headers.add("x-request-id", std::move(call.request_id));
        // Only our own engines understand the salt; a foreign one has no business seeing it.
        if (base_.scheme == "unix" && !call.tenant.empty())
            request.headers.add("x-atrium-tenant", std::move(call.tenant));
        call.body["model"] = call.model;
        request.body = json::serialize(call.body);
        request.deadlines = options_.deadlines;

        auto sent = co_await client_.send(std::move(request), stop);
        if (!sent) co_return fail(unreachable(sent.error()));
        auto response = std::move(*sent);
        const int status = response->status();
        if (status >= 200 && status < 300) co_return response;

        auto body = co_await response->read_all(kMaxErrorBody);
        co_return fail(error_from_upstream(options_.name, status, body ? std::string_view(*body) : std::string_view()));
    }

private:
    Error unreachable(const Error& error) const {
        if (error.code() == Code::kCancelled) return error;
        if (error.code() == Code::kDeadlineExceeded) {
            return deadline_exceeded(fmt::format("the upstream '{}' did not answer in time", options_.name))
                .with_cause(error);
        }
        return unavailable(fmt::format("the upstream '{}' cannot be reached right now, please retry", options_.name))
            .with_reason("upstream_unavailable")
            .with_cause(error);
    }

    http::Client& client_;
    const UpstreamOptions options_;
    http::Url base_;
};

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

std::string_view operation_path(Operation operation) {
    switch (operation) {
        case Operation::kChat: return "/chat/completions";
        case Operation::kCompletion: return "/completions";
        case Operation::kEmbedding: return "/embeddings";
    }
    return {};
}

std::string_view operation_name(Operation operation) {
    switch (operation) {
        case Operation::kChat: return "chat";
        case Operation::kCompletion: return "text_completion";
        case Operation::kEmbedding: return "embeddings";
    }
    return {};
}

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

Result<std::unique_ptr<Upstream>> make_openai_upstream(http::Client& client, UpstreamOptions options) {
    TRY_ASSIGN(auto base, http::Url::parse(options.base_url));
    if (options.name.empty()) return fail(invalid_argument("an upstream needs a name"));
    return std::make_unique<OpenAiUpstream>(client, std::move(options), std::move(base));
}

}  // namespace atrium::model
