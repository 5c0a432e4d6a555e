#include "platform/http/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include "observability/log/log.h"
#include "platform/http/internal/connection.h"
#include "platform/http/internal/listener.h"

namespace atrium::http {
namespace {

using internal::Connection;
using internal::Listener;
using internal::ServerShared;

// After the stop tokens have fired, handlers get this long to send their last words before the sockets are closed.
constexpr std::chrono::milliseconds kLastWords{2000};
constexpr std::chrono::milliseconds kAfterForce{1000};

constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 111\r\nRetry-After: 1\r\n"
    "Connection: close\r\n\r\n"
    R"({"error":{"message":"too many connections, please retry later","type":"server_error","param":null,"code":null}})";

void turn_away(int fd) {
    char ignored[4096];
    // What has arrived is read first, or closing would reset the connection before the answer is seen.
    while (::recv(fd, ignored, sizeof ignored, MSG_DONTWAIT) == static_cast<ssize_t>(sizeof ignored)) {
    }
    (void)::send(fd, kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(fd, SHUT_WR);
    ::close(fd);
}

}  // namespace

struct Server::State : std::enable_shared_from_this<Server::State> {
    State(Runtime& r, ServerLimits limits, Handler handler)
        : runtime(r), shared(std::make_shared<ServerShared>(limits, std::move(handler))) {
        for (int i = 0; i < r.io_threads(); ++i) {
            auto thread = std::make_unique<ServerShared::PerThread>();
            thread->context = &r.context(i);
            thread->address = IoThread::of(r.context(i)).address();
            shared->threads.push_back(std::move(thread));
        }
    }

    /// On thread 0. Objects never change thread, so the choice is made once, in turn.
    void accepted(int fd, int family, std::string peer) {
        if (shared->draining || shared->open >= shared->limits.max_connections) return turn_away(fd);
        ServerShared::PerThread& thread = *shared->threads[next_thread++ % shared->threads.size()];
        shared->opened();
        if (&thread == shared->threads[0].get()) {
            spawn(*thread.context, Connection::serve(shared, &thread, fd, family, std::move(peer)));
            return;
        }
        auto start = [state = shared, &thread, fd, family, peer = std::move(peer)]() mutable {
            spawn(*thread.context, Connection::serve(state, &thread, fd, family, std::move(peer)));
        };
        if (!thread.address->post(std::move(start))) {
            ::close(fd);
            shared->closed();
        }
    }

    void for_each_connection(void (*act)(Connection&)) {
        for (const auto& thread : shared->threads) {
            thread->address->post([state = shared, thread = thread.get(), act] {
                // `act` may end a connection at once, which takes it off the list.
                for (auto at = thread->connections.begin(); at != thread->connections.end();) act(*at++);
            });
        }
    }

    /// Closes the listeners on their own thread; the event is set when that is done.
    void stop_listening(Event done) {
        auto close_all = [state = shared_from_this(), done]() mutable {
            for (const auto& listener : state->listeners) listener->close();
            done.set();
        };
        if (!shared->threads[0]->address->post(std::move(close_all))) done.set();
    }

    Runtime& runtime;
    const std::shared_ptr<ServerShared> shared;
    std::vector<std::shared_ptr<Listener>> listeners;  ///< thread 0 once the runtime runs
    std::size_t next_thread = 0;
};

Server::Server(Runtime& runtime, ServerLimits limits, Handler handler)
    : state_(std::make_shared<State>(runtime, limits, std::move(handler))) {}

Server::~Server() {
    state_->shared->draining = true;
    state_->stop_listening(Event());
    state_->for_each_connection([](Connection& connection) {
        connection.fire_stop();
        connection.force_close();
    });
}

Result<std::string> Server::listen(const std::string& address) {
    TRY_ASSIGN(auto listener, Listener::open(state_->runtime.context(0), address));
    std::string bound = listener->bound();
    state_->shared->threads[0]->address->post([state = std::weak_ptr(state_), listener]() mutable {
        const auto locked = state.lock();
        if (!locked) return;
        locked->listeners.push_back(listener);
        if (locked->shared->draining) return listener->close();
        listener->start([state](int fd, int family, std::string peer) {
            if (const auto server = state.lock())
                server->accepted(fd, family, std::move(peer));
            else
                ::close(fd);
        });
    });
    return bound;
}

int Server::open_connections() const {
    return state_->shared->open;
}

Task<> Server::drain(std::chrono::milliseconds deadline) {
    const auto state = state_;
    ServerShared& shared = *state->shared;
    shared.draining = true;
    Event closed;
    state->stop_listening(closed);
    co_await closed.wait(std::chrono::seconds(5));

    Event all_closed;
    {
        std::scoped_lock lock(shared.mutex);
        shared.all_closed = all_closed;
    }
    if (shared.open == 0) co_return;
    state->for_each_connection([](Connection& connection) { connection.close_if_idle(); });
    if (co_await all_closed.wait(deadline)) co_return;
    log::info("the drain deadline has passed", {{"connections", shared.open.load()}});
    state->for_each_connection([](Connection& connection) { connection.fire_stop(); });
    if (co_await all_closed.wait(kLastWords)) co_return;
    state->for_each_connection([](Connection& connection) { connection.force_close(); });
    if (!co_await all_closed.wait(kAfterForce)) {
        log::warning("handlers still run after the drain", {{"connections", shared.open.load()}});
    }
}

}  // namespace atrium::http
