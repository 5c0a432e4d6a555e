#include "platform/http/internal/wire.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace asio = boost::asio;

namespace atrium::http::internal {
namespace {

// An idle connection or stream holds one small buffer; a busy one grows to what one read can deliver.
constexpr std::size_t kSmallBuffer = 4 * 1024;
constexpr std::size_t kBigBuffer = 64 * 1024;
constexpr std::size_t kLeastRead = 512;

}  // namespace

Wire::Wire(asio::io_context& context, int fd, int family)
    : thread_(IoThread::of(context)), socket_(context), fd_(fd), reader_(thread_), writer_(thread_) {
    boost::system::error_code error;
    socket_.assign(asio::generic::stream_protocol(family, 0), fd, error);
    if (error) {
        ::close(fd);
        ended_ = closed_ = true;
        return;
    }
    socket_.native_non_blocking(true, error);
    if (family != AF_UNIX) {
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
}

Wire::~Wire() = default;

void Wire::consume(std::size_t bytes) {
    begin_ += std::min(bytes, end_ - begin_);
    if (begin_ == end_ && !reading_) begin_ = end_ = 0;
}

bool Wire::make_room(bool may_grow) {
    if (begin_ > 0 && capacity_ - end_ < kLeastRead) {
        std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    const bool short_of_room = capacity_ - end_ < kLeastRead;
    const bool bigger_pays = may_grow && filled_ && capacity_ < kBigBuffer;
    if (capacity_ > 0 && !short_of_room && !bigger_pays) return true;
    if (capacity_ > 0 && !may_grow) return false;
    const std::size_t wanted = capacity_ == 0 ? kSmallBuffer : capacity_ * 2;
    auto bigger = std::make_unique_for_overwrite<char[]>(wanted);
    if (end_ > begin_) std::memcpy(bigger.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    buffer_ = std::move(bigger);
    capacity_ = wanted;
    return true;
}

void Wire::shrink() {
    if (reading_ || begin_ != end_ || capacity_ <= kSmallBuffer) return;
    buffer_.reset();
    capacity_ = begin_ = end_ = 0;
    filled_ = false;
}

void Wire::start_read() {
    reading_ = true;
    socket_.async_read_some(asio::buffer(buffer_.get() + end_, capacity_ - end_),
                            [self = shared_from_this()](const boost::system::error_code& error, std::size_t bytes) {
                                self->on_read(error, bytes);
                            });
}

void Wire::on_read(const boost::system::error_code& error, std::size_t bytes) {
    reading_ = false;
    if (error) {
        gone();
    } else {
        received_ += bytes;
        end_ += bytes;
        filled_ = end_ == capacity_;
        if (wake_writer_on_input_) writer_.wake();
        // Nobody waits: keep watching for the end as long as the small buffer has room.
        if (!reader_.waiting()) prefetch();
    }
    reader_.wake();
}

void Wire::gone() {
    ended_ = true;
    if (closed_) return;
    if (const Gone callback = std::exchange(gone_, nullptr)) callback(gone_owner_);
    if (wake_writer_on_input_) writer_.wake();
}

void Wire::prefetch() {
    if (reading_ || ended_ || closed_ || !make_room(false)) return;
    start_read();
}

Task<Io> Wire::wait_input(SteadyTime deadline) {
    const std::uint64_t before = received_;
    while (received_ == before) {
        if (interrupted_) co_return Io::kStopped;
        if (ended_ || closed_) co_return Io::kClosed;
        if (!reading_) {
            make_room(true);
            start_read();
        }
        co_await reader_.wait(deadline);
        if (reader_.timed_out() && received_ == before && !ended_) co_return Io::kTimedOut;
    }
    co_return Io::kOk;
}

Task<Io> Wire::read_into(char* to, std::size_t size, SteadyTime deadline, std::size_t* got) {
    while (begin_ == end_) {
        if (interrupted_) co_return Io::kStopped;
        if (ended_ || closed_) co_return Io::kClosed;
        if (!reading_) {
            const ssize_t n = ::recv(fd_, to, size, 0);
            if (n > 0) {
                *got = static_cast<std::size_t>(n);
                received_ += *got;
                co_return Io::kOk;
            }
            if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                gone();
                continue;
            }
        }
        const Io io = co_await wait_input(deadline);
        if (io != Io::kOk) co_return io;
    }
    *got = std::min(size, end_ - begin_);
    std::memcpy(to, buffer_.get() + begin_, *got);
    consume(*got);
    co_return Io::kOk;
}

Io Wire::try_write(std::span<iovec>& pieces) {
    while (!pieces.empty()) {
        if (closed_) return Io::kClosed;
        msghdr message{};
        message.msg_iov = pieces.data();
        message.msg_iovlen = pieces.size();
        const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN || errno == EWOULDBLOCK ? Io::kOk : Io::kClosed;
        }
        bytes_written_ += static_cast<std::uint64_t>(n);
        auto left = static_cast<std::size_t>(n);
        while (!pieces.empty() && left >= pieces.front().iov_len) {
            left -= pieces.front().iov_len;
            pieces = pieces.subspan(1);
        }
        if (!pieces.empty()) {
            pieces.front().iov_base = static_cast<char*>(pieces.front().iov_base) + left;
            pieces.front().iov_len -= left;
        }
    }
    return Io::kOk;
}

Task<Io> Wire::write(std::span<iovec>& pieces, std::chrono::nanoseconds gap, bool until_input) {
    const std::uint64_t received = received_;
    while (true) {
        if (interrupted_) co_return Io::kStopped;
        const Io io = try_write(pieces);
        if (io != Io::kOk || pieces.empty()) co_return io;
        if (until_input) {
            prefetch();
            if (received_ != received || ended_) co_return Io::kOk;
        }
        const Io waited = co_await wait_output(deadline_after(gap), until_input);
        if (waited != Io::kOk) co_return waited;
    }
}

Task<Io> Wire::wait_output(SteadyTime deadline, bool until_input) {
    if (!awaiting_output_) {
        awaiting_output_ = true;
        socket_.async_wait(asio::socket_base::wait_write,
                           [self = shared_from_this()](const boost::system::error_code&) {
                               self->awaiting_output_ = false;
                               self->writer_.wake();
                           });
    }
    wake_writer_on_input_ = until_input;
    co_await writer_.wait(deadline);
    wake_writer_on_input_ = false;
    if (interrupted_) co_return Io::kStopped;
    if (closed_) co_return Io::kClosed;
    co_return writer_.timed_out() ? Io::kTimedOut : Io::kOk;
}

Task<Io> Wire::wait_connected(SteadyTime deadline, int* error) {
    const Io io = co_await wait_output(deadline, false);
    if (io != Io::kOk) co_return io;
    socklen_t size = sizeof *error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, error, &size);
    co_return *error == 0 ? Io::kOk : Io::kClosed;
}

void Wire::shutdown_output() {
    if (!closed_) ::shutdown(fd_, SHUT_WR);
}

void Wire::close() {
    if (std::exchange(closed_, true)) return;
    gone_ = nullptr;
    // Ends the outstanding operations, whose handlers then wake whoever waits.
    boost::system::error_code ignored;
    socket_.close(ignored);
}

void Wire::interrupt() {
    interrupted_ = true;
    const auto self = shared_from_this();
    reader_.wake();
    writer_.wake();
}

}  // namespace atrium::http::internal
