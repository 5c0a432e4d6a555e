#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/stop.h"
#include "platform/async/runtime.h"
#include "platform/async/task.h"
#include "platform/http/message.h"

namespace atrium::http {

/// scheme://host[:port]/path?query, or unix:/socket/path:/http/path. Userinfo is refused.
struct Url {
    std::string scheme;  ///< "http", "https", "unix"
    std::string host;    ///< for unix: the socket path
    std::uint16_t port = 0;
    std::string target = "/";  ///< path and query, as sent

    static Result<Url> parse(std::string_view text);
    /// scheme, host and port: what a connection pool and a credential are bound to.
    std::string origin() const;
    std::string to_string() const;
};

struct Deadlines {
    std::chrono::milliseconds connect{3'000};
    std::chrono::milliseconds first_byte{600'000};  ///< until the response head
    std::chrono::milliseconds gap{120'000};         ///< between two pieces of the body
};

struct ClientRequest {
    Method method = Method::kGet;
    Url url;
    Headers headers;  ///< Host, Content-Length and Connection are the client's business
    std::string body;
    Deadlines deadlines;
};

/// A response whose body is still arriving. Destroying it before the end closes the connection, which is how an
/// upstream learns that nobody listens any more. Belongs to the io thread that sent the request.
class ClientResponse {
public:
    virtual ~ClientResponse() = default;
    virtual int status() const = 0;
    virtual const Headers& headers() const = 0;
    /// Next piece of the body (at most 64 KiB); empty at the end. kUnavailable when the peer broke off,
    /// kDeadlineExceeded after the gap, kCancelled when the StopToken given to send() has fired.
    virtual Task<Result<std::string>> read_some() = 0;
    /// Everything that is left; kOutOfRange above `limit`.
    Task<Result<std::string>> read_all(std::size_t limit);
};

struct ClientOptions {
    int max_idle_per_origin = 64;
    std::chrono::milliseconds idle_timeout{60'000};
    std::string ca_file;  ///< empty: the system's trust store
};

/// Pooled HTTP/1.1 client; TLS peers are verified against host name and trust store; redirects are returned, never
/// followed. One instance per process, usable from every io thread (each keeps its own pool).
class Client {
public:
    explicit Client(ClientOptions options = {});
    ~Client();

    /// kUnavailable: could not connect or the peer broke off before the head (then nothing was processed twice:
    /// only a request on a reused connection that failed before any response byte is retried, once).
    /// kDeadlineExceeded: connect or first byte. kCancelled: the token fired. kInvalidArgument: a header name or
    /// value, or a target, that does not fit into one line.
    Task<Result<std::unique_ptr<ClientResponse>>> send(ClientRequest request, StopToken stop = {});

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace atrium::http
