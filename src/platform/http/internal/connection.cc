#include "platform/http/internal/connection.h"

#include <charconv>
#include <ctime>

#include "base/check.h"
#include "base/json.h"
#include "base/text.h"
#include "observability/log/log.h"

namespace atrium::http::internal {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr std::uint64_t kDrainLimit = 256 * 1024;
constexpr std::uint64_t kLingerBytes = 1024 * 1024;
constexpr std::chrono::milliseconds kLingerTime{1000};

iovec piece_of(std::string_view bytes) {
    return {const_cast<char*>(bytes.data()), bytes.size()};
}

/// "Sun, 06 Nov 1994 08:49:37 GMT", formatted once per second and thread.
std::string_view http_date() {
    thread_local std::time_t formatted = 0;
    thread_local char text[32];
    thread_local std::size_t size = 0;
    const std::time_t now = std::time(nullptr);
    if (now != formatted) {
        std::tm utc{};
        ::gmtime_r(&now, &utc);
        size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
        formatted = now;
    }
    return {text, size};
}

void append_number(std::string& out, std::uint64_t value, int base = 10) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
    out.append(digits, end);
}

std::string error_body(int status, std::string_view message) {
    json::object error;
    error["message"] = message;
    error["type"] = status >= 500 ? "server_error" : "invalid_request_error";
    error["param"] = nullptr;
    error["code"] = nullptr;
    json::object body;
    body["error"] = std::move(error);
    return json::serialize(body);
}

bool is_framing_header(std::string_view name) {
    return text::equals_ignore_case(name, "content-length") || text::equals_ignore_case(name, "transfer-encoding") ||
           text::equals_ignore_case(name, "connection") || text::equals_ignore_case(name, "date");
}

Error left() {
    return cancelled("the client closed the connection");
}

}  // namespace

void ServerShared::closed() {
    if (open.fetch_sub(1) != 1) return;
    std::scoped_lock lock(mutex);
    if (all_closed) all_closed->set();
}

Connection::Connection(std::shared_ptr<ServerShared> shared, std::shared_ptr<Wire> wire, std::string peer)
    : shared_(std::move(shared)), wire_(std::move(wire)), peer_(std::move(peer)) {
    wire_->on_gone([](void* self) { static_cast<Connection*>(self)->client_left(); }, this);
}

Connection::~Connection() {
    wire_->close();
}

Task<> Connection::serve(std::shared_ptr<ServerShared> shared, ServerShared::PerThread* thread, int fd, int family,
                         std::string peer) {
    struct CountDown {
        ServerShared& shared;
        ~CountDown() { shared.closed(); }
    } count_down{*shared};
    auto wire = std::make_shared<Wire>(*thread->context, fd, family);
    Connection connection(shared, std::move(wire), std::move(peer));
    thread->connections.push_back(connection);
    co_await connection.run();
}

void Connection::close_if_idle() {
    if (idle_) wire_->interrupt();
}

void Connection::client_left() {
    gone_ = true;
    fire_stop();
}

void Connection::fire_stop() {
    stopped_ = true;
    if (stop_) stop_->request_stop();
}

StopToken Connection::stop_token() const {
    if (!stop_) {
        stop_.emplace();
        if (stopped_) stop_->request_stop();
    }
    return stop_->get_token();
}

void Connection::reset_exchange() {
    extra_headers_ = {};
    stop_.reset();
    written_before_ = wire_->bytes_written();
    status_ = 0;
    keep_alive_ = continue_pending_ = chunked_out_ = body_out_ = finished_ = false;
}

Task<> Connection::run() {
    while (true) {
        reset_exchange();
        if (!co_await read_head()) break;
        co_await run_handler();
        if (!co_await settle()) break;
    }
    wire_->close();
}

