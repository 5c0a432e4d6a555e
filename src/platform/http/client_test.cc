#include "platform/http/client.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <mutex>

#include "platform/http/internal/test_peer.h"
#include "platform/http/internal/test_support.h"

namespace atrium::http {
namespace {

using namespace std::chrono_literals;
using testing::Certificate;
using testing::ScriptedServer;
using testing::TestServer;
using testing::TlsPeer;

// ---- a server with our own code ------------------------------------------------------------------------------------

Task<> serve(Exchange& exchange) {
    const RequestHead& head = exchange.head();
    if (head.path == "/echo") {
        auto body = co_await exchange.read_body(64 * 1024 * 1024);
        Response response = Response::text(200, body ? *body : body.error().to_string());
        response.headers.add("x-host", std::string(head.headers.get("host").value_or("")));
        response.headers.add("x-probe", std::string(head.headers.get("x-probe").value_or("")));
        (void)co_await exchange.respond(std::move(response));
    } else if (head.path == "/stream") {
        (void)co_await exchange.start({});
        for (int i = 0; i < 5; ++i) (void)co_await exchange.write("piece " + std::to_string(i) + ";");
        (void)co_await exchange.finish();
    } else if (head.path == "/gap") {
        (void)co_await exchange.start({});
        (void)co_await exchange.write("first");
        co_await sleep_for(10s, exchange.stop_token());
    } else if (head.path == "/silent") {
        co_await sleep_for(10s, exchange.stop_token());
        (void)co_await exchange.respond(Response::text(200, "late"));
    } else if (head.path == "/redirect") {
        Response response{302, {}, ""};
        response.headers.add("location", "http://127.0.0.1:1/elsewhere");
        (void)co_await exchange.respond(std::move(response));
    } else if (head.path == "/refuse") {
        (void)co_await exchange.respond(Response::text(413, "too large"));
    } else {
        (void)co_await exchange.respond(Response::text(200, "ok " + head.target));
    }
}

struct Got {
    int status = 0;
    std::string body;
    Headers headers;
    std::optional<Error> error;
};

Task<Got> fetch(Client* client, ClientRequest request, StopToken stop = {}) {
    Got got;
    auto response = co_await client->send(std::move(request), stop);
    if (!response) {
        got.error = response.error();
        co_return got;
    }
    got.status = (*response)->status();
    got.headers = (*response)->headers();
    auto body = co_await (*response)->read_all(64 * 1024 * 1024);
    if (body)
        got.body = std::move(*body);
    else
        got.error = body.error();
    co_return got;
}

ClientRequest request_to(const std::string& url, Method method = Method::kGet, std::string body = "") {
    auto parsed = Url::parse(url);
    EXPECT_TRUE(parsed) << url;
    ClientRequest request;
    request.method = method;
    request.url = *parsed;
    request.body = std::move(body);
    return request;
}

std::string local(std::uint16_t port, const std::string& path) {
    return "http://127.0.0.1:" + std::to_string(port) + path;
}

Got get(std::string url) {
    Client client;
    return run_blocking(fetch(&client, request_to(url)));
}

class ClientTest : public ::testing::Test {
protected:
    TestServer server_{serve};
    Client client_;
    std::string url(const std::string& path) { return local(server_.port(), path); }
};

TEST_F(ClientTest, GetsAndPosts) {
    const Got got = run_blocking(fetch(&client_, request_to(url("/a?b=c"))));
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.body, "ok /a?b=c");
    ClientRequest post = request_to(url("/echo"), Method::kPost, "body");
    post.headers.add("x-probe", "1");
    post.headers.add("Content-Length", "999");
    post.headers.add("Host", "forged");
    const Got echoed = run_blocking(fetch(&client_, std::move(post)));
    EXPECT_EQ(echoed.body, "body");
    EXPECT_EQ(echoed.headers.get("x-probe"), "1");
    EXPECT_EQ(echoed.headers.get("x-host"), "127.0.0.1:" + std::to_string(server_.port()));
}

TEST_F(ClientTest, BigBodiesBothWays) {
    std::string big(20 * 1024 * 1024, 'x');
    for (std::size_t i = 0; i < big.size(); i += 997) big[i] = static_cast<char>('a' + i % 26);
    const Got got = run_blocking(fetch(&client_, request_to(url("/echo"), Method::kPost, big)));
    EXPECT_TRUE(got.body == big);
}

TEST_F(ClientTest, StreamsAndHeads) {
    EXPECT_EQ(run_blocking(fetch(&client_, request_to(url("/stream")))).body,
              "piece 0;piece 1;piece 2;piece 3;piece 4;");
    const Got head = run_blocking(fetch(&client_, request_to(url("/a"), Method::kHead)));
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.body, "");
}

