// The client of every contestant. One thread; prints one JSON object.
//
//     atrium_bench_load --port P --body FILE [--path /v1/chat/completions] [--headers FILE] --mode MODE …
//       closed   --connections 64 --seconds 3         each connection asks again when it has its answer
//       open     --connections 64 --seconds 5 --rate 200   on a schedule; latency counts from the scheduled moment
//       streams  --connections 500 --seconds 5 --gap-us 20000   streams until they end or time is up; gaps between
//       events idle     --connections 10000 --hold 10        opens streams slowly, prints "open N" when all have begun,
//       holds them
#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include "net.h"

namespace {

using namespace bench;

std::string file(const std::string& name) {
    if (name.empty()) return {};
    std::ifstream in(name, std::ios::binary);
    if (!in) die("cannot read " + name);
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
}

/// Takes answers apart as far as counting needs: status, length or chunks, events.
struct Peer {
    int fd = -1;
    Nanoseconds asked = 0;  ///< when the answer counts from
    Nanoseconds last_event = 0;
    std::string head;  ///< until it is complete
    std::size_t unsent = 0;
    long left = 0;  ///< of the body; -1: chunked
    int tail = 0;   ///< how much of "\r\n0\r\n\r\n" ended the last piece
    char previous = 0;
    int status = 0;
    long events = 0;
    bool busy = false, in_body = false, connected = false;
};

struct Result {
    std::vector<float> latencies_us, gaps_us;
    long done = 0, failed = 0, events = 0, begun = 0;
    std::string first_failure;
};

class Load {
public:
    explicit Load(const Options& o)
        : mode_(o.text("mode", "closed")),
          port_(o.integer("port", 0)),
          peers_(static_cast<std::size_t>(o.integer("connections", 64))),
          seconds_(o.number("seconds", 3)),
          rate_(o.number("rate", 200)),
          hold_(o.number("hold", 10)) {
        const std::string body = file(o.text("body"));
        request_ = "POST " + o.text("path", "/v1/chat/completions") +
                   " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) +
                   "\r\nContent-Type: application/json\r\nAccept: */*\r\n" + file(o.text("headers")) +
                   "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
        epoll_ = ::epoll_create1(0);
    }

    int run() {
        const double cpu = cpu_seconds();
        const Nanoseconds begin = now();
        if (mode_ == "idle") {
            hold_streams();
        } else if (mode_ == "open") {
            run_open(begin);
        } else {
            run_closed(begin);
        }
        print(static_cast<double>(now() - begin) / 1e9, cpu_seconds() - cpu);
        return result_.done + result_.events + result_.begun > 0 ? 0 : 1;
    }

private:
    bool streaming() const { return mode_ == "streams" || mode_ == "idle"; }

    void watch(Peer& peer, std::uint32_t what, int operation) {
        epoll_event event{};
        event.events = what;
        event.data.ptr = &peer;
        ::epoll_ctl(epoll_, operation, peer.fd, &event);
    }

