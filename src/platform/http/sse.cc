#include "platform/http/sse.h"

namespace atrium::http {

std::string format_sse(const SseEvent& event) {
    std::string out;
    out.reserve(event.event.size() + event.data.size() + 24);
    if (!event.event.empty()) {
        out += "event: ";
        // A line break here would let the text forge fields.
        for (const char c : event.event) out.push_back(c == '\r' || c == '\n' ? ' ' : c);
        out.push_back('\n');
    }
    std::string_view rest = event.data;
    while (true) {
        const std::size_t end = rest.find_first_of("\r\n");
        out += "data: ";
        out += rest.substr(0, end);
        out.push_back('\n');
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + (rest.substr(end, 2) == "\r\n" ? 2 : 1));
    }
    out.push_back('\n');
    return out;
}

Result<std::vector<SseEvent>> SseParser::feed(std::string_view bytes) {
    std::vector<SseEvent> events;
    if (skip_lf_ && !bytes.empty()) {
        if (bytes.front() == '\n') bytes.remove_prefix(1);
        skip_lf_ = false;
    }
    while (!bytes.empty()) {
        const std::size_t end = bytes.find_first_of("\r\n");
        const std::string_view piece = bytes.substr(0, end);
        if (line_.size() + piece.size() + current_.data.size() + current_.event.size() > max_event_bytes_) {
            return fail(out_of_range("the event stream holds an event that is larger than the limit"));
        }
        if (end == std::string_view::npos) {
            line_ += piece;
            break;
        }
        if (line_.empty()) {
            TRY(take_line(piece, events));  // the usual case: no copy
        } else {
            line_ += piece;
            TRY(take_line(line_, events));
            line_.clear();
        }
        const bool carriage_return = bytes[end] == '\r';
        bytes.remove_prefix(end + 1);
        if (carriage_return) {
            if (bytes.empty())
                skip_lf_ = true;
            else if (bytes.front() == '\n')
                bytes.remove_prefix(1);
        }
    }
    return events;
}

Result<> SseParser::take_line(std::string_view line, std::vector<SseEvent>& events) {
    if (at_start_) {
        at_start_ = false;
        if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    }
    if (line.empty()) {
        // An event without data is not dispatched; its type is forgotten (§9.2.6).
        if (has_data_) events.push_back(std::move(current_));
        current_ = {};
        has_data_ = false;
        return {};
    }
    const std::size_t colon = line.find(':');
    if (colon == 0) return {};  // comment
    const std::string_view field = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "data") {
        if (has_data_) current_.data.push_back('\n');
        current_.data += value;
        has_data_ = true;
    } else if (field == "event") {
        current_.event = value;
    }
    return {};
}

}  // namespace atrium::http