TEST_F(ClientTest, RedirectsAreReturned) {
    const Got got = run_blocking(fetch(&client_, request_to(url("/redirect"))));
    EXPECT_EQ(got.status, 302);
    EXPECT_EQ(got.headers.get("Location"), "http://127.0.0.1:1/elsewhere");
}

TEST_F(ClientTest, UnixSockets) {
    const std::string path = std::filesystem::temp_directory_path() / ("atrium-client-" + std::to_string(::getpid()));
    TestServer server(serve, {}, "unix:" + path);
    EXPECT_EQ(get("unix:" + path + ":/x?y").body, "ok /x?y");
    const Got missing = get("unix:" + path + "-none:/");
    ASSERT_TRUE(missing.error);
    EXPECT_EQ(missing.error->code(), Code::kUnavailable);
}

TEST_F(ClientTest, ForgedHeadersAndTargetsAreRefused) {
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"x", "a\r\nb: c"},
                                                                                      {"x", "a\nb"},
                                                                                      {"x", std::string("a\0b", 3)},
                                                                                      {"x y", "a"},
                                                                                      {"", "a"},
                                                                                      {"x:", "a"},
                                                                                      {"x\r\ny", "a"}}) {
        ClientRequest request = request_to(url("/a"));
        request.headers.add(name, value);
        const Got got = run_blocking(fetch(&client_, std::move(request)));
        ASSERT_TRUE(got.error) << name;
        EXPECT_EQ(got.error->code(), Code::kInvalidArgument);
    }
    for (const std::string target : {"/a b", "/a\r\nx: y", "/中", "/\x7f"}) {
        ClientRequest request = request_to(url("/"));
        request.url.target = target;
        EXPECT_TRUE(run_blocking(fetch(&client_, std::move(request))).error) << target;
    }
}

Task<int> fetch_three(Client* client, std::string url, std::string body) {
    int good = 0;
    for (int i = 0; i < 3; ++i) {
        auto request = request_to(url, Method::kPost, body);
        const Got got = co_await fetch(client, std::move(request));
        good += !got.error && got.status == 200 && got.body == body;
    }
    co_return good;
}