Task<bool> Connection::read_head() {
    const ServerLimits& limits = shared_->limits;
    int empty_lines = 0;
    HeadScanner scanner;
    SteadyTime deadline = kNever;
    while (true) {
        // An empty line before a request is tolerated (RFC 9112 §2.2): some old clients end a body with one.
        while (empty_lines < 4 && scanner.size() == 0 && wire_->input().starts_with("\r\n")) {
            wire_->consume(2);
            ++empty_lines;
        }
        const std::string_view input = wire_->input();
        if (!input.empty()) {
            const HeadScanner::State state = scanner.scan(input.substr(0, limits.max_head_bytes));
            if (state == HeadScanner::State::kDone) break;
            if (state == HeadScanner::State::kBad) {
                co_await refuse(400, "the request is malformed: " + std::string(scanner.defect()));
                co_return false;
            }
            if (input.size() >= limits.max_head_bytes) {
                co_await refuse(431,
                                "the request head is larger than " + std::to_string(limits.max_head_bytes) + " bytes");
                co_return false;
            }
            if (deadline == kNever) deadline = deadline_after(limits.head_deadline);
        }
        if (shared_->draining && input.empty()) co_return false;
        idle_ = input.empty();
        if (idle_) wire_->shrink();
        const Io io = co_await wire_->wait_input(idle_ ? deadline_after(limits.idle_deadline) : deadline);
        const bool was_idle = std::exchange(idle_, false);
        if (io == Io::kOk) continue;
        if (io == Io::kTimedOut && !was_idle) {
            co_await refuse(
                408, "the request head did not arrive within " + std::to_string(limits.head_deadline.count()) + " ms");
        }
        co_return false;
    }
    auto parsed = parse_request_head(wire_->input().substr(0, scanner.size()));
    wire_->consume(scanner.size());
    if (!parsed) {
        const Code code = parsed.error().code();
        co_await refuse(code == Code::kFailedPrecondition ? 417
                        : code == Code::kOutOfRange       ? 431
                                                          : 400,
                        parsed.error().message());
        co_return false;
    }
    request_ = std::move(*parsed);
    request_.head.peer = peer_;
    body_ = request_.chunked ? BodyDecoder::chunked(false)
                             : BodyDecoder::of_length(request_.head.content_length.value_or(0));
    keep_alive_ = request_.keep_alive;
    continue_pending_ = request_.expects_continue;
    co_return true;
}

Task<> Connection::run_handler() {
    // The read that will bring the next request: until then it tells when the client leaves.
    wire_->prefetch();
    bool failed = false;
    try {
        co_await shared_->handler(*this);
    } catch (const std::exception& error) {
        failed = true;
        log::error("a request handler threw",
                   {{"method", request_.method}, {"path", request_.head.path}, {"error", error.what()}});
    } catch (...) {
        failed = true;
        log::error("a request handler threw", {{"method", request_.method}, {"path", request_.head.path}});
    }
    // A handler that noticed that its client is gone owes nobody an answer.
    if (response_started() || broken_ || gone_) co_return;
    if (!failed && stopped_) {
        (void)co_await respond(Response::json(503, error_body(503, "the server is shutting down, please retry")));
        co_return;
    }
    if (!failed)
        bug_found("a handler returned without a response: " + request_.head.path, std::source_location::current());
    (void)co_await respond(Response::json(500, error_body(500, "the server failed to answer this request")));
}

Task<bool> Connection::settle() {
    if (broken_ || !finished_) {
        // Ending a started response without its last chunk is how the client learns that it is cut short.
        if (!broken_ && !gone_) {
            log::warning("a response was left unfinished", {{"method", request_.method}, {"path", request_.head.path}});
        }
        co_return false;
    }
    if (!keep_alive_ || wire_->interrupted()) {
        if (!body_.done() || !wire_->input().empty()) co_await linger();
        co_return false;
    }
    std::uint64_t drained = 0;
    std::string sink;
    while (!body_.done()) {
        sink.clear();
        auto used = body_.feed(wire_->input(), sink, kPiece);
        if (!used) co_return false;
        wire_->consume(*used);
        drained += *used;
        if (drained > kDrainLimit) {
            co_await linger();
            co_return false;
        }
        if (body_.done()) break;
        if (*used > 0 && !wire_->input().empty()) continue;
        if (co_await wire_->wait_input(deadline_after(shared_->limits.body_gap)) != Io::kOk) co_return false;
    }
    co_return true;
}

// Closing a socket that holds unread bytes makes the kernel send a reset, which may overtake the response.
Task<> Connection::linger() {
    wire_->shutdown_output();
    const SteadyTime deadline = deadline_after(kLingerTime);
    std::uint64_t discarded = 0;
    while (discarded < kLingerBytes) {
        discarded += wire_->input().size();
        wire_->consume(wire_->input().size());
        if (co_await wire_->wait_input(deadline) != Io::kOk) break;
    }
}

