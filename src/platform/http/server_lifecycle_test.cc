#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>

#include "platform/http/internal/server_fixture.h"
#include "platform/http/server.h"

// Time, disconnects, failing handlers, addresses and draining. What the server makes of bytes is server_test.cc.
namespace atrium::http {
namespace {

using namespace std::chrono_literals;
using testing::body_of;
using testing::eventually;
using testing::RawClient;
using testing::Seen;
using testing::ServerTest;
using testing::status_of;
using testing::TestRoutes;
using testing::TestServer;

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

TEST_F(ServerTest, SaysWhenTheAddressIsInUse) {
    TestServer second(TestRoutes{&seen_}, {}, server().bound);
    EXPECT_NE(second.error.find(server().bound), std::string::npos) << second.error;
    EXPECT_NE(second.error.find("already in use"), std::string::npos) << second.error;
}

TEST(ServerAddress, RefusesWhatIsNone) {
    Seen seen;
    for (const std::string address : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "example.org:80", "8080",
                                      "unix:", "[::1:80", "198.51.100.7:0"}) {
        TestServer server(TestRoutes{&seen}, {}, address, 1);
        EXPECT_NE(server.error, "") << address;
    }
    TestServer name(TestRoutes{&seen}, {}, "localhost:0", 1);
    EXPECT_TRUE(name.bound.starts_with("127.0.0.1:"));
}

TEST(ServerAddress, UnixSocketsArePrivateAndReplacedWhenStale) {
    Seen seen;
    const auto folder = std::filesystem::temp_directory_path() / ("atrium-http-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    const std::string path = (folder / "s").string(), address = "unix:" + path;
    {
        TestServer server(TestRoutes{&seen}, {}, address);
        ASSERT_EQ(server.error, "");
        struct stat info{};
        ASSERT_EQ(::stat(path.c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777, 0600u);
        RawClient c(address);
        EXPECT_EQ(body_of(c.exchange("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")), "hello");
        TestServer second(TestRoutes{&seen}, {}, address);
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
        TestServer server(TestRoutes{&seen}, {}, address);
        EXPECT_EQ(server.error, "");
    }
    ::close(::creat(path.c_str(), 0600));
    TestServer server(TestRoutes{&seen}, {}, address);
    EXPECT_NE(server.error.find("not a socket"), std::string::npos);
    EXPECT_TRUE(std::filesystem::exists(path));
    std::filesystem::remove_all(folder);
}

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
