#include "platform/http/client.h"

#include <boost/asio/this_coro.hpp>

#include <atomic>

#include "base/text.h"
#include "platform/http/internal/body_decoder.h"
#include "platform/http/internal/connector.h"
#include "platform/http/internal/head_parser.h"
#include "platform/http/internal/pool.h"

namespace asio = boost::asio;

namespace atrium::http {
namespace {

using namespace internal;

constexpr std::size_t kMaxHead = 64 * 1024;
constexpr std::size_t kPiece = 64 * 1024;

iovec piece_of(std::string_view bytes) {
    return {const_cast<char*>(bytes.data()), bytes.size()};
}

Result<std::string> render(const ClientRequest& request) {
    const Url& url = request.url;
    const auto bad = [](std::string message) { return fail(invalid_argument(std::move(message))); };
    if (request.method == Method::kOther) return bad("this method cannot be sent");
    for (const unsigned char c : url.target) {
        if (c <= 0x20 || c >= 0x7f)
            return bad("the target of the request holds a character that must be percent-encoded");
    }
    std::string out;
    out.reserve(512);
    out += method_name(request.method);
    out += ' ';
    out += url.target.starts_with('/') ? "" : "/";
    out += url.target;
    out += " HTTP/1.1\r\nHost: ";
    if (url.scheme == "unix") {
        out += "localhost";
    } else {
        out += url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
        if (url.port != (url.scheme == "https" ? 443 : 80)) out += ":" + std::to_string(url.port);
    }
    out += "\r\n";
    for (const auto& [name, value] : request.headers) {
        if (!is_token(name)) return bad("'" + text::shorten(text::to_valid_utf8(name), 60) + "' is not a header name");
        if (!is_field_value(value)) return bad("the value of the header '" + name + "' holds a control character");
        if (text::equals_ignore_case(name, "host") || text::equals_ignore_case(name, "content-length") ||
            text::equals_ignore_case(name, "connection") || text::equals_ignore_case(name, "transfer-encoding")) {
            continue;
        }
        out += name;
        out += ": ";
        out += value;
        out += "\r\n";
    }
    if (!request.headers.get("user-agent")) out += "User-Agent: atrium/" ATRIUM_VERSION "\r\n";
    const bool may_have_body =
        request.method == Method::kPost || request.method == Method::kPut || request.method == Method::kPatch;
    if (!request.body.empty() || may_have_body)
        out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    out += "\r\n";
    return out;
}

/// What went wrong before a response began, and whether the same request may be sent again.
struct Failure {
    Error error;
    bool stale = false;  ///< the connection ended without a byte of a response
};

Error stopped() {
    return cancelled("the request was stopped");
}

class StreamingResponse final : public ClientResponse {
public:
    StreamingResponse(ParsedResponse head, BodyDecoder body, std::unique_ptr<Channel> channel,
                      std::unique_ptr<StopGuard> guard, std::string origin, std::weak_ptr<Pool> pool,
                      std::chrono::milliseconds gap)
        : head_(std::move(head)),
          body_(body),
          channel_(std::move(channel)),
          guard_(std::move(guard)),
          origin_(std::move(origin)),
          pool_(std::move(pool)),
          gap_(gap) {
        if (body_.done()) release();
    }

    int status() const override { return head_.status; }
    const Headers& headers() const override { return head_.headers; }

    Task<Result<std::string>> read_some() override {
        std::string piece;
        while (!body_.done()) {
            if (!channel_) co_return fail(unavailable("the response from " + origin_ + " was cut off"));
            if (channel_->wire().interrupted()) co_return fail(abandon(stopped()));
            auto used = body_.feed(channel_->input(), piece, kPiece);
            if (!used)
                co_return fail(
                    abandon(unavailable("the response from " + origin_ + " is malformed").with_cause(used.error())));
            channel_->consume(*used);
            if (!piece.empty() || body_.done()) break;
            const Io io = co_await channel_->wait_input(deadline_after(gap_));
            if (io == Io::kOk) continue;
            if (io == Io::kStopped) co_return fail(abandon(stopped()));
            if (io == Io::kTimedOut) {
                co_return fail(abandon(deadline_exceeded("no byte of the response from " + origin_ + " arrived for " +
                                                         std::to_string(gap_.count()) + " ms")));
            }
            if (!body_.ends_with_connection() || !channel_->ended_properly()) {
                co_return fail(abandon(unavailable("the response from " + origin_ + " was cut off")));
            }
            body_ = BodyDecoder::none();
            head_.keep_alive = false;
        }
        if (body_.done()) release();
        co_return piece;
    }

private:
    Error abandon(Error error) {
        guard_.reset();
        channel_.reset();
        return error;
    }
    void release() {
        guard_.reset();
        if (!channel_) return;
        const auto pool = pool_.lock();
        if (pool && head_.keep_alive) pool->put(origin_, std::move(channel_));
        channel_.reset();
    }

