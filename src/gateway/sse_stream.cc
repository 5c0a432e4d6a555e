#include "gateway/sse_stream.h"

#include "base/check.h"
#include "platform/http/sse.h"

namespace atrium::gateway {

SseStream::~SseStream() {
    if (BUG_IF(armed_ && !closed_)) stop_.request_stop();
}

Task<> SseStream::arm() {
    if (armed_) co_return;
    armed_ = true;
    last_write_ = system_clock().steady();
    co_await spawn_here(beat(this));
}

Task<> SseStream::beat(SseStream* self) {
    while (true) {
        const auto due = self->last_write_ + self->silence_;
        const auto now = system_clock().steady();
        if (now < due) {
            if (!co_await sleep_for(due - now, self->stop_.get_token())) break;
            continue;
        }
        // A client that is gone or does not read ends the heartbeat; the handler learns it from its own write.
        if (!co_await self->write(self->format_.keep_alive)) break;
        if (self->stop_.stop_requested()) break;
    }
    self->beat_ended_.set();
}

Task<Result<>> SseStream::write_exclusively(std::string_view bytes) {
    if (!exchange_.response_started()) {
        http::ResponseHead head;
        head.headers.add("Content-Type", format_.content_type);
        head.headers.add("Cache-Control", "no-cache");
        head.headers.add("X-Accel-Buffering", "no");
        CO_TRY(co_await exchange_.start(std::move(head)));
    }
    if (bytes.empty()) co_return Result<>{};
    co_return co_await exchange_.write(bytes);
}

Task<Result<>> SseStream::write(std::string bytes) {
    // The handler and the heartbeat are the only writers, on one thread: at most one of them waits here.
    while (writing_) {
        Event turn;
        next_writer_ = &turn;
        co_await turn.wait(std::chrono::minutes(10));
        next_writer_ = nullptr;
    }
    writing_ = true;
    auto written = co_await write_exclusively(bytes);
    writing_ = false;
    last_write_ = system_clock().steady();
    if (next_writer_ != nullptr) next_writer_->set();
    co_return written;
}

Task<Result<>> SseStream::start() {
    co_await arm();
    co_return co_await write({});
}

Task<Result<>> SseStream::send(std::string_view data, std::string_view event) {
    std::string bytes;
    if (format_.lines) {
        bytes.reserve(data.size() + 1);
        bytes.append(data).append("\n");
    } else if (event.empty() && data.find_first_of("\r\n") == std::string_view::npos) {
        bytes.reserve(data.size() + 8);
        bytes.append("data: ").append(data).append("\n\n");
    } else {
        bytes = http::format_sse({std::string(event), std::string(data)});
    }
    return write(std::move(bytes));
}

Task<> SseStream::close() {
    if (closed_) co_return;
    closed_ = true;
    if (!armed_) co_return;
    stop_.request_stop();
    while (!beat_ended_.is_set()) co_await beat_ended_.wait(std::chrono::minutes(10));
}

}  // namespace atrium::gateway
