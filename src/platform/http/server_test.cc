#include "platform/http/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <stdexcept>

#include "base/check.h"
#include "platform/http/internal/test_support.h"

namespace atrium::http {
namespace {

using namespace std::chrono_literals;
using testing::body_of;
using testing::RawClient;
using testing::status_of;
using testing::TestServer;

/// What the handler of these tests saw.
struct Seen {
    std::atomic<int> handled{0};
    std::atomic<int> stopped{0};
    std::atomic<int> in_flight{0};
    std::atomic<int> last_error{-1};
};

template <class Condition>
bool eventually(Condition condition) {
    for (int i = 0; i < 1000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

struct Routes {
    Seen* seen;

    Task<> operator()(Exchange& exchange) const { return handle(seen, exchange); }

    static Task<> handle(Seen* seen, Exchange& exchange) {
        ++seen->handled;
        ++seen->in_flight;
        struct Leave {
            Seen* seen;
            ~Leave() { --seen->in_flight; }
        } leave{seen};
        const std::string& path = exchange.head().path;
        if (path == "/hello") {
            (void)co_await exchange.respond(Response::text(200, "hello"));
        } else if (path == "/echo") {
            auto body = co_await exchange.read_body(1024 * 1024);
            if (!body) {
                seen->last_error = static_cast<int>(body.error().code());
                (void)co_await exchange.respond(
                    Response::text(http_status(body.error().code()), body.error().message()));
                co_return;
            }
            (void)co_await exchange.respond(Response::text(200, *body));
        } else if (path == "/pieces") {
            std::string all;
            while (true) {
                auto piece = co_await exchange.read_some();
                if (!piece || piece->empty()) break;
                EXPECT_LE(piece->size(), 64u * 1024);
                all += *piece;
            }
            (void)co_await exchange.respond(Response::text(200, std::to_string(all.size())));
        } else if (path == "/stream") {
            exchange.add_response_header("x-request-id", "req-1");
            ResponseHead head;
            head.headers.add("content-type", "text/event-stream");
            (void)co_await exchange.start(std::move(head));
            for (int i = 0; i < 3; ++i) (void)co_await exchange.write("data: " + std::to_string(i) + "\n\n");
            (void)co_await exchange.finish();
        } else if (path == "/endless") {
            (void)co_await exchange.start({});
            const std::string block(16 * 1024, 'x');
            while (true) {
                auto written = co_await exchange.write(block);
                if (!written) {
                    seen->last_error = static_cast<int>(written.error().code());
                    break;
                }
            }
        } else if (path == "/wait") {
            if (!co_await sleep_for(60s, exchange.stop_token())) ++seen->stopped;
            (void)co_await exchange.respond(Response::text(200, "stopped"));
        } else if (path == "/last-words") {
            (void)co_await exchange.start({});
            co_await sleep_for(60s, exchange.stop_token());
            (void)co_await exchange.write("last words");
            (void)co_await exchange.finish();
        } else if (path == "/silent-stop") {
            co_await sleep_for(60s, exchange.stop_token());
        } else if (path == "/slow") {
            co_await sleep_for(50ms);
            (void)co_await exchange.respond(Response::text(200, "slow"));
        } else if (path == "/throw") {
            throw std::runtime_error("a secret");
        } else if (path == "/throw-late") {
            (void)co_await exchange.start({});
            (void)co_await exchange.write("half");
            throw std::runtime_error("too late");
        } else if (path == "/forget") {
            co_return;
        } else if (path == "/nothing") {
            (void)co_await exchange.respond(Response{204, {}, ""});
        } else if (path == "/inject") {
            Response response = Response::text(200, "ok");
            response.headers.add("x-model", "a\r\nset-cookie: forged=1");
            (void)co_await exchange.respond(std::move(response));
        } else if (path == "/unread") {
            (void)co_await exchange.respond(Response::text(403, "no"));
        } else {
            std::string text =
                std::string(method_name(exchange.head().method)) + " " + path + " ? " + exchange.head().query;
            (void)co_await exchange.respond(Response::text(200, std::move(text)));
        }
    }
};

class ServerTest : public ::testing::Test {
protected:
    void start(ServerLimits limits = {}) { server_ = std::make_unique<TestServer>(Routes{&seen_}, limits); }
    TestServer& server() {
        if (!server_) start();
        return *server_;
    }
    std::string get(std::string_view path) {
        RawClient c(server().bound);
        return c.exchange("GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    Seen seen_;
    std::unique_ptr<TestServer> server_;
};

TEST_F(ServerTest, KeepsTheConnectionAndDatesItsAnswers) {
    RawClient c(server().bound);
    for (int i = 0; i < 3; ++i) {
        const std::string response = c.exchange("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        EXPECT_EQ(status_of(response), 200);
        EXPECT_EQ(body_of(response), "hello");
        EXPECT_NE(response.find("\r\nDate: "), std::string::npos);
        EXPECT_NE(response.find("GMT\r\n"), std::string::npos);
        EXPECT_EQ(response.find("Connection:"), std::string::npos);
    }
    EXPECT_EQ(server().server.open_connections(), 1);
    EXPECT_EQ(status_of(c.exchange("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")), 200);
    EXPECT_TRUE(c.closed());
}

TEST_F(ServerTest, Http10ClosesUnlessAskedAndStreamsWithoutChunks) {
    RawClient c(server().bound);
    c.send("GET /hello HTTP/1.0\r\n\r\n");
    EXPECT_NE(c.read_all().find("Connection: close"), std::string::npos);
    RawClient kept(server().bound);
    EXPECT_NE(kept.exchange("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").find("Connection: keep-alive"),
              std::string::npos);
    kept.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const std::string streamed = kept.read_all();
    EXPECT_EQ(body_of(streamed), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    EXPECT_EQ(streamed.find("chunked"), std::string::npos);
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
    RawClient c(server().bound);
    std::string requests;
    for (int i = 0; i < 20; ++i) {
        requests += i % 3 == 0 ? "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
                    : i % 3 == 1
                        ? "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab" + std::to_string(10 + i)
                        : "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ncd\r\n0\r\n\r\n";
    }
    c.send(requests);
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(body_of(c.read_response()), i % 3 == 0   ? "slow"
                                              : i % 3 == 1 ? "ab" + std::to_string(10 + i)
                                                           : "cd")
            << i;
    }
    EXPECT_TRUE(c.quiet_for(20ms));
}

TEST_F(ServerTest, AnyFragmentationIsTheSameRequest) {
    const std::string request =
        "\r\nPOST /echo?x=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Empty:\r\n\r\n"
        "5;name=\"v\"\r\nhello\r\n001\r\n!\r\n0\r\nTrailer: dropped\r\n\r\n";
    for (std::size_t split = 1; split < request.size(); split += 3) {
        RawClient c(server().bound);
        c.send(request.substr(0, split));
        std::this_thread::sleep_for(1ms);
        c.send(request.substr(split));
        EXPECT_EQ(body_of(c.read_response()), "hello!") << split;
    }
    RawClient c(server().bound);
    for (const char byte : request) c.send({&byte, 1});
    EXPECT_EQ(body_of(c.read_response()), "hello!");
}

TEST_F(ServerTest, HeadHasTheLengthButNoBody) {
    RawClient c(server().bound);
    c.send(
        "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: "
        "x\r\n\r\n");
    EXPECT_NE(c.read_response(true).find("Content-Length: 5\r\n"), std::string::npos);
    EXPECT_EQ(status_of(c.read_response(true)), 200);
    EXPECT_EQ(body_of(c.read_response()), "hello");
}

TEST_F(ServerTest, NoContentHasNoLength) {
    const std::string response = get("/nothing");
    EXPECT_EQ(status_of(response), 204);
    EXPECT_EQ(response.find("Content-Length"), std::string::npos);
}

TEST_F(ServerTest, StreamsAreChunkedAndCarryTheExtraHeaders) {
    const std::string response = get("/stream");
    EXPECT_NE(response.find("x-request-id: req-1\r\n"), std::string::npos);
    EXPECT_EQ(body_of(response), "9\r\ndata: 0\n\n\r\n9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n");
}

TEST_F(ServerTest, HeaderValuesCannotForgeFields) {
    const std::string response = get("/inject");
    EXPECT_EQ(response.find("\nset-cookie"), std::string::npos);
    EXPECT_NE(response.find("x-model: a  set-cookie: forged=1\r\n"), std::string::npos);
}

TEST_F(ServerTest, TargetsAreDecodedAndSplit) {
    EXPECT_EQ(body_of(get("/a%20b/%E4%B8%AD?q=%20")), "GET /a b/中 ? q=%20");
    EXPECT_EQ(body_of(get("/v1/models/org%2Fname")), "GET /v1/models/org/name ? ");
    EXPECT_EQ(body_of(get("http://x/abs?y")), "GET /abs ? y");
    EXPECT_EQ(body_of(get("http://x?y")), "GET / ? y");
    EXPECT_EQ(body_of(get("/...")), "GET /... ? ");
    RawClient c(server().bound);
    EXPECT_EQ(body_of(c.exchange("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")), "OPTIONS * ? ");
    EXPECT_EQ(body_of(c.exchange("BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n")), "OTHER /pot ? ");
}

struct BadRequest {
    std::string name, bytes;
    int status = 400;
};

std::vector<BadRequest> bad_requests() {
    const auto head = [](std::string lines) {
        return "POST /echo HTTP/1.1\r\nHost: x\r\n" + std::move(lines) + "\r\n";
    };
    const auto target = [](std::string t) { return "GET " + std::move(t) + " HTTP/1.1\r\nHost: x\r\n\r\n"; };
    const auto chunks = [&](std::string body) { return head("Transfer-Encoding: chunked\r\n") + std::move(body); };
    return {
        {"length and coding", head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n"},
        {"coding and length", head("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n"},
        {"differing lengths", head("Content-Length: 5\r\nContent-Length: 6\r\n") + "hello"},
        {"equal lengths", head("Content-Length: 5\r\nContent-Length: 5\r\n") + "hello"},
        {"length list", head("Content-Length: 5, 5\r\n") + "hello"},
        {"signed length", head("Content-Length: +5\r\n") + "hello"},
        {"negative length", head("Content-Length: -5\r\n") + "hello"},
        {"hex length", head("Content-Length: 0x5\r\n") + "hello"},
        {"empty length", head("Content-Length:\r\n")},
        {"huge length", head("Content-Length: 99999999999999999999\r\n")},
        {"gzip coding", head("Transfer-Encoding: gzip\r\n")},
        {"gzip, chunked", head("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n"},
        {"chunked, identity", head("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n"},
        {"chunked twice", head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n"},
        {"quoted coding", head("Transfer-Encoding: \"chunked\"\r\n") + "0\r\n\r\n"},
        {"coding with vertical tab", head("Transfer-Encoding: \x0b"
                                          "chunked\r\n") +
                                         "0\r\n\r\n"},
        {"space before colon", head("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n"},
        {"coding in 1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"folded field", head("X-A: b\r\n c\r\n")},
        {"folded field with tab", head("X-A: b\r\n\tc\r\n")},
        {"first field folded", "GET / HTTP/1.1\r\n Host: x\r\n\r\n"},
        {"bare LF", "GET / HTTP/1.1\nHost: x\n\n"},
        {"bare LF in fields", "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"},
        {"bare CR", head("X-A: b\rc\r\n")},
        {"NUL", head(std::string("X-A: b\0c\r\n", 10))},
        {"control in name", head("X\x01: a\r\n")},
        {"empty name", head(": a\r\n")},
        {"no colon", head("nonsense\r\n")},
        {"name with slash", head("X/A: a\r\n")},
        {"no host", "GET / HTTP/1.1\r\n\r\n"},
        {"two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"},
        {"host with path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n"},
        {"host with user", "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n"},
        {"other host in target", "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"version 2", "GET / HTTP/2.0\r\nHost: x\r\n\r\n"},
        {"no version", "GET /\r\n\r\n"},
        {"version in lower case", "GET / http/1.1\r\nHost: x\r\n\r\n"},
        {"two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"tab in request line", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"space in target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"method with colon", "GE:T / HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"connect", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)},
        {"relative target", target("a")},
        {"star with GET", target("*")},
        {"other scheme", target("ftp://x/")},
        {"fragment", target("/a#b")},
        {"raw UTF-8", target("/\xE4\xB8\xAD")},
        {"backslash", target("/a\\..\\b")},
        {"dot dot", target("/a/../b")},
        {"dot dot at the end", target("/a/..")},
        {"encoded dot dot", target("/a/%2e%2E/b")},
        {"encoded slash and dots", target("/a%2f..%2fb")},
        {"dot", target("/a/./b")},
        {"encoded NUL", target("/a%00b")},
        {"encoded line feed", target("/a%0ab")},
        {"bad percent", target("/a%zz")},
        {"cut percent", target("/a%4")},
        {"overlong UTF-8", target("/%c0%ae%c0%ae/")},
        {"unknown expectation", head("Expect: 200-ok\r\nContent-Length: 1\r\n"), 417},
        {"chunk size with bare LF", chunks("5\nhello\r\n0\r\n\r\n")},
        {"chunk size not hex", chunks("z\r\n\r\n")},
        {"chunk size with 0x", chunks("0x5\r\nhello\r\n0\r\n\r\n")},
        {"chunk size with sign", chunks("+5\r\nhello\r\n0\r\n\r\n")},
        {"chunk size with space", chunks("5 \r\nhello\r\n0\r\n\r\n")},
        {"chunk size with leading space", chunks(" 5\r\nhello\r\n0\r\n\r\n")},
        {"chunk size empty", chunks("\r\nhello\r\n0\r\n\r\n")},
        {"chunk size overflows", chunks("fffffffffffffffff\r\n")},
        {"chunk without end", chunks("5\r\nhelloX\r\n0\r\n\r\n")},
        {"chunk with bare LF at the end", chunks("5\r\nhello\n0\r\n\r\n")},
        {"extension with bare LF", chunks("5;a\nb\r\nhello\r\n0\r\n\r\n")},
        {"long extension", chunks("5;" + std::string(2000, 'x') + "\r\nhello\r\n0\r\n\r\n")},
        {"long trailers", chunks("0\r\nX: " + std::string(20000, 'x') + "\r\n\r\n")},
        {"long head", head("X-Long: " + std::string(70000, 'x') + "\r\n"), 431},
        {"many fields", head([] {
             std::string lines;
             for (int i = 0; i < 300; ++i) lines += "a: b\r\n";
             return lines;
         }()),
         431},
        {"endless request line", "GET /" + std::string(70000, 'x'), 431},
    };
}

// Whatever follows a request of this list must never be taken for a second request.
TEST_F(ServerTest, RefusesWhatTwoParsersMightReadDifferently) {
    for (const BadRequest& bad : bad_requests()) {
        const int before = seen_.handled;
        RawClient c(server().bound);
        c.send(bad.bytes);
        c.send("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
        c.shutdown();
        const std::string all = c.read_all();
        EXPECT_EQ(status_of(all), bad.status) << bad.name << "\n" << all;
        EXPECT_EQ(all.find("/smuggled"), std::string::npos) << bad.name;
        EXPECT_EQ(all.find("HTTP/1.1 200"), std::string::npos) << bad.name << "\n" << all;
        EXPECT_LE(seen_.handled - before, 1) << bad.name;
        if (bad.name.find("chunk") != 0 && !bad.name.starts_with("ext") && !bad.name.starts_with("long ")) {
            EXPECT_NE(all.find("Connection: close"), std::string::npos) << bad.name;
        }
    }
    EXPECT_EQ(status_of(get("/hello")), 200);
}

TEST_F(ServerTest, BodiesUpToTheLimitByLengthAndByChunks) {
    const std::string big(1024 * 1024, 'b');
    RawClient c(server().bound);
    std::string response = c.exchange("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n" + big);
    EXPECT_EQ(body_of(response), big);
    std::string chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 16; ++i) chunked += "10000\r\n" + big.substr(0, 65536) + "\r\n";
    chunked += "0\r\n\r\n";
    EXPECT_EQ(body_of(c.exchange(chunked)), big);
    EXPECT_EQ(body_of(c.exchange("POST /pieces HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n" + big)),
              "1048576");
}

TEST_F(ServerTest, AnAnnouncedBodyAboveTheLimitIsRefusedBeforeItIsRead) {
    RawClient c(server().bound);
    c.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
    const std::string response = c.read_response();
    EXPECT_EQ(status_of(response), 413);
    EXPECT_NE(response.find("Connection: close"), std::string::npos);
    RawClient chunked(server().bound);
    chunked.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 17; ++i) chunked.send("10000\r\n" + std::string(65536, 'x') + "\r\n");
    EXPECT_EQ(status_of(chunked.read_response()), 413);
}

TEST_F(ServerTest, AnUnreadBodyIsSkippedWhenSmall) {
    RawClient c(server().bound);
    EXPECT_EQ(status_of(c.exchange("POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" +
                                   std::string(100000, 'x'))),
              403);
    EXPECT_EQ(status_of(c.exchange(
                  "POST /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")),
              403);
    EXPECT_EQ(body_of(c.exchange("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")), "hello");
    c.send("POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + std::string(300000, 'x'));
    const std::string response = c.read_response();
    EXPECT_EQ(status_of(response), 403);
    EXPECT_NE(response.find("Connection: close"), std::string::npos);
    EXPECT_TRUE(c.closed());
}

TEST_F(ServerTest, ContinueIsSentOnlyWhenTheBodyIsWanted) {
    RawClient c(server().bound);
    c.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    EXPECT_EQ(c.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    c.send("ab");
    EXPECT_EQ(body_of(c.read_response()), "ab");
    c.send("POST /unread HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    const std::string refused = c.read_response();
    EXPECT_EQ(status_of(refused), 403);
    EXPECT_NE(refused.find("Connection: close"), std::string::npos);
    RawClient no_body(server().bound);
    EXPECT_EQ(status_of(no_body.exchange("GET /hello HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n")), 200);
}

TEST_F(ServerTest, SlowHeadsAreToldSoAndIdleConnectionsClose) {
    ServerLimits limits;
    limits.head_deadline = 40ms;
    limits.idle_deadline = 60ms;
    limits.body_gap = 40ms;
    start(limits);
    RawClient slow(server().bound);
    slow.send("GET /hello HTTP/1.1\r\nHo");
    EXPECT_EQ(status_of(slow.read_all()), 408);
    RawClient idle(server().bound);
    EXPECT_EQ(idle.read_all(), "");
    RawClient kept(server().bound);
    EXPECT_EQ(status_of(kept.exchange("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
    EXPECT_EQ(kept.read_all(), "");
    RawClient body(server().bound);
    body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    EXPECT_EQ(status_of(body.read_all()), 504);
    EXPECT_EQ(seen_.last_error, static_cast<int>(Code::kDeadlineExceeded));
}

TEST_F(ServerTest, ADisconnectFiresTheStopToken) {
    for (const bool reset : {false, true}) {
        const int before = seen_.stopped;
        RawClient c(server().bound);
        c.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
        ASSERT_TRUE(eventually([&] { return seen_.in_flight == 1; }));
        if (reset)
            c.reset();
        else
            c.close();
        EXPECT_TRUE(eventually([&] { return seen_.stopped == before + 1 && seen_.in_flight == 0; })) << reset;
    }
    // A pipelined request does not hide the disconnect.
    RawClient c(server().bound);
    c.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return seen_.in_flight == 1; }));
    c.close();
    EXPECT_TRUE(eventually([&] { return seen_.stopped == 3; }));
    EXPECT_TRUE(eventually([&] { return server().server.open_connections() == 0; }));
}

TEST_F(ServerTest, ADisconnectWhileReadingTheBodyIsCancelled) {
    RawClient c(server().bound);
    c.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    ASSERT_TRUE(eventually([&] { return seen_.in_flight == 1; }));
    c.close();
    EXPECT_TRUE(eventually([&] { return seen_.last_error == static_cast<int>(Code::kCancelled); }));
}

TEST_F(ServerTest, AStreamEndsWhenItsReaderLeavesOrStalls) {
    ServerLimits limits;
    limits.write_deadline = 100ms;
    start(limits);
    RawClient leaver(server().bound);
    leaver.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
    leaver.read_until("xxxx");
    leaver.close();
    EXPECT_TRUE(eventually([&] { return seen_.last_error == static_cast<int>(Code::kCancelled); }));
    RawClient sleeper(server().bound);
    sleeper.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return seen_.last_error == static_cast<int>(Code::kDeadlineExceeded); }));
    EXPECT_TRUE(eventually([&] { return seen_.in_flight == 0; }));
}

TEST_F(ServerTest, AnExceptionIsA500WithoutItsText) {
    const std::string response = get("/throw");
    EXPECT_EQ(status_of(response), 500);
    EXPECT_EQ(
        body_of(response),
        R"({"error":{"message":"the server failed to answer this request","type":"server_error","param":null,"code":null}})");
    EXPECT_EQ(response.find("secret"), std::string::npos);
    RawClient late(server().bound);
    late.send("GET /throw-late HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string cut = late.read_all();
    EXPECT_NE(cut.find("half"), std::string::npos);
    EXPECT_EQ(cut.find("0\r\n\r\n"), std::string::npos);
    EXPECT_EQ(status_of(get("/hello")), 200);
}

TEST_F(ServerTest, AForgottenResponseIsABug) {
    static std::atomic<int> bugs;
    bugs = 0;
    set_bug_handler([](std::string_view, std::source_location) { ++bugs; });
    EXPECT_EQ(status_of(get("/forget")), 500);
    EXPECT_EQ(bugs, 1);
    set_bug_handler(nullptr);
}

TEST_F(ServerTest, TooManyConnectionsAreTurnedAway) {
    ServerLimits limits;
    limits.max_connections = 2;
    start(limits);
    RawClient a(server().bound), b(server().bound);
    EXPECT_EQ(status_of(a.exchange("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
    EXPECT_EQ(status_of(b.exchange("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
    RawClient c(server().bound);
    const std::string response = c.read_response();
    EXPECT_EQ(status_of(response), 503);
    EXPECT_TRUE(c.closed());
    a.close();
    ASSERT_TRUE(eventually([&] { return server().server.open_connections() == 1; }));
    EXPECT_EQ(status_of(get("/hello")), 200);
}

TEST_F(ServerTest, ManyConnectionsOnAllThreads) {
    start();
    std::vector<std::thread> clients;
    std::atomic<int> good{0};
    for (int t = 0; t < 4; ++t) {
        clients.emplace_back([&] {
            for (int i = 0; i < 20; ++i) {
                RawClient c(server().bound);
                for (int j = 0; j < 5; ++j)
                    good += body_of(c.exchange("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")) == "hello";
            }
        });
    }
    for (auto& thread : clients) thread.join();
    EXPECT_EQ(good, 400);
    EXPECT_TRUE(eventually([&] { return server().server.open_connections() == 0; }));
}

// ---- addresses -----------------------------------------------------------------------------------------------------

TEST_F(ServerTest, SaysWhenTheAddressIsInUse) {
    TestServer second(Routes{&seen_}, {}, server().bound);
    EXPECT_NE(second.error.find(server().bound), std::string::npos) << second.error;
    EXPECT_NE(second.error.find("already in use"), std::string::npos) << second.error;
}

TEST(ServerAddress, RefusesWhatIsNone) {
    Seen seen;
    for (const std::string address : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "example.org:80", "8080",
                                      "unix:", "[::1:80", "198.51.100.7:0"}) {
        TestServer server(Routes{&seen}, {}, address, 1);
        EXPECT_NE(server.error, "") << address;
    }
    TestServer name(Routes{&seen}, {}, "localhost:0", 1);
    EXPECT_TRUE(name.bound.starts_with("127.0.0.1:"));
}

TEST(ServerAddress, UnixSocketsArePrivateAndReplacedWhenStale) {
    Seen seen;
    const auto folder = std::filesystem::temp_directory_path() / ("atrium-http-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    const std::string path = (folder / "s").string(), address = "unix:" + path;
    {
        TestServer server(Routes{&seen}, {}, address);
        ASSERT_EQ(server.error, "");
        struct stat info{};
        ASSERT_EQ(::stat(path.c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777, 0600u);
        RawClient c(address);
        EXPECT_EQ(body_of(c.exchange("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")), "hello");
        TestServer second(Routes{&seen}, {}, address);
        EXPECT_NE(second.error.find("already in use"), std::string::npos);
        RawClient still(address);
        EXPECT_EQ(body_of(still.exchange("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")), "hello");
    }
    EXPECT_FALSE(std::filesystem::exists(path));
    {
        // What a killed process leaves behind: a socket file nobody listens on.
        const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        std::strncpy(un.sun_path, path.c_str(), sizeof un.sun_path - 1);
        ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&un), sizeof un), 0);
        ::close(fd);
        TestServer server(Routes{&seen}, {}, address);
        EXPECT_EQ(server.error, "");
    }
    ::close(::creat(path.c_str(), 0600));
    TestServer server(Routes{&seen}, {}, address);
    EXPECT_NE(server.error.find("not a socket"), std::string::npos);
    EXPECT_TRUE(std::filesystem::exists(path));
    std::filesystem::remove_all(folder);
}

// ---- drain ---------------------------------------------------------------------------------------------------------

struct DrainTest : ServerTest {
    std::chrono::milliseconds drain(std::chrono::milliseconds deadline) {
        const auto before = std::chrono::steady_clock::now();
        run_until_complete(server().server.drain(deadline));
        return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - before);
    }
};

TEST_F(DrainTest, ClosesIdleConnectionsAtOnce) {
    RawClient a(server().bound), b(server().bound);
    a.exchange("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    b.exchange("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_LT(drain(10s), 2s);
    EXPECT_TRUE(a.closed() && b.closed());
    RawClient late(server().bound);
    EXPECT_FALSE(late.connected() && late.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n") &&
                 !late.read_response().empty());
}

TEST_F(DrainTest, LetsActiveExchangesFinish) {
    RawClient c(server().bound);
    c.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return seen_.in_flight == 1; }));
    EXPECT_LT(drain(10s), 5s);
    const std::string response = c.read_all();
    EXPECT_EQ(body_of(response), "slow");
    EXPECT_NE(response.find("Connection: close"), std::string::npos);
}

TEST_F(DrainTest, StopsTheRestAfterTheDeadline) {
    RawClient c(server().bound);
    c.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return seen_.in_flight == 1; }));
    const auto took = drain(30ms);
    EXPECT_GE(took, 30ms);
    EXPECT_LT(took, 2s);
    EXPECT_EQ(seen_.stopped, 1);
    EXPECT_EQ(body_of(c.read_response()), "stopped");
    EXPECT_EQ(server().server.open_connections(), 0);
}

TEST_F(DrainTest, StreamsMaySayLastWords) {
    RawClient stream(server().bound), silent(server().bound);
    stream.send("GET /last-words HTTP/1.1\r\nHost: x\r\n\r\n");
    silent.send("GET /silent-stop HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return seen_.in_flight == 2; }));
    EXPECT_LT(drain(10ms), 2s);
    EXPECT_NE(stream.read_response().find("last words\r\n0\r\n\r\n"), std::string::npos);
    EXPECT_EQ(status_of(silent.read_response()), 503);
}

TEST_F(ServerTest, EndsWithExchangesInFlight) {
    for (int i = 0; i < 5; ++i) {
        start();
        RawClient a(server().bound), b(server().bound);
        a.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
        b.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
        ASSERT_TRUE(eventually([&] { return seen_.in_flight == 2; }));
        server_.reset();
        EXPECT_EQ(seen_.in_flight, 0);
    }
}

}  // namespace
}  // namespace atrium::http
