// The upstream of every contestant: OpenAI's chat completions, answered at once with a fixed answer, or as a stream of
// chunks at a steady gap. One thread, no allocation per request.
//
//     atrium_bench_mock --port 0 --chunks 50 --gap-ms 20      prints its port
//
// `GET /set?chunks=N&gap_us=M` changes the streams that begin afterwards (chunks 0: they never end);
// `GET /counts` tells what was served.
#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <queue>
#include <unordered_map>
#include <vector>

#include "net.h"

namespace {

using namespace bench;

const std::string kAnswerBody =
    R"({"id":"chatcmpl-bench0123456789abcdef","object":"chat.completion","created":1700000000,"model":"bench-model",)"
    R"("choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog. )"
    R"(Pack my box with five dozen liquor jugs. How vexingly quick daft zebras jump. Sphinx of black quartz, judge my )"
    R"(vow. The five boxing wizards jump quickly.","refusal":null},"logprobs":null,"finish_reason":"stop"}],)"
    R"("usage":{"prompt_tokens":42,"completion_tokens":57,"total_tokens":99,"prompt_tokens_details":{"cached_tokens":0}},)"
    R"("service_tier":"default","system_fingerprint":"fp_bench"})";

std::string chunked(const std::string& data) {
    char size[16];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    return size + data + "\r\n";
}

std::string event(const std::string& choices, const std::string& usage) {
    return R"(data: {"id":"chatcmpl-bench0123456789abcdef","object":"chat.completion.chunk","created":1700000000,)"
           R"("model":"bench-model","choices":[)" +
           choices + R"(],"usage":)" + usage + "}\n\n";
}

const std::string kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
    "Transfer-Encoding: chunked\r\n\r\n";
const std::string kToken =
    chunked(event(R"({"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null})", "null"));
const std::string kStreamEnd =
    chunked(event(R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"})", "null")) +
    chunked(event("", R"({"prompt_tokens":42,"completion_tokens":50,"total_tokens":92})")) +
    chunked("data: [DONE]\n\n") + "0\r\n\r\n";

std::string with_length(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
}

struct Connection {
    int fd = -1;
    std::uint64_t id = 0;
    std::string in;
    std::size_t body_seen = 0;  ///< of a chunked body: how far the decoder came
    std::string out;            ///< what the kernel did not take yet
    int chunks_left = -1;       ///< of a stream; -1: none runs
    bool endless = false;
};

struct Due {
    Nanoseconds at;
    std::uint64_t id;
    bool operator>(const Due& other) const { return at > other.at; }
};

