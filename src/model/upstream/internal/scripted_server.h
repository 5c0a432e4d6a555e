#pragma once

#include <string>
#include <thread>

#include "platform/async/runtime.h"
#include "platform/http/server.h"

namespace atrium::model::testing {

/// An HTTP server that answers everything with one response and remembers what it was sent.
class ScriptedServer {
public:
    explicit ScriptedServer(http::Response answer)
        : answer_(std::move(answer)), runtime_(1), server_(runtime_, {}, handler()) {
        address_ = server_.listen("127.0.0.1:0").value();
        thread_ = std::thread([this] { runtime_.run(); });
    }
    ~ScriptedServer() {
        runtime_.stop();
        thread_.join();
    }
    std::string url() const { return "http://" + address_ + "/v1"; }

    http::RequestHead head;
    std::string body;

private:
    http::Handler handler() {
        return [this](http::Exchange& exchange) { return answer(this, exchange); };
    }
    static Task<> answer(ScriptedServer* self, http::Exchange& exchange) {
        self->head = exchange.head();
        self->body = (co_await exchange.read_body(1 << 20)).value_or("");
        co_await exchange.respond(self->answer_);
    }

    http::Response answer_;
    Runtime runtime_;
    http::Server server_;
    std::string address_;
    std::thread thread_;
};

}  // namespace atrium::model::testing
