#include "platform/http/internal/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/text.h"
#include "observability/log/log.h"

namespace asio = boost::asio;

namespace atrium::http::internal {
namespace {

// When the process has run out of descriptors, accepting again at once would only spin.
constexpr std::chrono::milliseconds kAcceptPause{100};

struct OwnedFd {
    int fd = -1;
    ~OwnedFd() {
        if (fd >= 0) ::close(fd);
    }
    int release() { return std::exchange(fd, -1); }
};

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Result<SocketAddress> resolve(const ListenAddress& address) {
    SocketAddress out;
    if (address.is_unix) {
        auto* un = reinterpret_cast<sockaddr_un*>(&out.storage);
        un->sun_family = AF_UNIX;
        if (address.host.size() >= sizeof un->sun_path) {
            return fail(invalid_argument("the socket path '" + address.host + "' is longer than 107 bytes"));
        }
        std::memcpy(un->sun_path, address.host.c_str(), address.host.size() + 1);
        out.size = sizeof(sockaddr_un);
        return out;
    }
    auto* in4 = reinterpret_cast<sockaddr_in*>(&out.storage);
    if (::inet_pton(AF_INET, address.host.c_str(), &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons(address.port);
        out.size = sizeof(sockaddr_in);
        return out;
    }
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    if (::inet_pton(AF_INET6, address.host.c_str(), &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(address.port);
        out.size = sizeof(sockaddr_in6);
        return out;
    }
    return fail(invalid_argument("cannot listen on '" + address.host + "': give an IP address, such as 127.0.0.1"));
}

std::string name_of(const sockaddr_storage& storage) {
    char text[INET6_ADDRSTRLEN] = {};
    if (storage.ss_family == AF_INET) {
        const auto& in4 = reinterpret_cast<const sockaddr_in&>(storage);
        ::inet_ntop(AF_INET, &in4.sin_addr, text, sizeof text);
        return std::string(text) + ":" + std::to_string(ntohs(in4.sin_port));
    }
    if (storage.ss_family == AF_INET6) {
        const auto& in6 = reinterpret_cast<const sockaddr_in6&>(storage);
        ::inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
        return "[" + std::string(text) + "]:" + std::to_string(ntohs(in6.sin6_port));
    }
    return "unix";
}

/// Whether a process accepts connections on this socket file. Only a refusal says no.
Result<bool> somebody_listens(SocketAddress address, const std::string& text) {
    const OwnedFd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (probe.fd < 0) return fail(from_errno(errno, "look who listens on " + text));
    if (::connect(probe.fd, address.get(), address.size) == 0 || errno == EAGAIN) return true;
    if (errno == ECONNREFUSED || errno == ENOENT) return false;
    return fail(from_errno(errno, "look who listens on " + text));
}

Error in_use(const std::string& text) {
    return failed_precondition(
        "cannot listen on " + text +
        ": the address is already in use. Stop the program that holds it, or choose another one");
}

/// A socket file left behind by a process that died may be replaced; one in use, or another kind of file, may not.
Result<> clear_stale(const ListenAddress& address, const std::string& text, SocketAddress& socket_address) {
    struct stat info{};
    if (::lstat(address.host.c_str(), &info) != 0) {
        if (errno == ENOENT) return {};
        return fail(from_errno(errno, "listen on '" + text + "'"));
    }
    if (!S_ISSOCK(info.st_mode)) {
        return fail(failed_precondition("cannot listen on " + text + ": a file that is not a socket is in the way"));
    }
    TRY_ASSIGN(const bool in_use_already, somebody_listens(socket_address, text));
    if (in_use_already) return fail(in_use(text));
    if (::unlink(address.host.c_str()) != 0)
        return fail(from_errno(errno, "remove the stale socket '" + address.host + "'"));
    return {};
}

}  // namespace

Result<ListenAddress> ListenAddress::parse(const std::string& text) {
    ListenAddress address;
    if (text.starts_with("unix:")) {
        address.is_unix = true;
        address.host = text.substr(5);
        if (address.host.empty()) return fail(invalid_argument("'" + text + "' names no socket path"));
        return address;
    }
    const std::size_t colon = text.rfind(':');
    const auto port =
        colon == std::string::npos ? std::nullopt : text::to_int(std::string_view(text).substr(colon + 1));
    if (!port || *port < 0 || *port > 65535) {
        return fail(
            invalid_argument("'" + text + "' is not an address such as 127.0.0.1:8080, [::1]:8080 or unix:/path"));
    }
    address.host = text.substr(0, colon);
    address.port = static_cast<std::uint16_t>(*port);
    if (address.host.starts_with('[') && address.host.ends_with(']')) address.host = address.host.substr(1, colon - 2);
    if (address.host == "localhost") address.host = "127.0.0.1";
    return address;
}

Result<std::shared_ptr<Listener>> Listener::open(asio::io_context& context, const std::string& text) {
    TRY_ASSIGN(const ListenAddress address, ListenAddress::parse(text));
    TRY_ASSIGN(SocketAddress socket_address, resolve(address));
    const int family = socket_address.storage.ss_family;
    OwnedFd socket{::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (socket.fd < 0) return fail(from_errno(errno, "listen on " + text));
    if (address.is_unix) {
        TRY(clear_stale(address, text, socket_address));
        // On Linux the file takes the mode of the unbound socket: it is never open to others, not even for a moment.
        if (::fchmod(socket.fd, 0600) != 0) return fail(from_errno(errno, "make private the socket " + text));
    } else {
        const int on = 1;
        // Only lets a restart pass connections in TIME_WAIT; it does not let two listeners share a port.
        ::setsockopt(socket.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (family == AF_INET6) ::setsockopt(socket.fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if (::bind(socket.fd, socket_address.get(), socket_address.size) != 0 || ::listen(socket.fd, SOMAXCONN) != 0) {
        const int error = errno;
        if (error == EADDRINUSE) return fail(in_use(text));
        if (error == EADDRNOTAVAIL) {
            return fail(failed_precondition("cannot listen on " + text + ": this machine has no such address"));
        }
        if (error == EACCES && !address.is_unix && address.port < 1024) {
            return fail(permission_denied("cannot listen on " + text +
                                          ": ports below 1024 need a privilege; choose another one"));
        }
        return fail(from_errno(error, "listen on " + text));
    }
    SocketAddress bound;
    bound.size = sizeof bound.storage;
    ::getsockname(socket.fd, bound.get(), &bound.size);
    auto listener = std::make_shared<Listener>(context, socket.release(), family);
    listener->bound_ = address.is_unix ? text : name_of(bound.storage);
    if (address.is_unix) listener->path_ = address.host;
    return listener;
}

Listener::Listener(asio::io_context& context, int fd, int family)
    : thread_(IoThread::of(context)),
      socket_(context, fd),
      family_(family),
      retry_(thread_, [](void* self) { static_cast<Listener*>(self)->wait(); }, this) {}

Listener::~Listener() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

void Listener::start(Accepted accepted) {
    accepted_ = std::move(accepted);
    if (!closed_) wait();
}

void Listener::close() {
    if (std::exchange(closed_, true)) return;
    if (!path_.empty()) ::unlink(path_.c_str());
    path_.clear();
    boost::system::error_code ignored;
    socket_.close(ignored);
    accepted_ = nullptr;
}

void Listener::wait() {
    if (closed_) return;
    socket_.async_wait(asio::posix::descriptor_base::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           if (!error && !self->closed_) self->accept_all();
                       });
}

void Listener::accept_all() {
    while (!closed_) {
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        const int fd =
            ::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accepted_(fd, family_, family_ == AF_UNIX ? "unix" : name_of(peer));
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EAGAIN) break;
        log::error("cannot accept connections for a moment",
                   {{"listen", bound_}, {"error", std::generic_category().message(errno)}});
        retry_.set(std::chrono::steady_clock::now() + kAcceptPause);
        return;
    }
    wait();
}

}  // namespace atrium::http::internal
