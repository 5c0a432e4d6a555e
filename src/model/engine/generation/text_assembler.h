#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace atrium::model {

/// Turns the bytes of sampled tokens into text that may be sent: never a part of a stop string, never half a character.
/// What could still become a stop string is held back until it is decided. Ill-formed bytes become U+FFFD.
/// One per answer; belongs to the decode thread.
class TextAssembler {
public:
    explicit TextAssembler(std::vector<std::string> stop_strings);

    /// Text that is now certain; empty is common.
    std::string append(std::string_view bytes);
    /// The rest, when the answer ended otherwise.
    std::string finish();

    /// A stop string was found; nothing follows.
    bool stopped() const { return stopped_; }
    /// Bytes appended so far, and how many of them are decided: which tokens' details may be sent.
    std::size_t bytes_in() const { return bytes_in_; }
    std::size_t bytes_out() const { return bytes_out_; }

private:
    std::string take(std::size_t bytes);

    std::vector<std::string> stop_;
    std::string held_;
    std::size_t bytes_in_ = 0;
    std::size_t bytes_out_ = 0;
    bool stopped_ = false;
};

}  // namespace atrium::model