    bool connect(Peer& peer) {
        if (peer.fd >= 0) ::close(peer.fd);
        peer = {};
        peer.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        const sockaddr_in address = loopback(port_);
        no_delay(peer.fd);
        if (::connect(peer.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
            errno != EINPROGRESS) {
            fail("cannot connect");
            return false;
        }
        watch(peer, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
        return true;
    }

    void fail(const std::string& why) {
        ++result_.failed;
        if (result_.first_failure.empty()) result_.first_failure = why;
    }

    void ask(Peer& peer, Nanoseconds when) {
        peer.busy = true;
        peer.in_body = false;
        peer.asked = when;
        peer.head.clear();
        peer.last_event = 0;
        peer.unsent = request_.size();
        if (peer.connected) push(peer);
    }

    void push(Peer& peer) {
        while (peer.unsent > 0) {
            const ssize_t n =
                ::send(peer.fd, request_.data() + request_.size() - peer.unsent, peer.unsent, MSG_NOSIGNAL);
            if (n < 0) {
                if (errno == EAGAIN) return watch(peer, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
                return;  // reading tells why
            }
            peer.unsent -= static_cast<std::size_t>(n);
        }
    }

    /// Whether the connection is still good.
    bool read(Peer& peer) {
        while (true) {
            const ssize_t n = ::read(peer.fd, buffer_, sizeof buffer_);
            if (n < 0 && errno == EAGAIN) return true;
            if (n <= 0) {
                if (peer.busy) fail(n == 0 ? "the connection was closed" : std::strerror(errno));
                return false;
            }
            if (!take(peer, {buffer_, static_cast<std::size_t>(n)})) return false;
            if (static_cast<std::size_t>(n) < sizeof buffer_) return true;
        }
    }

    bool take(Peer& peer, std::string_view bytes) {
        if (!peer.in_body) {
            peer.head += bytes;
            const std::size_t end = peer.head.find("\r\n\r\n");
            if (end == std::string::npos) return true;
            peer.status = std::atoi(peer.head.c_str() + 9);
            const std::string_view head(peer.head.data(), end + 2);
            const auto length = header(head, "content-length");
            peer.left = length.empty() ? -1 : std::strtol(length.data(), nullptr, 10);
            peer.in_body = true;
            peer.tail = 0;
            peer.previous = 0;
            if (streaming()) ++result_.begun;
            const std::string rest = peer.head.substr(end + 4);
            return body(peer, rest);
        }
        return body(peer, bytes);
    }

    bool body(Peer& peer, std::string_view bytes) {
        if (peer.left >= 0) {
            peer.left -= static_cast<long>(bytes.size());
            return peer.left > 0 || finish(peer);
        }
        static constexpr std::string_view kEnd = "0\r\n\r\n";
        long seen = 0;
        for (const char c : bytes) {
            if (c == '\n' && peer.previous == '\n') ++seen;  // the empty line after an event
            // The end of a chunked body: "0\r\n\r\n" after a line break.
            if (c == kEnd[static_cast<std::size_t>(peer.tail)] && (peer.tail > 0 || peer.previous == '\n'))
                ++peer.tail;
            else
                peer.tail = 0;
            peer.previous = c;
            if (peer.tail == 5) break;
        }
        if (seen > 0 && streaming()) {
            const Nanoseconds time = now();
            if (peer.last_event != 0) result_.gaps_us.push_back(static_cast<float>(time - peer.last_event) / 1000);
            peer.last_event = time;
            peer.events += seen;
            result_.events += seen;
        }
        return peer.tail < 5 || finish(peer);
    }

    bool finish(Peer& peer) {
        peer.busy = false;
        if (peer.status != 200) {
            fail("status " + std::to_string(peer.status) + " " + peer.head.substr(0, 600));
            return peer.status < 500;
        }
        ++result_.done;
        if (!streaming()) result_.latencies_us.push_back(static_cast<float>(now() - peer.asked) / 1000);
        return true;
    }

    /// Serves events for at most `timeout` ms.
    template <class Idle>
    void step(int timeout, Idle idle) {
        const int n = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), timeout);
        for (int i = 0; i < n; ++i) {
            auto& peer = *static_cast<Peer*>(events_[static_cast<std::size_t>(i)].data.ptr);
            if ((events_[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0) {
                peer.connected = true;
                watch(peer, EPOLLIN, EPOLL_CTL_MOD);
                push(peer);
            }
            if ((events_[static_cast<std::size_t>(i)].events & ~EPOLLOUT) != 0 && !read(peer)) {
                if (!connect(peer)) continue;
            }
            if (!peer.busy) idle(peer);
        }
    }

    void run_closed(Nanoseconds begin) {
        const Nanoseconds end = begin + static_cast<Nanoseconds>(seconds_ * 1e9);
        for (Peer& peer : peers_) {
            if (connect(peer)) ask(peer, now());
        }
        while (now() < end && result_.failed < 10'000) {
            step(100, [&](Peer& peer) { ask(peer, now()); });
        }
    }

    void run_open(Nanoseconds begin) {
        std::vector<Peer*> free;
        for (Peer& peer : peers_) {
            if (connect(peer)) free.push_back(&peer);
        }
        const Nanoseconds gap = static_cast<Nanoseconds>(1e9 / rate_);
        const Nanoseconds end = begin + static_cast<Nanoseconds>(seconds_ * 1e9);
        Nanoseconds due = begin + 200'000'000;  // after the connections stand
        while (true) {
            const Nanoseconds time = now();
            if (time >= end + 500'000'000 || (time >= end && free.size() == peers_.size())) break;
            while (due <= time && due < end && !free.empty()) {
                ask(*free.back(), due);
                free.pop_back();
                due += gap;
            }
            // Sleeping in milliseconds would be coarser than what is measured: the last one is waited for actively.
            step(due - time > 1'500'000 ? 1 : 0, [&](Peer& peer) {
                if (std::ranges::find(free, &peer) == free.end()) free.push_back(&peer);
            });
        }
    }

    void hold_streams() {
        const Nanoseconds give_up = now() + 60'000'000'000;
        std::size_t opened = 0;
        // A few at a time: a storm of connections is another measurement.
        while (result_.begun + result_.failed < static_cast<long>(peers_.size()) && now() < give_up) {
            while (opened < peers_.size() && static_cast<long>(opened) < result_.begun + result_.failed + 200) {
                Peer& peer = peers_[opened++];
                if (connect(peer)) ask(peer, now());
            }
            step(10, [](Peer&) {});
        }
        std::printf("open %ld\n", result_.begun);
        std::fflush(stdout);
        const Nanoseconds end = now() + static_cast<Nanoseconds>(hold_ * 1e9);
        while (now() < end) step(50, [](Peer&) {});
    }

    static double percentile(std::vector<float>& sorted, double p) {
        if (sorted.empty()) return 0;
        return static_cast<double>(sorted[static_cast<std::size_t>(p * static_cast<double>(sorted.size() - 1))]);
    }

    void print(double seconds, double cpu) {
        auto& latencies = result_.latencies_us;
        auto& gaps = result_.gaps_us;
        std::ranges::sort(latencies);
        std::ranges::sort(gaps);
        std::string failure;
        for (const char c : result_.first_failure) failure += c < 0x20 || c == '"' || c == '\\' ? ' ' : c;
        std::printf(
            "{\"seconds\":%.3f,\"done\":%ld,\"failed\":%ld,\"begun\":%ld,\"events\":%ld,\"p50_us\":%.1f,\"p90_us\":%."
            "1f,"
            "\"p99_us\":%.1f,\"max_us\":%.1f,\"gap_p50_us\":%.1f,\"gap_p99_us\":%.1f,\"gap_max_us\":%.1f,\"cpu_"
            "seconds\":%.3f,"
            "\"first_failure\":\"%s\"}\n",
            seconds, result_.done, result_.failed, result_.begun, result_.events, percentile(latencies, .5),
            percentile(latencies, .9), percentile(latencies, .99), percentile(latencies, 1), percentile(gaps, .5),
            percentile(gaps, .99), percentile(gaps, 1), cpu, failure.c_str());
    }

    const std::string mode_;
    const int port_;
    std::vector<Peer> peers_;
    const double seconds_, rate_, hold_;
    std::string request_;
    int epoll_ = -1;
    Result result_;
    std::vector<epoll_event> events_{1024};
    char buffer_[256 * 1024];
};

}  // namespace

int main(int argc, char** argv) {
    bench::raise_descriptor_limit();
    const bench::Options options(argc, argv);
    return std::make_unique<Load>(options)->run();
}
