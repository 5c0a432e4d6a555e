#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "platform/http/internal/wire.h"
#include "platform/tls/client_session.h"

namespace atrium::http::internal {

/// A client's connection: a wire, perhaps with TLS on it. Same meaning of input() and Io as Wire. Belongs to one io
/// thread and one owner: a request in progress or the pool.
class Channel {
public:
    explicit Channel(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
    ~Channel() { close(); }
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    /// Verifies the peer. kUnavailable with the reason, kDeadlineExceeded, kCancelled.
    Task<Result<>> start_tls(std::shared_ptr<const tls::Trust> trust, std::string host, SteadyTime deadline);

    std::string_view input() const;
    void consume(std::size_t bytes);
    Task<Io> wait_input(SteadyTime deadline);
    /// Pieces are left when the peer answered before it had read everything.
    Task<Io> write(std::span<iovec>& pieces, std::chrono::nanoseconds gap);
    /// Whether the end of input was meant by the peer (over TLS: close_notify) and not made by somebody in between.
    bool ended_properly() const { return !tls_ || closed_by_peer_; }
    /// Nothing unexpected has arrived since the last response.
    bool reusable() const;
    void prefetch() { wire_->prefetch(); }
    void close();
    Wire& wire() { return *wire_; }
    const std::shared_ptr<Wire>& shared_wire() const { return wire_; }

private:
    Task<Io> flush(std::chrono::nanoseconds gap);

    const std::shared_ptr<Wire> wire_;
    std::unique_ptr<tls::ClientSession> tls_;
    std::string plain_;  ///< decrypted
    std::size_t plain_at_ = 0;
    bool closed_by_peer_ = false;
};

}  // namespace atrium::http::internal
