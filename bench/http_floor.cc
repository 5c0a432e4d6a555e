// What the HTTP stack costs by itself: a server that answers "hello", and a load generator for it.
//
//     atrium_http_floor serve [threads]                   prints its address; on SIGINT the CPU time per request
//     atrium_http_floor load ADDRESS CONNECTIONS SECONDS  keep-alive requests, one at a time per connection
//     atrium_http_floor relay UPSTREAM                    like serve, but asks UPSTREAM ("http://…") for each answer
//
// Built on demand: ninja -C build/release atrium_http_floor
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "platform/http/client.h"
#include "platform/http/server.h"

namespace {

using namespace atrium;

std::atomic<std::uint64_t> requests{0};

Task<> hello(http::Exchange& exchange) {
    requests.fetch_add(1, std::memory_order_relaxed);
    if (exchange.head().path == "/idle") {
        (void)co_await exchange.start({});
        co_await sleep_for(std::chrono::hours(1), exchange.stop_token());
        co_return;
    }
    (void)co_await exchange.respond(http::Response::text(200, "hello"));
}

struct Relay {
    http::Client* client;
    http::Url upstream;
    Task<> operator()(http::Exchange& exchange) const { return run(client, upstream, exchange); }
    static Task<> run(http::Client* client, http::Url upstream, http::Exchange& exchange) {
        requests.fetch_add(1, std::memory_order_relaxed);
        http::ClientRequest request;
        request.url = std::move(upstream);
        auto answer = co_await client->send(std::move(request), exchange.stop_token());
        if (!answer) {
            (void)co_await exchange.respond(http::Response::text(502, answer.error().message()));
            co_return;
        }
        auto body = co_await (*answer)->read_all(1 << 20);
        (void)co_await exchange.respond(http::Response::text(200, body ? *body : ""));
    }
};

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int serve(int threads, http::Handler handler) {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGINT);
    ::sigaddset(&signals, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    Runtime runtime(threads);
    http::Server server(runtime, {}, std::move(handler));
    const auto bound = server.listen("127.0.0.1:0");
    if (!bound) return fmt::print(stderr, "{}\n", bound.error().message()), 1;
    fmt::print("{}\n", *bound);
    std::fflush(stdout);
    std::thread waiter([&] {
        int signal = 0;
        ::sigwait(&signals, &signal);
        runtime.stop();
    });
    runtime.run();
    waiter.join();
    const auto served = requests.load();
    fmt::print("{} requests, {:.2f} us CPU each\n", served,
               served ? cpu_seconds() * 1e6 / static_cast<double>(served) : 0.0);
    return 0;
}

int load(const std::string& address, int connections, int seconds, const char* path) {
    const std::size_t colon = address.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", path, address);
    const int epoll = ::epoll_create1(0);
    for (int i = 0; i < connections; ++i) {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        const int on = 1;
        if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
            return fmt::print(stderr, "cannot connect\n"), 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        (void)!::write(fd, request.data(), request.size());
    }
    const auto begin = std::chrono::steady_clock::now();
    std::uint64_t answers = 0;
    std::vector<epoll_event> events(1024);
    char bytes[4096];
    while (std::chrono::steady_clock::now() - begin < std::chrono::seconds(seconds)) {
        const int n = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 100);
        for (int i = 0; i < n; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (::read(fd, bytes, sizeof bytes) <= 0) return fmt::print(stderr, "the server hung up\n"), 1;
            if (std::strcmp(path, "/") != 0) continue;
            ++answers;
            (void)!::write(fd, request.data(), request.size());
        }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fmt::print("{:.0f} requests/s, load generator {:.2f} us CPU each\n", static_cast<double>(answers) / took.count(),
               answers ? cpu_seconds() * 1e6 / static_cast<double>(answers) : 0.0);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> args(argv + 1, argv + argc);
    if (!args.empty() && args[0] == "serve") return serve(args.size() > 1 ? std::stoi(args[1]) : 1, hello);
    if (args.size() == 2 && args[0] == "relay") {
        const auto url = http::Url::parse(args[1]);
        if (!url) return fmt::print(stderr, "{}\n", url.error().message()), 2;
        http::Client client;
        return serve(1, Relay{&client, *url});
    }
    if (args.size() >= 4 && args[0] == "load") {
        return load(args[1], std::stoi(args[2]), std::stoi(args[3]), args.size() > 4 ? args[4].c_str() : "/");
    }
    fmt::print(stderr,
               "usage: atrium_http_floor serve [threads] | relay URL | load ADDRESS CONNECTIONS SECONDS [PATH]\n");
    return 2;
}
