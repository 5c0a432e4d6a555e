#include "platform/http/server.h"

#include "platform/http/internal/server_fixture.h"

// What the server makes of bytes: framing, limits, refusals. Its life is server_lifecycle_test.cc.
namespace atrium::http {
namespace {

using namespace std::chrono_literals;
using testing::body_of;
using testing::RawClient;
using testing::ServerTest;
using testing::status_of;

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

}  // namespace
}  // namespace atrium::http
