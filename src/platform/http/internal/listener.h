#pragma once

#include <boost/asio/posix/basic_descriptor.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "platform/async/io_thread.h"

namespace atrium::http::internal {

/// "127.0.0.1:8080", "[::1]:0", "localhost:80", "unix:/path".
struct ListenAddress {
    bool is_unix = false;
    std::string host;  ///< numeric; for unix: the path
    std::uint16_t port = 0;
    static Result<ListenAddress> parse(const std::string& text);
};

/// A bound and listening socket. It is bound exclusively (no SO_REUSEPORT): a second Atrium on the same port must be
/// told so, not silently share its connections. Belongs to the io thread it accepts on; hands connections to a
/// callback there. Shared by the server and by its outstanding wait.
class Listener : public std::enable_shared_from_this<Listener> {
public:
    /// A connected non-blocking socket, its address family and the peer's name.
    using Accepted = std::function<void(int fd, int family, std::string peer)>;

    /// Binds. kFailedPrecondition with what to do when the address is taken, kInvalidArgument when it is none.
    static Result<std::shared_ptr<Listener>> open(boost::asio::io_context& context, const std::string& address);
    Listener(boost::asio::io_context& context, int fd, int family);
    ~Listener();

    /// The address with the port the system chose.
    const std::string& bound() const { return bound_; }
    void start(Accepted accepted);
    void close();

private:
    void wait();
    void accept_all();

    IoThread& thread_;
    boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> socket_;
    int family_;
    std::string bound_;
    std::string path_;  ///< the socket file to remove
    Accepted accepted_;
    Deadline retry_;
    bool closed_ = false;
};

}  // namespace atrium::http::internal
