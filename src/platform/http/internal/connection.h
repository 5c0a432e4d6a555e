#pragma once

#include <boost/intrusive/list.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "platform/http/internal/body_decoder.h"
#include "platform/http/internal/head_parser.h"
#include "platform/http/internal/wire.h"
#include "platform/http/server.h"

namespace atrium::http::internal {

class Connection;
using ConnectionHook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
using ConnectionList = boost::intrusive::list<Connection, boost::intrusive::base_hook<ConnectionHook>,
                                              boost::intrusive::constant_time_size<false>>;

/// What all connections of a server share. `threads[i].connections` is touched by io thread i only.
struct ServerShared {
    struct PerThread {
        boost::asio::io_context* context = nullptr;
        std::shared_ptr<IoThread::Address> address;
        ConnectionList connections;
    };
    ServerShared(ServerLimits l, Handler h) : limits(l), handler(std::move(h)) {}

    const ServerLimits limits;
    const Handler handler;
    std::vector<std::unique_ptr<PerThread>> threads;
    std::atomic<int> open{0};
    std::atomic<bool> draining{false};

    std::mutex mutex;
    std::optional<Event> all_closed;  ///< while somebody drains
    void opened() { open.fetch_add(1); }
    void closed();
};

/// One connection of the server and, in turn, each of its exchanges. Lives in the frame of its serve() task.
///
/// | state     | until                                   | then                                     |
/// |-----------|-----------------------------------------|------------------------------------------|
/// | idle      | first byte, idle deadline, drain        | head, or closed                          |
/// | head      | end of the head, head deadline          | handler; 400, 408 or 431 and lingering   |
/// | handler   | the handler returns                     | settling                                 |
/// | settling  | rest of the body read (≤ 256 KiB)       | idle, lingering or closed                |
/// | lingering | the peer closes, 1 s, 1 MiB             | closed                                   |
///
/// A client that closes its side counts as gone, also when it only meant to half-close: the stop token fires. A
/// response that is already being written is still delivered.
class Connection final : public Exchange, public ConnectionHook {
public:
    /// The whole life of a connection; `shared->opened()` has been called for it.
    static Task<> serve(std::shared_ptr<ServerShared> shared, ServerShared::PerThread* thread, int fd, int family,
                        std::string peer);

    Connection(std::shared_ptr<ServerShared> shared, std::shared_ptr<Wire> wire, std::string peer);
    ~Connection() override;

    // Called on the connection's own thread by a draining server.
    void close_if_idle();
    void fire_stop();  ///< the handler may still send last words
    void force_close() { wire_->close(); }

    const RequestHead& head() const override { return request_.head; }
    Task<Result<std::string>> read_body(std::size_t limit) override;
    Task<Result<std::string>> read_some() override;
    void add_response_header(std::string name, std::string value) override;
    Task<Result<>> respond(Response response) override;
    Task<Result<>> start(ResponseHead head) override;
    Task<Result<>> write(std::string_view bytes) override;
    Task<Result<>> finish() override;
    bool response_started() const override { return status_ != 0; }
    int status() const override { return status_; }
    std::uint64_t bytes_sent() const override { return wire_->bytes_written() - written_before_; }
    StopToken stop_token() const override;
    bool client_gone() const override { return gone_; }

private:
    Task<> run();
    void client_left();
    Task<bool> read_head();
    Task<> run_handler();
    Task<bool> settle();
    Task<> refuse(int status, std::string message);
    Task<> linger();
    Task<Result<>> send_continue();
    Task<Result<std::string>> read_whole(std::size_t limit);
    Task<Result<>> send(std::span<iovec> pieces);
    Result<> check_output();
    Result<> output_result(Io io);
    Error input_error(Io io);
    void render_head(std::string& out, int status, const Headers& headers, std::optional<std::size_t> length,
                     bool chunked);
    bool body_allowed(int status) const;
    void reset_exchange();

    const std::shared_ptr<ServerShared> shared_;
    const std::shared_ptr<Wire> wire_;
    const std::string peer_;

    ParsedRequest request_;
    BodyDecoder body_;
    Headers extra_headers_;
    mutable std::optional<StopSource> stop_;
    std::uint64_t written_before_ = 0;
    int status_ = 0;
    bool idle_ = false;
    bool keep_alive_ = false;
    bool continue_pending_ = false;  ///< the client waits for "100 Continue" before it sends the body
    bool chunked_out_ = false;
    bool body_out_ = false;  ///< the response carries a body (not HEAD, 204, 304)
    bool finished_ = false;
    bool broken_ = false;   ///< the output failed: nothing more can be sent
    bool gone_ = false;     ///< the client left: writing to it is pointless
    bool stopped_ = false;  ///< the stop token has fired: gone, or the drain deadline passed
};

}  // namespace atrium::http::internal