    ParsedResponse head_;
    BodyDecoder body_;
    std::unique_ptr<Channel> channel_;  ///< nothing after the end or a failure
    std::unique_ptr<StopGuard> guard_;
    const std::string origin_;
    const std::weak_ptr<Pool> pool_;
    const std::chrono::milliseconds gap_;
};

/// Sends on an open connection and reads the head. The channel is used up on failure.
Task<std::expected<std::unique_ptr<ClientResponse>, Failure>> exchange(std::unique_ptr<Channel> channel,
                                                                       const std::string& head,
                                                                       const ClientRequest& request,
                                                                       std::weak_ptr<Pool> pool, StopToken stop) {
    const std::string origin = request.url.origin();
    const auto failure = [](Error error, bool stale = false) {
        return std::unexpected<Failure>(Failure{std::move(error), stale});
    };
    auto guard = std::make_unique<StopGuard>(channel->shared_wire(), std::move(stop));
    iovec all[] = {piece_of(head), piece_of(request.body)};
    std::span<iovec> pieces(all);
    Io sent = co_await channel->write(pieces, request.deadlines.gap);
    if (sent == Io::kStopped) co_return failure(stopped());
    // A server may refuse a body with a response and close: then writing fails and the answer is there to be read.
    const SteadyTime deadline = deadline_after(request.deadlines.first_byte);
    HeadScanner scanner;
    while (true) {
        const std::string_view input = channel->input();
        const HeadScanner::State state = scanner.scan(input.substr(0, kMaxHead));
        if (state == HeadScanner::State::kBad) {
            co_return failure(unavailable(origin + " did not answer in HTTP: " + std::string(scanner.defect())));
        }
        if (state == HeadScanner::State::kMore) {
            if (input.size() >= kMaxHead)
                co_return failure(unavailable("the response head from " + origin + " is too large"));
            const bool nothing_yet = input.empty();
            const Io io = co_await channel->wait_input(deadline);
            if (io == Io::kOk) continue;
            if (io == Io::kStopped) co_return failure(stopped());
            if (io == Io::kTimedOut || sent == Io::kTimedOut) {
                co_return failure(deadline_exceeded(origin + " did not answer in time"));
            }
            co_return failure(unavailable(origin + " closed the connection without an answer"), nothing_yet);
        }
        auto parsed = parse_response_head(input.substr(0, scanner.size()));
        channel->consume(scanner.size());
        if (!parsed) co_return failure(std::move(parsed).error());
        scanner = {};
        if (parsed->status == 101) co_return failure(unavailable(origin + " switched to another protocol"));
        if (parsed->status < 200) {
            // 100, 103: the answer is still to come, and perhaps the rest of the body still to go.
            if (sent == Io::kOk && !pieces.empty()) sent = co_await channel->write(pieces, request.deadlines.gap);
            if (sent == Io::kStopped) co_return failure(stopped());
            continue;
        }

        const bool bodiless = request.method == Method::kHead || parsed->status == 204 || parsed->status == 304;
        BodyDecoder body = bodiless                 ? BodyDecoder::none()
                           : parsed->chunked        ? BodyDecoder::chunked(true)
                           : parsed->content_length ? BodyDecoder::of_length(*parsed->content_length)
                                                    : BodyDecoder::until_close();
        if (body.ends_with_connection() || !pieces.empty() || sent != Io::kOk) parsed->keep_alive = false;
        co_return std::make_unique<StreamingResponse>(std::move(*parsed), body, std::move(channel), std::move(guard),
                                                      origin, std::move(pool), request.deadlines.gap);
    }
}

std::atomic<std::uint64_t> next_client{1};

}  // namespace

Task<Result<std::string>> ClientResponse::read_all(std::size_t limit) {
    std::string all;
    while (true) {
        CO_TRY_ASSIGN(std::string piece, co_await read_some());
        if (piece.empty()) co_return all;
        if (all.size() + piece.size() > limit) {
            co_return fail(out_of_range("the response is larger than " + std::to_string(limit) + " bytes"));
        }
        if (all.empty())
            all = std::move(piece);
        else
            all += piece;
    }
}

struct Client::State {
    explicit State(ClientOptions o) : options(std::move(o)), connector(options.ca_file) {}
    ~State() {
        // Each pool belongs to its thread, which outlives many clients.
        for (const auto& [thread, address] : threads_) {
            address->post([thread, id = id] { thread->drop_local(id); });
        }
    }

    std::shared_ptr<Pool> pool(IoThread& thread) {
        std::shared_ptr<void>& slot = thread.local(id);
        if (!slot) {
            slot = std::make_shared<Pool>(thread, options.max_idle_per_origin, options.idle_timeout);
            const std::scoped_lock lock(mutex_);
            threads_.emplace_back(&thread, thread.address());
        }
        return std::static_pointer_cast<Pool>(slot);
    }

    static Task<Result<std::unique_ptr<ClientResponse>>> send(std::shared_ptr<State> state, ClientRequest request,
                                                              StopToken stop) {
        CO_TRY_ASSIGN(const std::string head, render(request));
        if (stop.stop_requested()) co_return fail(stopped());
        const auto executor = co_await asio::this_coro::executor;
        const std::shared_ptr<Pool> pool = state->pool(IoThread::of(executor.context()));
        if (std::unique_ptr<Channel> reused = pool->take(request.url.origin())) {
            auto response = co_await exchange(std::move(reused), head, request, pool, stop);
            if (response) co_return std::move(*response);
            // Servers close idle connections when they like, also just now: once more, on a fresh one.
            if (!response.error().stale) co_return fail(std::move(response.error().error));
        }
        CO_TRY_ASSIGN(auto fresh, co_await state->connector.connect(request.url, request.deadlines.connect, stop));
        auto response = co_await exchange(std::move(fresh), head, request, pool, stop);
        if (response) co_return std::move(*response);
        co_return fail(std::move(response.error().error));
    }

    const std::uint64_t id = next_client.fetch_add(1);
    const ClientOptions options;
    Connector connector;

private:
    std::mutex mutex_;
    std::vector<std::pair<IoThread*, std::shared_ptr<IoThread::Address>>> threads_;  ///< that have a pool of ours
};

Client::Client(ClientOptions options) : state_(std::make_shared<State>(std::move(options))) {}
Client::~Client() = default;

// Not a coroutine itself: a task that is never awaited must not depend on the Client.
Task<Result<std::unique_ptr<ClientResponse>>> Client::send(ClientRequest request, StopToken stop) {
    return State::send(state_, std::move(request), std::move(stop));
}

}  // namespace atrium::http
