#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// Server-sent events (WHATWG HTML §9.2): the format of every stream Atrium reads or writes.
namespace atrium::http {

struct SseEvent {
    std::string event;  ///< empty: no `event:` line
    std::string data;   ///< `data:` lines joined by \n
};

/// "event: x\ndata: …\n\n". `data` must not hold CR or LF unless it is meant as several data lines.
std::string format_sse(const SseEvent& event);

/// Incremental parser: feed whatever arrived, take the complete events. Accepts LF, CRLF and CR; skips comments.
/// An event above `max_event_bytes` is kOutOfRange.
class SseParser {
public:
    explicit SseParser(std::size_t max_event_bytes = 16 * 1024 * 1024) : max_event_bytes_(max_event_bytes) {}
    Result<std::vector<SseEvent>> feed(std::string_view bytes);

private:
    Result<> take_line(std::string_view line, std::vector<SseEvent>& events);

    std::size_t max_event_bytes_;
    std::string line_;
    SseEvent current_;
    bool has_data_ = false;
    bool skip_lf_ = false;  ///< the last byte was a CR: a LF belongs to it
    bool at_start_ = true;  ///< a byte order mark may come
};

}  // namespace atrium::http
