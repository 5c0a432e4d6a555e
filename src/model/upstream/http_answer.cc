#include "model/upstream/internal/http_answer.h"

#include <fmt/format.h>

#include "platform/async/runtime.h"

namespace atrium::model {
namespace {

Error damaged(const std::string& upstream, const Error& cause) {
    return unavailable(fmt::format("the upstream '{}' sent an answer that cannot be read, please retry", upstream))
        .with_reason("upstream_interrupted")
        .with_cause(cause);
}

/// What a break in mid-answer is called; the caller's own departure and deadlines keep their codes.
Error interrupted(const std::string& upstream, const Error& cause) {
    if (cause.code() == Code::kCancelled) return cause;
    if (cause.code() == Code::kDeadlineExceeded) {
        return deadline_exceeded(fmt::format("the upstream '{}' stopped answering in time", upstream))
            .with_cause(cause);
    }
    return unavailable(fmt::format("the upstream '{}' broke off in the middle of its answer, please retry", upstream))
        .with_reason("upstream_interrupted")
        .with_cause(cause);
}

Result<json::object> parse_answer(std::string_view text) {
    TRY_ASSIGN(auto value, json::parse(text));
    if (value.is_array()) return json::object{{"items", std::move(value)}};
    if (!value.is_object()) return fail(invalid_argument("neither an object nor a list"));
    return std::move(value.get_object());
}

/// Stops the waiting for the end of a body whose answer is complete already. Bounded, so nobody joins it.
Task<> give_up_soon(StopSource waiting, StopToken over) {
    if (co_await sleep_for(std::chrono::milliseconds(100), over)) waiting.request_stop();
}

}  // namespace

HttpAnswer::HttpAnswer(const Dialect& dialect, std::string upstream, UpstreamCall call,
                       std::unique_ptr<http::ClientResponse> response, StopToken stop, StopSource own)
    : dialect_(dialect),
      upstream_(std::move(upstream)),
      call_(std::move(call)),
      response_(std::move(response)),
      own_(own),
      forward_(std::move(stop), StopOther{std::move(own)}),
      wire_(dialect.passes_through(call_) ? call_.request->native->wire : Wire::kOpenAiChat),
      mode_(wire_ != Wire::kOpenAiChat ? Mode::kNative
            : dialect.relays_answers() ? Mode::kRelay
                                       : Mode::kTranslate) {
    if (call_.stream && mode_ != Mode::kRelay) decoder_ = dialect.decoder(call_);
}

Task<Result<std::string>> HttpAnswer::read_all(std::size_t limit) {
    auto text = co_await response_->read_all(limit);
    if (!text) co_return fail(interrupted(upstream_, text.error()));
    if (mode_ == Mode::kRelay) {
        CO_TRY(read(*text));
        co_return text;
    }
    auto answer = mode_ == Mode::kTranslate ? parse_answer(*text) : json::parse_object(*text);
    if (!answer) co_return fail(damaged(upstream_, answer.error()));
    auto decoded = dialect_.decode(call_, std::move(*answer));
    if (!decoded) co_return fail(decoded.error());
    std::string told = json::serialize(*decoded);
    CO_TRY(read(told));
    if (mode_ == Mode::kNative) co_return text;
    co_return told;
}

/// The facts of a chunk or answer in OpenAI's words; an error in it is the answer's, also with status 200.
Result<> HttpAnswer::read(std::string_view text) {
    const auto chunk = json::ObjectText::scan(text);
    if (!chunk) return fail(damaged(upstream_, chunk.error()));
    if (!json::is_absent(chunk->find("error"))) {
        TRY_ASSIGN(const auto parsed, json::parse_object(text));
        if (auto error = error_in_event(upstream_, parsed)) return fail(std::move(*error));
    }
    read_facts(*chunk, facts_);
    return {};
}

/// Chunks in OpenAI's words: their facts, and on to the caller when `out` is given.
Result<> HttpAnswer::take_chunks(std::vector<std::string>& chunks, std::vector<http::SseEvent>* out) {
    for (auto& chunk : chunks) {
        if (done_) break;
        if (chunk == "[DONE]") {
            done_ = true;
        } else {
            TRY(read(chunk));
        }
        if (out != nullptr) out->push_back({{}, std::move(chunk)});
    }
    chunks.clear();
    return {};
}

Result<> HttpAnswer::take(http::SseEvent event, std::vector<http::SseEvent>& out) {
    std::vector<std::string> chunks;
    if (mode_ == Mode::kRelay) {
        chunks.push_back(std::move(event.data));
        return take_chunks(chunks, &out);
    }
    TRY(decoder_->decode(event, chunks));
    if (mode_ == Mode::kTranslate) return take_chunks(chunks, &out);
    TRY(take_chunks(chunks, nullptr));
    out.push_back(std::move(event));
    return {};
}

/// The body is over: was the answer?
Result<> HttpAnswer::end(std::vector<http::SseEvent>& out) {
    ended_ = true;
    for (auto& event : ndjson_.rest()) TRY(take(std::move(event), out));
    if (done_) return {};
    std::vector<std::string> chunks;
    if (mode_ == Mode::kRelay) {
        // Not saying [DONE] after a finish reason is only bad manners.
        if (facts_.finish_reason.empty()) {
            return fail(interrupted(upstream_, unavailable("the stream ended without a finish reason")));
        }
        chunks.emplace_back("[DONE]");
        return take_chunks(chunks, &out);
    }
    TRY(decoder_->finish(chunks));
    TRY(take_chunks(chunks, mode_ == Mode::kTranslate ? &out : nullptr));
    return {};
}

Result<> HttpAnswer::take_bytes(std::string_view bytes, std::vector<http::SseEvent>& out) {
    auto events = dialect_.framing() == Framing::kSse ? sse_.feed(bytes) : ndjson_.feed(bytes);
    if (!events) return fail(interrupted(upstream_, events.error()));
    for (auto& event : *events) {
        if (done_) break;
        TRY(take(std::move(event), out));
    }
    return {};
}

/// A stream was asked for and a JSON document came: an error with status 200, or a server that cannot stream.
Task<Error> HttpAnswer::whole_body_as_error() {
    constexpr std::size_t kEnough = 256 * 1024;
    ended_ = true;
    auto text = co_await response_->read_all(kEnough);
    if (!text) co_return interrupted(upstream_, text.error());
    auto answer = json::parse_object(*text);
    if (!answer) co_return damaged(upstream_, answer.error());
    if (auto error = error_in_event(upstream_, *answer)) co_return std::move(*error);
    co_return unavailable(fmt::format("the upstream '{}' answered a stream with a document", upstream_))
        .with_reason("upstream_interrupted");
}

Task<Result<std::vector<http::SseEvent>>> HttpAnswer::next() {
    std::vector<http::SseEvent> out;
    if (failure_) co_return fail(*failure_);
    const auto type = response_->headers().get("content-type");
    if (!ended_ && dialect_.framing() == Framing::kSse && type && type->starts_with("application/json"))
        co_return fail(co_await whole_body_as_error());
    while (out.empty() && !ended_ && !failure_) {
        if (done_) {
            co_await read_to_end();
            break;
        }
        Result<> taken;
        auto piece = co_await response_->read_some();
        if (!piece) {
            taken = fail(interrupted(upstream_, piece.error()));
        } else {
            taken = piece->empty() ? end(out) : take_bytes(*piece, out);
        }
        // What came before a failure is still the caller's; the failure is told next time.
        if (!taken) failure_ = taken.error();
    }
    if (failure_ && out.empty()) co_return fail(*failure_);
    co_return out;
}

/// The bytes between the last event and the end of the body, normally none and already here: a response read to its end
/// gives its connection back, which saves the next call a (TLS) handshake. An upstream that keeps it open is not waited
/// for.
Task<> HttpAnswer::read_to_end() {
    ended_ = true;
    StopSource over;
    co_await spawn_here(give_up_soon(own_, over.get_token()));
    while (true) {
        auto rest = co_await response_->read_some();
        if (!rest || rest->empty()) break;
    }
    over.request_stop();
}

std::unique_ptr<UpstreamAnswer> read_answer(const Dialect& dialect, std::string upstream, UpstreamCall call,
                                            std::unique_ptr<http::ClientResponse> response, StopToken stop,
                                            StopSource own) {
    return std::make_unique<HttpAnswer>(dialect, std::move(upstream), std::move(call), std::move(response),
                                        std::move(stop), std::move(own));
}

}  // namespace atrium::model