/// Answers what never became an exchange.
Task<> Connection::refuse(int status, std::string message) {
    keep_alive_ = false;
    request_ = {};
    body_ = BodyDecoder::none();
    (void)co_await respond(Response::json(status, error_body(status, message)));
    co_await linger();
}

// ---- request body ------------------------------------------------------------------------------------------------

Error Connection::input_error(Io io) {
    keep_alive_ = false;
    switch (io) {
        case Io::kTimedOut:
            return deadline_exceeded("no byte of the request body arrived for " +
                                     std::to_string(shared_->limits.body_gap.count()) + " ms");
        case Io::kStopped: return cancelled("the server is shutting down");
        default: return left();
    }
}

Task<Result<>> Connection::send_continue() {
    if (!std::exchange(continue_pending_, false) || response_started() || !wire_->input().empty()) co_return Result<>();
    iovec pieces[] = {piece_of("HTTP/1.1 100 Continue\r\n\r\n")};
    co_return co_await send(pieces);
}

Task<Result<std::string>> Connection::read_some() {
    std::string piece;
    if (body_.done()) co_return piece;
    CO_TRY(co_await send_continue());
    while (true) {
        auto used = body_.feed(wire_->input(), piece, kPiece);
        if (!used) {
            keep_alive_ = false;
            co_return fail(std::move(used).error());
        }
        wire_->consume(*used);
        if (!piece.empty() || body_.done()) break;
        const Io io = co_await wire_->wait_input(deadline_after(shared_->limits.body_gap));
        if (io != Io::kOk) co_return fail(input_error(io));
    }
    if (body_.done()) wire_->prefetch();
    co_return piece;
}

Task<Result<std::string>> Connection::read_body(std::size_t limit) {
    const auto too_large = [&] {
        return fail(out_of_range("the request body is larger than " + std::to_string(limit) + " bytes"));
    };
    if (body_.has_length()) {
        if (body_.remaining() > limit) co_return too_large();
        co_return co_await read_whole(static_cast<std::size_t>(body_.remaining()));
    }
    std::string body;
    while (!body_.done()) {
        CO_TRY_ASSIGN(std::string piece, co_await read_some());
        if (body.size() + piece.size() > limit) co_return too_large();
        if (body.empty())
            body = std::move(piece);
        else
            body += piece;
    }
    co_return body;
}

// A body of known length is received in place; a big one grows with what arrives, not with what was announced.
Task<Result<std::string>> Connection::read_whole(std::size_t length) {
    CO_TRY(co_await send_continue());
    constexpr std::size_t kFirst = 1024 * 1024;
    std::string body;
    std::size_t filled = 0;
    while (filled < length) {
        const std::size_t room = std::min(length, std::max(kFirst, filled * 2));
        if (body.size() < room) body.resize_and_overwrite(room, [room](char*, std::size_t) { return room; });
        while (filled < body.size()) {
            std::size_t got = 0;
            const Io io = co_await wire_->read_into(body.data() + filled, body.size() - filled,
                                                    deadline_after(shared_->limits.body_gap), &got);
            if (io != Io::kOk) co_return fail(input_error(io));
            filled += got;
            body_.skip(got);
        }
    }
    wire_->prefetch();
    co_return body;
}

// ---- response ----------------------------------------------------------------------------------------------------

void Connection::add_response_header(std::string name, std::string value) {
    extra_headers_.add(std::move(name), std::move(value));
}

bool Connection::body_allowed(int status) const {
    return request_.head.method != Method::kHead && status != 204 && status != 304 && status >= 200;
}

void Connection::render_head(std::string& out, int status, const Headers& headers, std::optional<std::size_t> length,
                             bool chunked) {
    out.reserve(512);
    out += "HTTP/1.1 ";
    append_number(out, static_cast<std::uint64_t>(status));
    out += ' ';
    out += reason_phrase(status);
    out += "\r\nDate: ";
    out += http_date();
    out += "\r\n";
    const auto add = [&out](const std::string& name, const std::string& value) {
        if (is_framing_header(name)) return;
        if (BUG_IF(!is_token(name))) return;
        out += name;
        out += ": ";
        // A line break in a value (a model name taken from the request, say) would forge fields.
        if (is_field_value(value))
            out += value;
        else
            for (const char c : value) out += is_field_value({&c, 1}) ? c : ' ';
        out += "\r\n";
    };
    for (const auto& [name, value] : headers) {
        if (text::equals_ignore_case(name, "connection") && text::equals_ignore_case(value, "close"))
            keep_alive_ = false;
        add(name, value);
    }
    for (const auto& [name, value] : extra_headers_) add(name, value);
    if (chunked) {
        out += "Transfer-Encoding: chunked\r\n";
    } else if (length && status >= 200 && status != 204 && status != 304) {
        out += "Content-Length: ";
        append_number(out, *length);
        out += "\r\n";
    }
    if (!keep_alive_)
        out += "Connection: close\r\n";
    else if (!request_.http11)
        out += "Connection: keep-alive\r\n";
    out += "\r\n";
}

