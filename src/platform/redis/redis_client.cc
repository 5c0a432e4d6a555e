#include "platform/redis/redis_client.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/text.h"
#include "observability/log/log.h"
#include "platform/async/runtime.h"

namespace atrium::redis {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxQueued = 10'000;
constexpr std::size_t kPipeline = 256;
constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kMaxBackoff{2000};

struct Location {
    std::string host = "127.0.0.1";
    int port = 6379;
    std::string socket;  ///< instead of host and port
    std::string user;
    std::string password;
    int number = 0;
};

Error bad_url(std::string_view what) {
    return invalid_argument(
        fmt::format("the Redis URL {}; it must look like redis://[user:password@]host[:port][/number]", what));
}

Result<Location> parse(std::string_view url) {
    Location location;
    constexpr std::string_view kUnix = "unix://";
    constexpr std::string_view kRedis = "redis://";
    if (url.starts_with(kUnix)) {
        location.socket = url.substr(kUnix.size());
        if (!location.socket.starts_with('/')) return fail(bad_url("has no absolute path"));
        return location;
    }
    if (!url.starts_with(kRedis)) return fail(bad_url("has another scheme"));
    url.remove_prefix(kRedis.size());
    if (const auto slash = url.find('/'); slash != std::string_view::npos) {
        const auto number = text::to_int(url.substr(slash + 1));
        if (slash + 1 < url.size() && (!number || *number < 0 || *number > 1000))
            return fail(bad_url("has a bad number"));
        location.number = static_cast<int>(number.value_or(0));
        url = url.substr(0, slash);
    }
    if (const auto at = url.rfind('@'); at != std::string_view::npos) {
        const auto login = url.substr(0, at);
        const auto colon = login.find(':');
        location.user = colon == std::string_view::npos ? "" : login.substr(0, colon);
        location.password = colon == std::string_view::npos ? login : login.substr(colon + 1);
        url.remove_prefix(at + 1);
    }
    if (const auto colon = url.rfind(':'); colon != std::string_view::npos && !url.ends_with(']')) {
        const auto port = text::to_int(url.substr(colon + 1));
        if (!port || *port < 1 || *port > 65535) return fail(bad_url("has a bad port"));
        location.port = static_cast<int>(*port);
        url = url.substr(0, colon);
    }
    if (url.starts_with('[') && url.ends_with(']')) url = url.substr(1, url.size() - 2);
    if (!url.empty()) location.host = url;
    return location;
}

timeval to_timeval(milliseconds duration) {
    return {static_cast<time_t>(duration.count() / 1000), static_cast<suseconds_t>(duration.count() % 1000 * 1000)};
}

Reply to_reply(const redisReply& raw) {
    Reply reply;
    switch (raw.type) {
        case REDIS_REPLY_INTEGER:
            reply.kind = Reply::Kind::kInteger;
            reply.integer = raw.integer;
            break;
        case REDIS_REPLY_STRING:
        case REDIS_REPLY_STATUS:
        case REDIS_REPLY_ERROR:
            reply.kind = Reply::Kind::kText;
            reply.text.assign(raw.str, static_cast<std::size_t>(raw.len));
            break;
        case REDIS_REPLY_ARRAY:
            reply.kind = Reply::Kind::kList;
            for (std::size_t i = 0; i < raw.elements; ++i) reply.items.push_back(to_reply(*raw.element[i]));
            break;
        default: break;
    }
    return reply;
}

Error away() {
    return unavailable("the Redis server cannot be reached");
}

struct FreeContext {
    void operator()(redisContext* context) const { redisFree(context); }
};
struct FreeReply {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, FreeContext>;

bool send(redisContext& context, const RedisClient::Arguments& command) {
    std::vector<const char*> words;
    std::vector<std::size_t> sizes;
    for (const auto& word : command) {
        words.push_back(word.data());
        sizes.push_back(word.size());
    }
    return redisAppendCommandArgv(&context, static_cast<int>(words.size()), words.data(), sizes.data()) == REDIS_OK;
}

/// Nothing: the connection is broken.
std::unique_ptr<redisReply, FreeReply> receive(redisContext& context) {
    void* raw = nullptr;
    if (redisGetReply(&context, &raw) != REDIS_OK) return nullptr;
    return std::unique_ptr<redisReply, FreeReply>(static_cast<redisReply*>(raw));
}

}  // namespace

std::int64_t Reply::integer_at(std::size_t index) const {
    if (index >= items.size()) return 0;
    const auto& item = items[index];
    return item.kind == Kind::kText ? text::to_int(item.text).value_or(0) : item.integer;
}

struct RedisClient::State {
    struct Job {
        Arguments command;
        Done done;
    };

    Location location;
    Options options;
    std::mutex mutex;
    std::condition_variable ready;
    std::deque<Job> jobs;
    bool closing = false;
    std::atomic<bool> connected{false};
    std::thread thread;

    /// Everything below runs on the client's thread.
    Context context;
    milliseconds backoff{kFirstBackoff};
    bool told = false;

