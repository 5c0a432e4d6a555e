#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/stop.h"
#include "platform/async/runtime.h"
#include "platform/async/task.h"
#include "platform/http/message.h"

namespace atrium::http {

/// One request on one connection. Lives as long as the handler's task; belongs to one io thread.
///
/// The body is not read until the handler asks, so that credentials and quota are decided from the head alone.
/// A handler that answers without reading the body closes the connection when much of it is outstanding.
class Exchange {
public:
    virtual ~Exchange() = default;

    virtual const RequestHead& head() const = 0;

    /// The whole body. kOutOfRange above `limit` (decided by Content-Length when there is one),
    /// kDeadlineExceeded when the client is too slow, kCancelled when it left.
    virtual Task<Result<std::string>> read_body(std::size_t limit) = 0;
    /// Next piece (at most 64 KiB); empty at the end. For uploads that must not sit in memory.
    virtual Task<Result<std::string>> read_some() = 0;

    /// Added to whatever response follows (x-request-id, rate-limit headers …). Before respond/start only.
    virtual void add_response_header(std::string name, std::string value) = 0;

    virtual Task<Result<>> respond(Response response) = 0;

    /// A streamed response: chunked, flushed per write. `write` waits while the client's window is full
    /// (back-pressure) and gives up with kDeadlineExceeded after the write deadline, kCancelled on disconnect.
    virtual Task<Result<>> start(ResponseHead head) = 0;
    virtual Task<Result<>> write(std::string_view bytes) = 0;
    virtual Task<Result<>> finish() = 0;
    /// Whether a response has been started: after that an error can only travel inside the stream.
    virtual bool response_started() const = 0;
    /// The status sent, 0 before; for logs and metrics.
    virtual int status() const = 0;
    virtual std::uint64_t bytes_sent() const = 0;

    /// Fires when the client disconnects or the drain deadline passes.
    virtual StopToken stop_token() const = 0;
    /// Which of the two: whether nobody is there to read an answer.
    virtual bool client_gone() const = 0;
};

using Handler = std::function<Task<>(Exchange&)>;

struct ServerLimits {
    std::size_t max_head_bytes = 64 * 1024;
    std::chrono::milliseconds head_deadline{10'000};   ///< from the first byte to the end of the head
    std::chrono::milliseconds idle_deadline{75'000};   ///< between requests
    std::chrono::milliseconds body_gap{30'000};        ///< no byte of the body for this long
    std::chrono::milliseconds write_deadline{30'000};  ///< one write that makes no progress
    int max_connections = 10'000;
};

/// HTTP/1.1 on TCP or a Unix socket: keep-alive, pipelining (answered in order), chunked in and out, `Expect`,
/// deadlines from one timer wheel per io thread. Requests that two parsers might read differently
/// (both Content-Length and Transfer-Encoding, duplicate lengths, obs-fold, bare LF …) get 400 and the connection
/// closes.
///
/// Owned by main. `listen` before `Runtime::run`; `drain` stops accepting, lets exchanges finish until the
/// deadline, then fires their stop tokens. Any number of addresses.
class Server {
public:
    Server(Runtime& runtime, ServerLimits limits, Handler handler);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// "127.0.0.1:8080", "[::1]:0", "unix:/path". The bound address (with the real port), or an error that names
    /// the address and, when it is in use, says so.
    Result<std::string> listen(const std::string& address);

    Task<> drain(std::chrono::milliseconds deadline);
    int open_connections() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace atrium::http
