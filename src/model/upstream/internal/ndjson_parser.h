#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/http/sse.h"

namespace atrium::model {

/// One JSON document per line, as events without a name. Blank lines are skipped; a line above `max_line_bytes` is
/// kOutOfRange. The last line may lack its end: rest() gives it.
class NdjsonParser {
public:
    explicit NdjsonParser(std::size_t max_line_bytes = 16 * 1024 * 1024) : max_line_bytes_(max_line_bytes) {}
    Result<std::vector<http::SseEvent>> feed(std::string_view bytes);
    std::vector<http::SseEvent> rest();

private:
    std::size_t max_line_bytes_;
    std::string line_;
};

}  // namespace atrium::model