    bool ask(const Arguments& command) {
        if (!send(*context, command)) return false;
        const auto reply = receive(*context);
        return reply && reply->type != REDIS_REPLY_ERROR;
    }

    bool connect() {
        const auto timeout = to_timeval(options.connect_timeout);
        context.reset(location.socket.empty() ? redisConnectWithTimeout(location.host.c_str(), location.port, timeout)
                                              : redisConnectUnixWithTimeout(location.socket.c_str(), timeout));
        bool usable = context != nullptr && context->err == 0 &&
                      redisSetTimeout(context.get(), to_timeval(options.reply_timeout)) == REDIS_OK;
        if (usable && !location.password.empty()) {
            Arguments login{"AUTH"};
            if (!location.user.empty()) login.push_back(location.user);
            login.push_back(location.password);
            usable = ask(login);
        }
        if (usable && location.number != 0) usable = ask({"SELECT", std::to_string(location.number)});
        if (usable) usable = ask({"PING"});
        if (!usable) context.reset();
        if (usable)
            log::info("connected to Redis", {{"host", location.socket.empty() ? location.host : location.socket}});
        if (!usable && !told) log::warning("the Redis server cannot be reached; trying again and again");
        told = !usable;
        backoff = usable ? kFirstBackoff : std::min(backoff * 2, kMaxBackoff);
        connected = usable;
        return usable;
    }

    void disconnect() {
        connected = false;
        context.reset();
        log::warning("the connection to Redis broke");
        told = true;
    }

    void exchange(std::deque<Job>& batch) {
        bool alive = context != nullptr;
        for (auto& job : batch) alive = alive && send(*context, job.command);
        for (auto& job : batch) {
            auto reply = alive ? receive(*context) : nullptr;
            if (!reply) {
                alive = false;
                job.done(fail(away()));
            } else if (reply->type == REDIS_REPLY_ERROR) {
                const std::string words(reply->str, static_cast<std::size_t>(reply->len));
                job.done(fail(internal_error("a Redis command failed").with_cause(unknown_error(words))));
            } else {
                job.done(to_reply(*reply));
            }
        }
        if (!alive && context) disconnect();
    }

    void work() {
        // Writing to a connection that the server has closed is an error to handle, not a reason to die.
        sigset_t pipe;
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
        while (true) {
            std::deque<Job> batch;
            bool last = false;
            if (!context && !is_closing()) connect();
            {
                std::unique_lock lock(mutex);
                // A quiet connection is asked for a sign of life, so that `connected` is true only when it is.
                ready.wait_for(lock, context ? milliseconds(1000) : backoff,
                               [this] { return closing || !jobs.empty(); });
                last = closing;
                while (!jobs.empty() && batch.size() < kPipeline) {
                    batch.push_back(std::move(jobs.front()));
                    jobs.pop_front();
                }
            }
            if (batch.empty() && context && !last) batch.push_back({{"PING"}, [](const Result<Reply>&) {}});
            exchange(batch);
            if (last && batch.empty()) return;
        }
    }

    bool is_closing() {
        std::scoped_lock lock(mutex);
        return closing;
    }
};

Result<std::unique_ptr<RedisClient>> RedisClient::open(std::string_view url, Options options) {
    auto state = std::make_unique<State>();
    TRY_ASSIGN(state->location, parse(url));
    state->options = options;
    return std::unique_ptr<RedisClient>(new RedisClient(std::move(state)));
}

RedisClient::RedisClient(std::unique_ptr<State> state) : state_(std::move(state)) {
    state_->thread = std::thread([raw = state_.get()] { raw->work(); });
}

RedisClient::~RedisClient() {
    {
        std::scoped_lock lock(state_->mutex);
        state_->closing = true;
    }
    state_->ready.notify_one();
    state_->thread.join();
}

void RedisClient::post(Arguments command, Done done) {
    bool queued = false;
    if (state_->connected) {
        std::scoped_lock lock(state_->mutex);
        queued = !state_->closing && state_->jobs.size() < kMaxQueued;
        if (queued) state_->jobs.push_back({std::move(command), std::move(done)});
    }
    if (!queued) return done(fail(away()));
    state_->ready.notify_one();
}

Task<Result<Reply>> RedisClient::command(Arguments command) {
    struct Shared {
        Event event;
        std::mutex mutex;
        Result<Reply> reply = fail(away());
    };
    auto shared = std::make_shared<Shared>();
    post(std::move(command), [shared](Result<Reply> reply) {
        {
            std::scoped_lock lock(shared->mutex);
            shared->reply = std::move(reply);
        }
        shared->event.set();
    });
    co_await shared->event.wait(state_->options.reply_timeout * 2);
    std::scoped_lock lock(shared->mutex);
    co_return shared->reply;
}

bool RedisClient::connected() const {
    return state_->connected;
}

bool RedisClient::wait_connected(milliseconds timeout) const {
    const auto give_up = std::chrono::steady_clock::now() + timeout;
    while (!connected() && std::chrono::steady_clock::now() < give_up) std::this_thread::sleep_for(milliseconds(5));
    return connected();
}

}  // namespace atrium::redis
