#pragma once

#include <chrono>
#include <string_view>

#include "base/clock.h"
#include "base/stop.h"
#include "gateway/route_table.h"
#include "platform/async/runtime.h"
#include "platform/http/server.h"

namespace atrium::gateway {

/// Server-sent events (or JSON lines, as the format says) on one exchange, with a sign of life whenever the client has
/// heard nothing for `silence`.
/// Belongs to the exchange's thread and to one Call; `close()` is awaited before it is destroyed.
class SseStream {
public:
    SseStream(http::Exchange& exchange, std::chrono::milliseconds silence, StreamFormat format = {})
        : exchange_(exchange), silence_(silence), format_(std::move(format)) {}
    ~SseStream();
    SseStream(const SseStream&) = delete;
    SseStream& operator=(const SseStream&) = delete;

    /// Starts the heartbeat; its first beat also sends the head when nobody has by then.
    Task<> arm();
    Task<Result<>> start();
    Task<Result<>> send(std::string_view data, std::string_view event);
    Task<> close();

private:
    static Task<> beat(SseStream* self);
    Task<Result<>> write(std::string bytes);
    Task<Result<>> write_exclusively(std::string_view bytes);

    http::Exchange& exchange_;
    const std::chrono::milliseconds silence_;
    const StreamFormat format_;
    SteadyTime last_write_{};
    StopSource stop_;
    Event beat_ended_;
    bool armed_ = false;
    bool closed_ = false;
    bool writing_ = false;
    Event* next_writer_ = nullptr;  // the other of the two possible writers, while it waits for its turn
};

}  // namespace atrium::gateway
