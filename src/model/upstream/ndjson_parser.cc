#include "model/upstream/internal/ndjson_parser.h"

#include "base/text.h"

namespace atrium::model {

Result<std::vector<http::SseEvent>> NdjsonParser::feed(std::string_view bytes) {
    std::vector<http::SseEvent> events;
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        const auto piece = bytes.substr(0, end);
        if (line_.size() + piece.size() > max_line_bytes_)
            return fail(out_of_range("a line of the stream is too long"));
        line_ += piece;
        if (end == std::string_view::npos) break;
        for (auto& event : rest()) events.push_back(std::move(event));
        bytes.remove_prefix(end + 1);
    }
    return events;
}

std::vector<http::SseEvent> NdjsonParser::rest() {
    std::vector<http::SseEvent> events;
    if (!text::trim(line_).empty()) events.push_back({{}, std::string(text::trim(line_))});
    line_.clear();
    return events;
}

}  // namespace atrium::model
