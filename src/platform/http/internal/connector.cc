#include "platform/http/internal/connector.h"

#include <arpa/inet.h>
#include <boost/asio/this_coro.hpp>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace asio = boost::asio;

namespace atrium::http::internal {

struct Connector::Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

StopGuard::StopGuard(const std::shared_ptr<Wire>& wire, StopToken stop) : target_(std::make_shared<Target>(wire)) {
    if (stop.stop_possible()) callback_.emplace(std::move(stop), OnStop{target_, wire->thread().address()});
}

void StopGuard::OnStop::operator()() const {
    address->post([target = target] {
        if (target->wire) target->wire->interrupt();
    });
}

ThreadPool& Connector::resolvers() {
    std::scoped_lock lock(mutex_);
    // getaddrinfo blocks for as long as a name server is silent: enough threads that one dead name leaves some.
    if (!resolvers_) resolvers_ = std::make_unique<ThreadPool>("http-resolver", 8, 256);
    return *resolvers_;
}

ThreadPool& Connector::loader() {
    std::scoped_lock lock(mutex_);
    if (!loader_) loader_ = std::make_unique<ThreadPool>("http-trust", 1, 256);
    return *loader_;
}

std::shared_ptr<const tls::Trust> Connector::loaded_trust() {
    std::scoped_lock lock(mutex_);
    return trust_;
}

Result<std::shared_ptr<const tls::Trust>> Connector::trust() {
    if (auto known = loaded_trust()) return known;
    // A failure is not kept: the file may be put in place, or descriptors be free, by the next connection.
    TRY_ASSIGN(auto loaded, tls::Trust::load(ca_file_));
    std::scoped_lock lock(mutex_);
    if (!trust_) trust_ = std::move(loaded);
    return trust_;
}

Task<Result<std::shared_ptr<const tls::Trust>>> Connector::load_trust(SteadyTime deadline, StopToken stop) {
    if (auto known = loaded_trust()) co_return known;
    // Parsing the system's authorities takes some 40 ms, far too long for an io thread.
    struct Load {
        Result<std::shared_ptr<const tls::Trust>> result;
        Event done;
    };
    auto load = std::make_shared<Load>();
    const bool queued = loader().post([this, load] {
        load->result = trust();
        load->done.set();
    });
    if (!queued) co_return fail(unavailable("too many connections wait for the trusted authorities, please retry"));
    if (!co_await load->done.wait(deadline - std::chrono::steady_clock::now(), stop)) {
        if (stop.stop_requested()) co_return fail(cancelled("the request was stopped"));
        co_return fail(deadline_exceeded("loading the trusted authorities took too long"));
    }
    co_return std::move(load->result);
}

Task<Result<std::vector<Connector::Address>>> Connector::resolve(const Url& url, SteadyTime deadline, StopToken stop) {
    std::vector<Address> addresses(1);
    if (url.scheme == "unix") {
        auto* un = reinterpret_cast<sockaddr_un*>(&addresses[0].storage);
        un->sun_family = AF_UNIX;
        if (url.host.size() >= sizeof un->sun_path) {
            co_return fail(invalid_argument("the socket path '" + url.host + "' is longer than 107 bytes"));
        }
        std::memcpy(un->sun_path, url.host.c_str(), url.host.size() + 1);
        addresses[0].size = sizeof(sockaddr_un);
        co_return addresses;
    }
    auto* in4 = reinterpret_cast<sockaddr_in*>(&addresses[0].storage);
    if (::inet_pton(AF_INET, url.host.c_str(), &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons(url.port);
        addresses[0].size = sizeof(sockaddr_in);
        co_return addresses;
    }
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&addresses[0].storage);
    if (::inet_pton(AF_INET6, url.host.c_str(), &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(url.port);
        addresses[0].size = sizeof(sockaddr_in6);
        co_return addresses;
    }
    struct Lookup {
        std::string host, port;
        int error = 0;
        std::vector<Address> found;
        Event done;
    };
    auto lookup = std::make_shared<Lookup>();
    lookup->host = url.host;
    lookup->port = std::to_string(url.port);
    const bool queued = resolvers().post([lookup] {
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
        addrinfo* list = nullptr;
        lookup->error = ::getaddrinfo(lookup->host.c_str(), lookup->port.c_str(), &hints, &list);
        for (const addrinfo* at = list; at; at = at->ai_next) {
            Address address;
            std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
            address.size = at->ai_addrlen;
            lookup->found.push_back(address);
        }
        if (list) ::freeaddrinfo(list);
        lookup->done.set();
    });
    if (!queued) co_return fail(unavailable("too many host names are being resolved, please retry"));
    if (!co_await lookup->done.wait(deadline - std::chrono::steady_clock::now(), stop)) {
        if (stop.stop_requested()) co_return fail(cancelled("the request was stopped"));
        co_return fail(deadline_exceeded("resolving the host name '" + url.host + "' took too long"));
    }
    if (lookup->found.empty()) {
        co_return fail(
            unavailable("cannot resolve the host name '" + url.host + "': " + ::gai_strerror(lookup->error)));
    }
    co_return std::move(lookup->found);
}

Task<Result<std::unique_ptr<Channel>>> Connector::connect(Url url, std::chrono::nanoseconds timeout, StopToken stop) {
    const SteadyTime deadline = deadline_after(timeout);
    const auto executor = co_await asio::this_coro::executor;
    const std::string where = url.origin();
    CO_TRY_ASSIGN(const std::vector<Address> addresses, co_await resolve(url, deadline, stop));
    std::string problem;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        const auto* address = reinterpret_cast<const sockaddr*>(&addresses[i].storage);
        const int fd = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) co_return fail(from_errno(errno, "connect to " + where));
        int error = ::connect(fd, address, addresses[i].size) == 0 ? 0 : errno;
        auto channel = std::make_unique<Channel>(std::make_shared<Wire>(executor.context(), fd, address->sa_family));
        const StopGuard guard(channel->shared_wire(), stop);
        if (error == EINPROGRESS) {
            // One silent address must not use up the time of the others.
            const auto now = std::chrono::steady_clock::now();
            const auto share = (deadline - now) / static_cast<std::int64_t>(addresses.size() - i);
            error = 0;
            const Io io = co_await channel->wire().wait_connected(now + share, &error);
            if (io == Io::kStopped) co_return fail(cancelled("the request was stopped"));
            if (io == Io::kTimedOut) error = ETIMEDOUT;
        }
        if (error != 0) {
            problem = std::generic_category().message(error);
            if (std::chrono::steady_clock::now() >= deadline) {
                co_return fail(deadline_exceeded("connecting to " + where + " took too long"));
            }
            continue;
        }
        if (url.scheme == "https") {
            CO_TRY_ASSIGN(auto authorities, co_await load_trust(deadline, stop));
            CO_TRY(co_await channel->start_tls(std::move(authorities), url.host, deadline));
        }
        co_return channel;
    }
    co_return fail(unavailable("cannot connect to " + where + ": " + problem));
}

}  // namespace atrium::http::internal
