#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/async/task.h"

namespace atrium::redis {

struct Reply {
    enum class Kind { kNil, kInteger, kText, kList };
    Kind kind = Kind::kNil;
    std::int64_t integer = 0;
    std::string text;
    std::vector<Reply> items;

    /// Of a list: the integer at `index`, also when it came as text; 0 where there is none.
    std::int64_t integer_at(std::size_t index) const;
};

/// One connection to a Redis server on a thread of its own. Commands that arrive together travel together. Reconnects
/// by itself; while it cannot, commands fail at once. Thread-safe; owned by main, outlives whoever posts to it.
/// Failures: kUnavailable (no connection, no reply in time), kInternal (the server refused the command).
class RedisClient {
public:
    struct Options {
        std::chrono::milliseconds connect_timeout{500};
        std::chrono::milliseconds reply_timeout{250};
    };
    /// Starts connecting; an unreachable server is no error. kInvalidArgument for a URL that is none.
    static Result<std::unique_ptr<RedisClient>> open(std::string_view url, Options options);
    static Result<std::unique_ptr<RedisClient>> open(std::string_view url) { return open(url, Options{}); }
    /// Sends what is queued (within the reply timeout), then ends the thread.
    ~RedisClient();
    RedisClient(const RedisClient&) = delete;
    RedisClient& operator=(const RedisClient&) = delete;

    using Arguments = std::vector<std::string>;
    using Done = std::move_only_function<void(Result<Reply>)>;

    /// `done` runs on the client's thread and must not block; at once, on the caller's, when there is no connection.
    void post(Arguments command, Done done);
    Task<Result<Reply>> command(Arguments command);

    bool connected() const;
    /// Waits for the first connection, at start and in tests; blocking.
    bool wait_connected(std::chrono::milliseconds timeout) const;

private:
    struct State;
    explicit RedisClient(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace atrium::redis
