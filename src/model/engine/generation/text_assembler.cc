#include "model/engine/generation/text_assembler.h"

#include <algorithm>

#include "base/text.h"

namespace atrium::model {

TextAssembler::TextAssembler(std::vector<std::string> stop_strings) : stop_(std::move(stop_strings)) {
    std::erase_if(stop_, [](const std::string& stop) { return stop.empty(); });
}

std::string TextAssembler::take(std::size_t bytes) {
    std::string text = text::to_valid_utf8(std::string_view(held_).substr(0, bytes));
    held_.erase(0, bytes);
    bytes_out_ += bytes;
    return text;
}

std::string TextAssembler::append(std::string_view bytes) {
    if (stopped_) return {};
    held_ += bytes;
    bytes_in_ += bytes.size();

    std::size_t first = std::string::npos;
    for (const std::string& stop : stop_) first = std::min(first, held_.find(stop));
    if (first != std::string::npos) {
        stopped_ = true;
        std::string text = take(first);
        held_.clear();
        return text;
    }
    // The longest end of what is held that some stop string begins with has to wait.
    std::size_t certain = held_.size();
    for (const std::string& stop : stop_) {
        for (std::size_t length = std::min(stop.size() - 1, held_.size()); length > 0; --length) {
            if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, length))) {
                certain = std::min(certain, held_.size() - length);
                break;
            }
        }
    }
    return take(text::complete_utf8_prefix(std::string_view(held_).substr(0, certain)));
}

std::string TextAssembler::finish() {
    if (stopped_) return {};
    return take(held_.size());
}

}  // namespace atrium::model
