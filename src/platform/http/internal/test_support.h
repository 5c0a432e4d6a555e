#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>

#include "base/text.h"
#include "platform/http/server.h"

/// For this folder's tests only.
namespace atrium::http::testing {

/// A runtime with a server on a free port, running until the end of the test.
class TestServer {
public:
    explicit TestServer(Handler handler, ServerLimits limits = {}, std::string address = "127.0.0.1:0", int threads = 2)
        : runtime(threads), server(runtime, limits, std::move(handler)) {
        auto result = server.listen(address);
        bound = result ? *result : "";
        error = result ? "" : result.error().message();
        thread = std::thread([this] { runtime.run(); });
    }
    ~TestServer() { stop(); }
    void stop() {
        runtime.stop();
        if (thread.joinable()) thread.join();
    }
    std::uint16_t port() const { return static_cast<std::uint16_t>(std::stoi(bound.substr(bound.rfind(':') + 1))); }

    Runtime runtime;
    Server server;
    std::string bound, error;
    std::thread thread;
};

/// A blocking client that sends exactly what it is told.
class RawClient {
public:
    explicit RawClient(const std::string& bound) {
        if (bound.starts_with("unix:")) {
            fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            std::strncpy(address.sun_path, bound.c_str() + 5, sizeof address.sun_path - 1);
            connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        } else {
            fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(bound.substr(bound.rfind(':') + 1))));
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        }
        timeval patience{10, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    ~RawClient() { close(); }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;
    bool connected() const { return connected_; }
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    void reset() {
        linger hard{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close();
    }
    void shutdown() { ::shutdown(fd_, SHUT_WR); }
    int fd() const { return fd_; }

    /// Reads until `end` has been seen; what was read.
    std::string read_until(std::string_view end) {
        while (buffer_.find(end) == std::string::npos && fill()) {
        }
        const std::size_t at = buffer_.find(end);
        return take(at == std::string::npos ? buffer_.size() : at + end.size());
    }
    /// Everything up to the end of the connection.
    std::string read_all() {
        while (fill()) {
        }
        return take(buffer_.size());
    }
    /// One response with its body, by Content-Length or chunks (left encoded).
    std::string read_response(bool to_head = false) {
        std::string response = read_until("\r\n\r\n");
        const std::string head = text::to_lower_ascii(response);
        if (to_head || head.find(" 204 ") != std::string::npos) return response;
        if (const std::size_t at = head.find("content-length: "); at != std::string::npos) {
            const auto length = static_cast<std::size_t>(std::stoul(head.substr(at + 16)));
            while (buffer_.size() < length && fill()) {
            }
            return response + take(std::min(length, buffer_.size()));
        }
        if (head.find("transfer-encoding: chunked") != std::string::npos) return response + read_until("0\r\n\r\n");
        return response;
    }
    std::string exchange(std::string_view request) {
        send(request);
        return read_response();
    }
    /// Whether the server closes (or resets) within ten seconds.
    bool closed() {
        while (fill()) {
        }
        return eof_;
    }
    bool quiet_for(std::chrono::milliseconds duration) {
        pollfd p{fd_, POLLIN, 0};
        return buffer_.empty() && ::poll(&p, 1, static_cast<int>(duration.count())) == 0;
    }

private:
    bool fill() {
        char bytes[65536];
        const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
        if (n <= 0) {
            eof_ = n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
            return false;
        }
        buffer_.append(bytes, static_cast<std::size_t>(n));
        return true;
    }
    std::string take(std::size_t size) {
        std::string out = buffer_.substr(0, size);
        buffer_.erase(0, size);
        return out;
    }
    int fd_ = -1;
    bool connected_ = false;
    bool eof_ = false;
    std::string buffer_;
};

inline int status_of(const std::string& response) {
    return response.size() < 12 ? 0 : std::atoi(response.c_str() + 9);
}
inline std::string body_of(const std::string& response) {
    const std::size_t at = response.find("\r\n\r\n");
    return at == std::string::npos ? "" : response.substr(at + 4);
}

}  // namespace atrium::http::testing
