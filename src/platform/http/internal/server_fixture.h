#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "base/check.h"
#include "platform/http/internal/test_support.h"
#include "platform/http/server.h"

/// For the tests of the server: a handler that misbehaves on demand, and the server around it.
namespace atrium::http::testing {

using namespace std::chrono_literals;

/// What the handler of these tests saw.
struct Seen {
    std::atomic<int> handled{0};
    std::atomic<int> stopped{0};
    std::atomic<int> in_flight{0};
    std::atomic<int> last_error{-1};
};

/// Whether `condition` came true within five seconds.
template <class Condition>
bool eventually(Condition condition) {
    for (int i = 0; i < 1000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

/// A handler with one behaviour per path.
struct TestRoutes {
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

/// A server with TestRoutes on a free port, started when first used.
class ServerTest : public ::testing::Test {
protected:
    void start(ServerLimits limits = {}) { server_ = std::make_unique<TestServer>(TestRoutes{&seen_}, limits); }
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

}  // namespace atrium::http::testing
