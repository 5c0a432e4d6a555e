#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

/// TLS without sockets: bytes in, bytes out. Driving OpenSSL over memory costs nothing per idle connection but its own
/// state, and the same code serves any transport.
namespace atrium::tls {

/// Whom a client trusts. Made once, shared by all sessions; immutable and thread-safe.
class Trust {
public:
    /// PEM file of authorities; empty: the system's trust store. kInvalidArgument when the file cannot be used.
    static Result<std::shared_ptr<const Trust>> load(const std::string& ca_file);
    ~Trust();
    Trust(const Trust&) = delete;
    Trust& operator=(const Trust&) = delete;

private:
    friend class ClientSession;
    struct State;
    explicit Trust(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// The client's side of one TLS connection (1.2 or 1.3). The peer must present a chain to a trusted authority and a
/// certificate for `host` (a name, sent as SNI, or an address). Single-threaded; outlives its Trust by sharing it.
class ClientSession {
public:
    ClientSession(std::shared_ptr<const Trust> trust, const std::string& host);
    ~ClientSession();
    ClientSession(const ClientSession&) = delete;
    ClientSession& operator=(const ClientSession&) = delete;

    enum class Step { kDone, kWantInput, kClosed, kFailed };

    void feed(std::string_view received);  ///< ciphertext from the peer
    std::string take_output();             ///< ciphertext for the peer; look after every call below
    /// kDone when the peer is verified; before that nothing may be sent.
    Step handshake();
    Step write(std::string_view plain);
    /// Appends what has been decrypted. kClosed: the peer ended the connection properly (close_notify).
    Step read(std::string& plain);
    void close();  ///< close_notify into the output

    /// Why handshake or read failed, with the reason why a certificate was refused.
    const std::string& problem() const { return problem_; }

private:
    struct State;
    Step step(int result, const char* what);
    std::unique_ptr<State> state_;
    std::string host_;
    std::string problem_;
};

}  // namespace atrium::tls