TEST_F(ClientTest, ConnectionsAreReused) {
    EXPECT_EQ(run_blocking(fetch_three(&client_, url("/echo"), "x")), 3);
    std::atomic<int> requests{0};
    ScriptedServer counted([&](int fd, int) {
        for (int i = 0; i < 3; ++i) {
            if (ScriptedServer::read_head(fd).empty()) return;
            ++requests;
            ScriptedServer::send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    EXPECT_EQ(run_blocking(fetch_three(&client_, local(counted.port, "/"), "")), 3);
    EXPECT_EQ(requests, 3);
    EXPECT_EQ(counted.accepted, 1);
}

TEST_F(ClientTest, AStaleConnectionIsReplacedOnce) {
    // The server answers once and hangs up when the next request arrives: the client cannot have known.
    ScriptedServer fickle([&](int fd, int) {
        ScriptedServer::read_head(fd);
        ScriptedServer::send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        ScriptedServer::read_head(fd);
    });
    EXPECT_EQ(run_blocking(fetch_three(&client_, local(fickle.port, "/"), "")), 3);
    EXPECT_EQ(fickle.accepted, 3);
}

TEST_F(ClientTest, NothingIsSentTwiceOnceAnAnswerHasBegun) {
    std::atomic<int> requests{0};
    ScriptedServer partial([&](int fd, int) {
        for (int i = 0; i < 2 && !ScriptedServer::read_head(fd).empty(); ++i) {
            ++requests;
            ScriptedServer::send(fd, i == 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : "HTTP/1.1 200");
        }
    });
    EXPECT_EQ(run_blocking(fetch_three(&client_, local(partial.port, "/"), "")), 2);
    EXPECT_EQ(requests, 3);
}

TEST_F(ClientTest, AFreshConnectionIsNotRetried) {
    ScriptedServer deaf([](int fd, int) { ScriptedServer::read_head(fd); });
    const Got got = run_blocking(fetch(&client_, request_to(local(deaf.port, "/"))));
    ASSERT_TRUE(got.error);
    EXPECT_EQ(got.error->code(), Code::kUnavailable);
    EXPECT_EQ(deaf.accepted, 1);
}

TEST_F(ClientTest, Deadlines) {
    ClientRequest silent = request_to(url("/silent"));
    silent.deadlines.first_byte = 30ms;
    EXPECT_EQ(run_blocking(fetch(&client_, std::move(silent))).error->code(), Code::kDeadlineExceeded);
    ClientRequest gap = request_to(url("/gap"));
    gap.deadlines.gap = 30ms;
    const Got got = run_blocking(fetch(&client_, std::move(gap)));
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.error->code(), Code::kDeadlineExceeded);
}

TEST_F(ClientTest, RefusedConnectionsSayWhere) {
    const Got got = get("http://127.0.0.1:1/");
    ASSERT_TRUE(got.error);
    EXPECT_EQ(got.error->code(), Code::kUnavailable);
    EXPECT_NE(got.error->message().find("127.0.0.1:1"), std::string::npos);
    EXPECT_NE(got.error->message().find("refused"), std::string::npos);
    const Got unknown = get("http://no-such-host.invalid/");
    ASSERT_TRUE(unknown.error);
    EXPECT_TRUE(unknown.error->code() == Code::kUnavailable || unknown.error->code() == Code::kDeadlineExceeded);
}

TEST_F(ClientTest, HostNamesAreResolved) {
    EXPECT_EQ(get("http://localhost:" + std::to_string(server_.port()) + "/n").body, "ok /n");
}

TEST_F(ClientTest, StopCancelsAtOnceWhereverItIs) {
    for (const std::string path : {"/silent", "/gap"}) {
        StopSource source;
        std::thread stopper([&] {
            std::this_thread::sleep_for(20ms);
            source.request_stop();
        });
        const auto before = std::chrono::steady_clock::now();
        const Got got = run_blocking(fetch(&client_, request_to(url(path)), source.get_token()));
        stopper.join();
        ASSERT_TRUE(got.error) << path;
        EXPECT_EQ(got.error->code(), Code::kCancelled);
        EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
    }
    StopSource already;
    already.request_stop();
    EXPECT_EQ(run_blocking(fetch(&client_, request_to(url("/a")), already.get_token())).error->code(),
              Code::kCancelled);
}

Task<> send_and_drop(Client* client, ClientRequest request) {
    auto response = co_await client->send(std::move(request));
    EXPECT_TRUE(response);
    if (response) (void)co_await (*response)->read_some();
}

TEST_F(ClientTest, DroppingAResponseClosesTheConnection) {
    std::atomic<bool> closed{false};
    ScriptedServer endless([&](int fd, int) {
        ScriptedServer::read_head(fd);
        ScriptedServer::send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
        closed = ScriptedServer::wait_closed(fd);
    });
    run_until_complete(send_and_drop(&client_, request_to(local(endless.port, "/"))));
    for (int i = 0; i < 400 && !closed; ++i) std::this_thread::sleep_for(5ms);
    EXPECT_TRUE(closed);
}

TEST_F(ClientTest, AnInterimResponseDoesNotCutTheBodyShort) {
    const std::string big(30 * 1024 * 1024, 'x');
    std::atomic<std::size_t> received{0};
    ScriptedServer server([&](int fd, int) {
        ScriptedServer::read_head(fd);
        ScriptedServer::send(fd, "HTTP/1.1 103 Early Hints\r\n\r\n");
        std::this_thread::sleep_for(20ms);
        std::string bytes(1 << 20, '\0');
        while (received < big.size()) {
            const ssize_t n = ::recv(fd, bytes.data(), bytes.size(), 0);
            if (n <= 0) return;
            received += static_cast<std::size_t>(n);
        }
        ScriptedServer::send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    EXPECT_EQ(run_blocking(fetch(&client_, request_to(local(server.port, "/"), Method::kPost, big))).body, "ok");
    EXPECT_EQ(received, big.size());
}

TEST_F(ClientTest, AnEarlyRefusalOfABigBodyIsSeen) {
    const std::string big(30 * 1024 * 1024, 'x');
    const Got got = run_blocking(fetch(&client_, request_to(url("/refuse"), Method::kPost, big)));
    EXPECT_EQ(got.status, 413) << (got.error ? got.error->to_string() : "");
}

struct Reply {
    std::string name, bytes;
    int status;  ///< 0: no response
    std::string body;
    bool whole = true;
};

TEST_F(ClientTest, WhatServersMayAnswer) {
    const std::vector<Reply> replies = {
        {"until close", "HTTP/1.1 200 OK\r\n\r\nall of it", 200, "all of it"},
        {"http/1.0", "HTTP/1.0 200 OK\r\n\r\nold", 200, "old"},
        {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: u\r\n\r\n",
         200, "abcde"},
        {"padded chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3  \r\nabc\r\n0\r\n\r\n", 200,
         "abc"},
        {"interim responses",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
         "1\r\n\r\nx",
         200, "x"},
        {"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
        {"not modified with length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, ""},
        {"unknown status", "HTTP/1.1 299 Odd\r\nContent-Length: 1\r\n\r\nx", 299, "x"},
        {"cut off by length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 200, "", false},
        {"cut off in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 200, "", false},
        {"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 200, "", false},
        {"nothing", "", 0, "", false},
        {"half a head", "HTTP/1.1 200 OK\r\nConte", 0, "", false},
        {"not http", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 0, "", false},
        {"length and coding", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0,
         "", false},
        {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 0, "", false},
        {"gzip coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, "", false},
        {"huge head", "HTTP/1.1 200 OK\r\nX: " + std::string(70000, 'x') + "\r\n\r\n", 0, "", false},
        {"switching protocols", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 0, "", false},
    };
    for (const Reply& reply : replies) {
        ScriptedServer server([&](int fd, int) {
            ScriptedServer::read_head(fd);
            ScriptedServer::send(fd, reply.bytes);
        });
        const Got got = get(local(server.port, "/"));
        EXPECT_EQ(got.status, reply.status) << reply.name;
        EXPECT_EQ(got.error.has_value(), !reply.whole) << reply.name;
        if (got.error)
            EXPECT_EQ(got.error->code(), Code::kUnavailable) << reply.name << ": " << got.error->to_string();
        else
            EXPECT_EQ(got.body, reply.body) << reply.name;
    }
}

Task<Got> fetch_limited(Client* client, ClientRequest request, std::size_t limit) {
    Got got;
    auto response = co_await client->send(std::move(request));
    EXPECT_TRUE(response);
    auto body = co_await (*response)->read_all(limit);
    if (!body) got.error = body.error();
    co_return got;
}

TEST_F(ClientTest, ReadAllHasALimit) {
    const Got got = run_blocking(fetch_limited(&client_, request_to(url("/stream")), 10));
    ASSERT_TRUE(got.error);
    EXPECT_EQ(got.error->code(), Code::kOutOfRange);
}

Task<> hammer(Client* client, std::string url, int requests, std::atomic<int>* good, std::atomic<int>* left) {
    for (int i = 0; i < requests; ++i) {
        auto request = request_to(url, Method::kPost, "n" + std::to_string(i));
        const Got got = co_await fetch(client, std::move(request));
        if (got.body == "n" + std::to_string(i)) ++*good;
    }
    --*left;
}

TEST_F(ClientTest, ManyTasksOnSeveralThreadsShareOneClient) {
    Runtime runtime(2);
    std::thread runner([&] { runtime.run(); });
    std::atomic<int> good{0}, left{20};
    for (int i = 0; i < 20; ++i) spawn(runtime.context(i % 2), hammer(&client_, url("/echo"), 20, &good, &left));
    for (int i = 0; i < 2000 && left > 0; ++i) std::this_thread::sleep_for(5ms);
    runtime.stop();
    runner.join();
    EXPECT_EQ(good, 400);
}

// ---- TLS -----------------------------------------------------------------------------------------------------------

class TlsTest : public ::testing::Test {
protected:
    TlsTest() {
        path_ = std::filesystem::temp_directory_path() / ("atrium-ca-" + std::to_string(::getpid()) + ".pem");
        authority_.write_pem(path_);
    }
    ~TlsTest() override { std::filesystem::remove(path_); }

    /// Answers two requests per connection.
    ScriptedServer::Script script(const Certificate& certificate) {
        return [&](int fd, int) {
            TlsPeer peer(fd, certificate);
            if (!peer.accepted) return;
            std::scoped_lock lock(mutex_);
            server_name_ = peer.server_name;
            for (int i = 0; i < 2; ++i) {
                const std::string head = peer.read_head();
                if (head.empty()) return;
                std::size_t size = 0;
                if (const auto at = head.find("Content-Length: "); at != std::string::npos)
                    size = std::stoul(head.substr(at + 16));
                const std::string body = "read " + std::to_string(peer.read(size));
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
            }
        };
    }
    Got fetch_from(const std::string& host, std::uint16_t port, std::string body = "", bool trust_ours = true) {
        ClientOptions options;
        if (trust_ours) options.ca_file = path_;
        Client client(options);
        const std::string url = "https://" + host + ":" + std::to_string(port) + "/";
        return run_blocking(fetch(&client, request_to(url, Method::kPost, std::move(body))));
    }

    Certificate authority_{"Test authority", nullptr};
    std::string path_;
    std::mutex mutex_;
    std::string server_name_;
};

TEST_F(TlsTest, AGoodHostIsSpokenTo) {
    Certificate good("localhost", &authority_, "DNS:localhost,IP:127.0.0.1");
    ScriptedServer server(script(good));
    const Got named = fetch_from("localhost", server.port);
    EXPECT_EQ(named.body, "read 0") << (named.error ? named.error->to_string() : "");
    {
        std::scoped_lock lock(mutex_);
        EXPECT_EQ(server_name_, "localhost");
    }
    EXPECT_EQ(fetch_from("127.0.0.1", server.port).body, "read 0");
    EXPECT_EQ(fetch_from("localhost", server.port, std::string(3'000'000, 'x')).body, "read 3000000");
}

TEST_F(TlsTest, ConnectionsAreReused) {
    Certificate good("localhost", &authority_, "DNS:localhost");
    ScriptedServer server([&](int fd, int) {
        TlsPeer peer(fd, good);
        while (!peer.read_head().empty()) peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    ClientOptions options;
    options.ca_file = path_;
    Client client(options);
    EXPECT_EQ(run_blocking(fetch_three(&client, "https://localhost:" + std::to_string(server.port) + "/", "")), 3);
    EXPECT_EQ(server.accepted, 1);
}

TEST_F(TlsTest, TheWrongHostIsRefused) {
    Certificate other("other", &authority_, "DNS:other.example");
    ScriptedServer server(script(other));
    for (const std::string host : {"localhost", "127.0.0.1"}) {
        const Got got = fetch_from(host, server.port);
        ASSERT_TRUE(got.error) << host;
        EXPECT_EQ(got.error->code(), Code::kUnavailable);
        EXPECT_NE(got.error->message().find("was refused"), std::string::npos) << got.error->message();
        EXPECT_NE(got.error->message().find("mismatch"), std::string::npos) << got.error->message();
    }
}

TEST_F(TlsTest, AnUnknownAuthorityIsRefused) {
    Certificate stranger("Another authority", nullptr);
    Certificate leaf("localhost", &stranger, "DNS:localhost");
    ScriptedServer server(script(leaf));
    EXPECT_EQ(fetch_from("localhost", server.port).error->code(), Code::kUnavailable);
    Certificate ours("localhost", &authority_, "DNS:localhost");
    ScriptedServer unknown_to_the_system(script(ours));
    EXPECT_EQ(fetch_from("localhost", unknown_to_the_system.port, "", false).error->code(), Code::kUnavailable);
}

TEST_F(TlsTest, APlainServerAndASilentOneAreNamed) {
    ScriptedServer plain([](int fd, int) { ScriptedServer::send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n"); });
    const Got got = fetch_from("localhost", plain.port);
    ASSERT_TRUE(got.error);
    EXPECT_NE(got.error->message().find("localhost"), std::string::npos);
    ScriptedServer silent([](int fd, int) { ScriptedServer::wait_closed(fd); });
    Client client;
    ClientRequest request = request_to("https://127.0.0.1:" + std::to_string(silent.port) + "/");
    request.deadlines.connect = 40ms;
    EXPECT_EQ(run_blocking(fetch(&client, std::move(request))).error->code(), Code::kDeadlineExceeded);
}

TEST_F(TlsTest, ATruncatedResponseIsNotTakenForAWholeOne) {
    Certificate good("localhost", &authority_, "DNS:localhost");
    ScriptedServer server([&](int fd, int number) {
        TlsPeer peer(fd, good);
        peer.read_head();
        peer.write("HTTP/1.1 200 OK\r\n\r\nhalf");
        if (number == 1) peer.close_notify();
    });
    EXPECT_TRUE(fetch_from("localhost", server.port).error);
    EXPECT_EQ(fetch_from("localhost", server.port).body, "half");
}

TEST_F(TlsTest, AMissingTrustFileIsNamed) {
    Client client({.ca_file = "/no/such/file.pem"});
    ScriptedServer server([](int, int) {});
    const Got got = run_blocking(fetch(&client, request_to("https://127.0.0.1:" + std::to_string(server.port) + "/")));
    ASSERT_TRUE(got.error);
    EXPECT_NE(got.error->message().find("/no/such/file.pem"), std::string::npos);
}

TEST_F(TlsTest, ATrustFileThatWasMissingIsLookedForAgain) {
    Certificate good("localhost", &authority_, "DNS:localhost,IP:127.0.0.1");
    ScriptedServer server(script(good));
    const std::string late = path_ + ".late";
    Client client({.ca_file = late});
    const std::string url = "https://127.0.0.1:" + std::to_string(server.port) + "/";
    EXPECT_TRUE(run_blocking(fetch(&client, request_to(url))).error);
    std::filesystem::copy_file(path_, late);
    const Got got = run_blocking(fetch(&client, request_to(url)));
    EXPECT_EQ(got.body, "read 0") << (got.error ? got.error->to_string() : "");
    std::filesystem::remove(late);
}

// ---- URLs ----------------------------------------------------------------------------------------------------------

TEST(UrlTest, Parses) {
    struct Case {
        std::string text, scheme, host;
        int port;
        std::string target, origin, printed;
    };
    for (const Case& c : std::vector<Case>{
             {"http://example.org", "http", "example.org", 80, "/", "http://example.org:80", "http://example.org/"},
             {"HTTPS://Example.ORG:8443/a/b?c=d#e", "https", "example.org", 8443, "/a/b?c=d",
              "https://example.org:8443", "https://example.org:8443/a/b?c=d"},
             {"https://h?x", "https", "h", 443, "/?x", "https://h:443", "https://h/?x"},
             {"http://[::1]:81/", "http", "::1", 81, "/", "http://[::1]:81", "http://[::1]:81/"},
             {"http://10.0.0.7:8000/v1", "http", "10.0.0.7", 8000, "/v1", "http://10.0.0.7:8000",
              "http://10.0.0.7:8000/v1"},
             {"unix:/run/a.sock:/v1/x", "unix", "/run/a.sock", 0, "/v1/x", "unix:/run/a.sock",
              "unix:/run/a.sock:/v1/x"},
             {"unix:/run/a.sock", "unix", "/run/a.sock", 0, "/", "unix:/run/a.sock", "unix:/run/a.sock:/"},
         }) {
        const auto url = Url::parse(c.text);
        ASSERT_TRUE(url) << c.text;
        EXPECT_EQ(url->scheme, c.scheme);
        EXPECT_EQ(url->host, c.host);
        EXPECT_EQ(url->port, c.port);
        EXPECT_EQ(url->target, c.target);
        EXPECT_EQ(url->origin(), c.origin);
        EXPECT_EQ(url->to_string(), c.printed);
        EXPECT_EQ(Url::parse(url->to_string())->to_string(), c.printed);
    }
}

TEST(UrlTest, RefusesTheRest) {
    for (const std::string text : {"",
                                   "example.org",
                                   "/a",
                                   "ftp://x/",
                                   "http://",
                                   "http:///a",
                                   "http://user@x/",
                                   "http://user:secret@x/",
                                   "ftp://user:secret@x/",
                                   "http://user:secret@x/a b",
                                   "user:secret@x",
                                   "http://[::1/@user:secret@",
                                   "http://x:0/",
                                   "http://x:65536/",
                                   "http://x:8a/",
                                   "http://x y/",
                                   "http://x/a b",
                                   "http://x/\r\ny",
                                   "http://中/",
                                   "http://[::1/",
                                   "http://[zz]/",
                                   "http://[::1]8/",
                                   "http://x:1:2/",
                                   "http://a%41/",
                                   "unix:relative",
                                   "unix:",
                                   "javascript:alert(1)"}) {
        const auto url = Url::parse(text);
        ASSERT_FALSE(url) << text;
        EXPECT_EQ(url.error().code(), Code::kInvalidArgument);
        EXPECT_EQ(url.error().message().find("secret"), std::string::npos);
    }
}

}  // namespace
}  // namespace atrium::http
