#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <sys/uio.h>

#include <memory>
#include <span>
#include <string_view>

#include "platform/async/io_thread.h"

namespace atrium::http::internal {

enum class Io {
    kOk,
    kClosed,    ///< the peer is gone, or close() was called
    kTimedOut,  ///< no progress until the deadline
    kStopped,   ///< interrupt() was called
};

/// One connected stream socket (TCP or Unix) with its input buffer. At most one read is outstanding at any time, and
/// it may stay outstanding while nobody waits for it: the same read that would fetch the next request notices that
/// the peer has left, at no extra cost. Output is written directly and waits only when the kernel's buffer is full.
///
/// Shared by its user and by its outstanding operation. Belongs to one io thread; one reader and one writer at a time.
class Wire : public std::enable_shared_from_this<Wire> {
public:
    using Gone = void (*)(void* owner);

    /// Takes over a non-blocking socket.
    Wire(boost::asio::io_context& context, int fd, int family);
    ~Wire();
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;

    /// Received and not consumed. Valid until the next call that reads.
    std::string_view input() const { return {buffer_.get() + begin_, end_ - begin_}; }
    void consume(std::size_t bytes);
    /// The peer has closed its side or reset the connection. input() may still hold what came before.
    bool ended() const { return ended_; }
    bool closed() const { return closed_; }

    /// Starts a read unless one is outstanding or the buffer is full.
    void prefetch();
    /// Returns kOk when there are more bytes than before. Grows the buffer as needed: bound input() yourself.
    Task<Io> wait_input(SteadyTime deadline);
    /// Reads up to `size` > 0 bytes past the buffer where that is possible; `got` says how many.
    Task<Io> read_into(char* to, std::size_t size, SteadyTime deadline, std::size_t* got);

    /// Called once, on the io thread, as soon as the peer has left.
    void on_gone(Gone callback, void* owner) { gone_ = callback, gone_owner_ = owner; }

    /// Writes all of it, using the pieces up. `gap` bounds each wait for progress. With `until_input` it also
    /// returns kOk, early, when the peer answers before it has read everything (then some pieces are left).
    Task<Io> write(std::span<iovec>& pieces, std::chrono::nanoseconds gap, bool until_input = false);
    /// What can be written without waiting. kOk: look whether anything is left.
    Io try_write(std::span<iovec>& pieces);
    std::uint64_t bytes_written() const { return bytes_written_; }

    /// For a socket whose connect() is under way.
    Task<Io> wait_connected(SteadyTime deadline, int* error);

    void shutdown_output();
    void close();
    /// Ends every wait, now and later, with kStopped. From the top of a handler only.
    void interrupt();
    bool interrupted() const { return interrupted_; }
    /// Gives memory back between two messages.
    void shrink();

    IoThread& thread() { return thread_; }

private:
    void start_read();
    void on_read(const boost::system::error_code& error, std::size_t bytes);
    bool make_room(bool may_grow);
    Task<Io> wait_output(SteadyTime deadline, bool until_input);
    void gone();

    IoThread& thread_;
    boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, boost::asio::io_context::executor_type>
        socket_;
    int fd_;
    std::unique_ptr<char[]> buffer_;
    std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t bytes_written_ = 0;
    bool reading_ = false;
    bool filled_ = false;  ///< the last read filled the buffer: a bigger one pays
    bool awaiting_output_ = false;
    bool wake_writer_on_input_ = false;
    bool ended_ = false;
    bool closed_ = false;
    bool interrupted_ = false;
    Gone gone_ = nullptr;
    void* gone_owner_ = nullptr;
    Pause reader_;
    Pause writer_;
};

}  // namespace atrium::http::internal
