#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/responses/response_service.h"

/// What ResponseService keeps while it makes a response. Private to this room.
namespace atrium::app {

inline constexpr std::size_t kMaxInlineBytes = 20u << 20;

std::int64_t lease_end(const Clock& clock, std::chrono::milliseconds lease);
/// A stored file as a part of a chat message: text as text, anything else as a data URL.
json::object file_part(const FileContent& file);
/// A part whose file travels as a data URL of text becomes a text part; others stay.
void inline_text(json::value& part);
/// What a local model cannot do is said before anything is computed.
Result<> check_fit(const ChatService& chat, const std::string& model, const json::array& messages);
Task<Result<>> drop_event();

/// One response on its way, in the foreground or in a run.
struct ResponseService::Making {
    explicit Making(ResponseBuilder b) : builder(std::move(b)) {}
    ResponseBuilder builder;
    json::object body;  ///< of the chat call
    ResponseRequest request;
    CallContext context;
};

/// A stream's chunks on their way through the builder; lives in the frame of the call.
struct ChunkToEvents {
    ResponseBuilder& builder;
    ResponseService::Sink& sink;

    Task<Result<>> pass(std::string data) {
        CO_TRY_ASSIGN(auto events, builder.feed(data));
        for (const auto& event : events) CO_TRY(co_await sink(event));
        co_return Result<>{};
    }
};

/// The ends of a foreground stream. Its first events are told with the model's first; the last is held back until the
/// response is stored, because who has seen response.completed may ask for it at once.
struct StreamEnds {
    ResponseBuilder& builder;
    ResponseService::Sink& sink;
    ResponseBuilder::Events first;
    bool begun = false;
    std::optional<http::SseEvent> last = std::nullopt;

    Task<Result<>> pass(http::SseEvent event) {
        if (!begun) {
            begun = true;
            for (const auto& one : first) CO_TRY(co_await sink(one));
        }
        if (builder.ended() && is_end(event.event)) {
            last = std::move(event);
            co_return Result<>{};
        }
        co_return co_await sink(event);
    }
    Task<Result<>> finish() {
        if (!last) co_return Result<>{};
        co_return co_await sink(*last);
    }
    static bool is_end(std::string_view type) {
        return type == "response.completed" || type == "response.incomplete" || type == "response.failed";
    }
};

/// A background response. Written by its task on one io thread, read by followers on any: everything below `mutex`.
struct ResponseService::Run {
    std::string id;
    std::string project;
    std::shared_ptr<Making> making;
    StopSource stop;    ///< ends the model call
    StopSource cancel;  ///< the same, because somebody asked

    json::object snapshot() {
        std::scoped_lock lock(mutex);
        return response;
    }
    void append(ResponseBuilder::Events events, const json::object& now) {
        std::scoped_lock lock(mutex);
        for (auto& event : events) log.push_back(std::move(event));
        response = now;
        wake();
    }
    Task<Result<>> take(http::SseEvent event) {
        std::scoped_lock lock(mutex);
        log.push_back(std::move(event));
        if (making->builder.ended()) response = making->builder.response();
        wake();
        co_return Result<>{};
    }
    void end() {
        std::scoped_lock lock(mutex);
        ended = true;
        wake();
    }
    bool is_over() {
        std::scoped_lock lock(mutex);
        return ended;
    }
    std::vector<http::SseEvent> events() {
        std::scoped_lock lock(mutex);
        return log;
    }
    struct News {
        std::vector<http::SseEvent> events;  ///< from the one that was asked for on, at most 64
        bool ended = false;
        Event waiter;  ///< set with the next one, when there are none
    };
    News from(std::size_t next) {
        std::scoped_lock lock(mutex);
        News news;
        news.ended = ended;
        for (; next < log.size() && news.events.size() < 64; ++next) news.events.push_back(log[next]);
        if (news.events.empty() && !ended) waiters.push_back(news.waiter);
        return news;
    }

private:
    void wake() {
        for (auto& waiter : waiters) waiter.set();
        waiters.clear();
    }

    std::mutex mutex;
    json::object response;
    std::vector<http::SseEvent> log;  ///< its index is the sequence number
    std::vector<Event> waiters;
    bool ended = false;
};

}  // namespace atrium::app