/// Whether output is possible at all.
Result<> Connection::check_output() {
    if (broken_ || wire_->closed()) return fail(left());
    return {};
}

Result<> Connection::output_result(Io io) {
    if (io == Io::kOk) return {};
    broken_ = true;
    keep_alive_ = false;
    client_left();
    switch (io) {
        case Io::kTimedOut:
            return fail(deadline_exceeded("the client read nothing for " +
                                          std::to_string(shared_->limits.write_deadline.count()) + " ms"));
        case Io::kStopped: return fail(cancelled("the server is shutting down"));
        default: return fail(left());
    }
}

Task<Result<>> Connection::send(std::span<iovec> pieces) {
    Io io = wire_->try_write(pieces);
    if (io == Io::kOk && !pieces.empty()) io = co_await wire_->write(pieces, shared_->limits.write_deadline);
    co_return output_result(io);
}

Task<Result<>> Connection::respond(Response response) {
    CO_TRY(check_output());
    if (BUG_IF(response_started())) co_return fail(failed_precondition("the response has already been started"));
    status_ = response.status;
    // A client that was never told to continue may or may not send its body: the connection cannot be reused.
    if (continue_pending_ || shared_->draining) keep_alive_ = false;
    if (body_.has_length() && body_.remaining() > kDrainLimit) keep_alive_ = false;
    const bool with_body = body_allowed(response.status);
    std::string head;
    render_head(head, response.status, response.headers, response.body.size(), false);
    finished_ = true;
    iovec pieces[] = {piece_of(head), piece_of(with_body ? std::string_view(response.body) : std::string_view())};
    co_return co_await send(pieces);
}

Task<Result<>> Connection::start(ResponseHead head) {
    CO_TRY(check_output());
    if (BUG_IF(response_started())) co_return fail(failed_precondition("the response has already been started"));
    status_ = head.status;
    if (continue_pending_ || shared_->draining) keep_alive_ = false;
    if (body_.has_length() && body_.remaining() > kDrainLimit) keep_alive_ = false;
    body_out_ = body_allowed(head.status);
    // HTTP/1.0 knows no chunks: there the end of the connection is the end of the body.
    chunked_out_ = body_out_ && request_.http11;
    if (body_out_ && !request_.http11) keep_alive_ = false;
    std::string text;
    render_head(text, head.status, head.headers, std::nullopt, chunked_out_);
    iovec pieces[] = {piece_of(text)};
    co_return co_await send(pieces);
}

Task<Result<>> Connection::write(std::string_view bytes) {
    CO_TRY(check_output());
    if (gone_) co_return fail(left());
    if (BUG_IF(!response_started() || finished_)) co_return fail(failed_precondition("no streamed response is open"));
    if (bytes.empty() || !body_out_) co_return Result<>();
    if (!chunked_out_) {
        iovec pieces[] = {piece_of(bytes)};
        co_return co_await send(pieces);
    }
    char size[24];
    char* end = std::to_chars(size, size + 18, bytes.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    iovec pieces[] = {piece_of({size, static_cast<std::size_t>(end - size)}), piece_of(bytes), piece_of("\r\n")};
    co_return co_await send(pieces);
}

Task<Result<>> Connection::finish() {
    CO_TRY(check_output());
    if (BUG_IF(!response_started() || finished_)) co_return fail(failed_precondition("no streamed response is open"));
    finished_ = true;
    if (!chunked_out_) co_return Result<>();
    iovec pieces[] = {piece_of("0\r\n\r\n")};
    co_return co_await send(pieces);
}

}  // namespace atrium::http::internal