class Mock {
public:
    explicit Mock(const Options& options)
        : chunks_(options.integer("chunks", 50)),
          gap_(static_cast<Nanoseconds>(options.number("gap-ms", 20) * 1e6)),
          answer_(with_length(kAnswerBody)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        const int on = 1;
        ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_in address = loopback(options.integer("port", 0));
        socklen_t size = sizeof address;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 16384) != 0)
            die("listen");
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        std::printf("%d\n", ntohs(address.sin_port));
        std::fflush(stdout);
        epoll_ = ::epoll_create1(0);
        watch(listener_, 0, EPOLLIN);
    }

    [[noreturn]] void run() {
        std::vector<epoll_event> events(512);
        while (true) {
            int timeout = -1;
            if (!due_.empty()) {
                const Nanoseconds left = due_.top().at - now();
                timeout = left <= 0 ? 0 : static_cast<int>((left + 999'999) / 1'000'000);
            }
            const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout);
            for (int i = 0; i < n; ++i) {
                const epoll_event& event = events[static_cast<std::size_t>(i)];
                if (event.data.u64 == 0)
                    accept_all();
                else if (const auto found = connections_.find(event.data.u64); found != connections_.end())
                    ready(*found->second, event.events);
            }
            send_due();
        }
    }

private:
    void watch(int fd, std::uint64_t id, std::uint32_t what, int operation = EPOLL_CTL_ADD) {
        epoll_event event{};
        event.events = what;
        event.data.u64 = id;
        ::epoll_ctl(epoll_, operation, fd, &event);
    }

    void accept_all() {
        while (true) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
            if (fd < 0) return;
            no_delay(fd);
            auto connection = std::make_unique<Connection>();
            connection->fd = fd;
            connection->id = ++last_id_;
            watch(fd, connection->id, EPOLLIN);
            connections_.emplace(connection->id, std::move(connection));
        }
    }

    void close(Connection& c) {
        ::close(c.fd);
        connections_.erase(c.id);
    }

    void ready(Connection& c, std::uint32_t what) {
        if ((what & EPOLLOUT) != 0 && !send(c, {})) return close(c);
        if ((what & ~EPOLLOUT) == 0) return;
        while (true) {
            const ssize_t n = ::read(c.fd, buffer_, sizeof buffer_);
            if (n < 0 && errno == EAGAIN) break;
            if (n <= 0) return close(c);
            c.in.append(buffer_, static_cast<std::size_t>(n));
            if (static_cast<std::size_t>(n) < sizeof buffer_) break;
        }
        while (c.chunks_left < 0 && !c.in.empty()) {
            const std::size_t used = take_request(c);
            if (used == 0) return;
            if (used == std::string::npos) return close(c);
            c.in.erase(0, used);
            c.body_seen = 0;
        }
    }

    /// Bytes of the first complete request, after answering it; 0: incomplete; npos: the connection is over.
    std::size_t take_request(Connection& c) {
        const std::size_t end = c.in.find("\r\n\r\n");
        if (end == std::string::npos) return 0;
        const std::string_view head(c.in.data(), end + 2);
        std::size_t total = end + 4;
        if (const auto length = header(head, "content-length"); !length.empty()) {
            total += std::strtoul(length.data(), nullptr, 10);
            if (c.in.size() < total) return 0;
        } else if (!header(head, "transfer-encoding").empty()) {
            if (c.body_seen == 0) c.body_seen = total;
            if (!skip_chunks(c)) return 0;
            total = c.body_seen;
        }
        const std::string_view body = std::string_view(c.in).substr(end + 4, total - end - 4);
        return answer(c, head, body) ? total : std::string::npos;
    }

    static bool skip_chunks(Connection& c) {
        while (true) {
            const std::size_t line = c.in.find("\r\n", c.body_seen);
            if (line == std::string::npos) return false;
            const std::size_t size = std::strtoul(c.in.data() + c.body_seen, nullptr, 16);
            if (c.in.size() < line + 2 + size + 2) return false;
            c.body_seen = line + 2 + size + 2;
            if (size == 0) return true;
        }
    }

    bool answer(Connection& c, std::string_view head, std::string_view body) {
        if (head.starts_with("GET ")) return get(c, head);
        // The flag may stand at either end of a long body; what lies between is only the prompt.
        const std::string_view front = body.substr(0, 4096),
                               back = body.substr(body.size() - std::min<std::size_t>(body.size(), 4096));
        const auto has = [&](std::string_view what) {
            return front.find(what) != std::string_view::npos || back.find(what) != std::string_view::npos;
        };
        if (has("\"stream\":true") || has("\"stream\": true")) {
            ++streams_;
            c.endless = chunks_ == 0;
            c.chunks_left = chunks_;
            due_.push({now() + gap_, c.id});
            return send(c, kStreamHead + kToken);
        }
        ++answers_;
        return send(c, answer_);
    }

    bool get(Connection& c, std::string_view head) {
        const auto value = [&](std::string_view name) {
            const std::size_t at = head.find(name);
            return at == std::string_view::npos ? -1 : std::atol(head.data() + at + name.size());
        };
        if (head.starts_with("GET /set?")) {
            if (const long chunks = value("chunks="); chunks >= 0) chunks_ = static_cast<int>(chunks);
            if (const long gap = value("gap_us="); gap >= 0) gap_ = gap * 1000;
            return send(c, with_length("{}"));
        }
        if (head.starts_with("GET /counts")) {
            return send(
                c, with_length("{\"answers\":" + std::to_string(answers_) + ",\"streams\":" + std::to_string(streams_) +
                               ",\"connections\":" + std::to_string(connections_.size()) +
                               ",\"cpu_seconds\":" + std::to_string(cpu_seconds()) + "}"));
        }
        // Health checks and lists of models: some contestants want one before they serve.
        return send(
            c, with_length(R"({"object":"list","data":[{"id":"bench-model","object":"model","owned_by":"bench"}]})"));
    }

    void send_due() {
        if (due_.empty()) return;
        const Nanoseconds time = now();
        while (!due_.empty() && due_.top().at <= time) {
            const Due due = due_.top();
            due_.pop();
            const auto found = connections_.find(due.id);
            if (found == connections_.end()) continue;
            Connection& c = *found->second;
            if (!c.endless && --c.chunks_left == 0) {
                c.chunks_left = -1;
                if (!send(c, kStreamEnd)) close(c);
                continue;
            }
            if (send(c, kToken))
                due_.push({due.at + gap_, due.id});
            else
                close(c);
        }
    }

    bool send(Connection& c, std::string_view bytes) {
        if (!c.out.empty()) {
            const ssize_t n = ::send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN) return false;
            if (n > 0) c.out.erase(0, static_cast<std::size_t>(n));
            if (!c.out.empty()) return c.out.append(bytes), c.out.size() < (1u << 24);
            watch(c.fd, c.id, EPOLLIN, EPOLL_CTL_MOD);
        }
        if (bytes.empty()) return true;
        const ssize_t n = ::send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) return false;
        const std::size_t sent = n < 0 ? 0 : static_cast<std::size_t>(n);
        if (sent < bytes.size()) {
            c.out = bytes.substr(sent);
            watch(c.fd, c.id, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
        }
        return true;
    }

    int chunks_;
    Nanoseconds gap_;
    const std::string answer_;
    int listener_ = -1;
    int epoll_ = -1;
    std::uint64_t last_id_ = 0;
    std::uint64_t answers_ = 0, streams_ = 0;
    std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
    char buffer_[256 * 1024];
};

}  // namespace

int main(int argc, char** argv) {
    bench::raise_descriptor_limit();
    const bench::Options options(argc, argv);
    std::make_unique<Mock>(options)->run();
}
