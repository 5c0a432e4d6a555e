#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "security/redaction/scanner.h"

namespace atrium::redaction {

/// Reads a text that arrives in pieces and lets through what is sure to be clean: the last Scanner::kReach bytes are
/// held back, so that a finding cut across pieces is seen before any of it is passed on. Memory: one piece and twice
/// the reach. One stream, one thread.
class StreamFilter {
public:
    explicit StreamFilter(std::shared_ptr<const Scanner> scanner) : scanner_(std::move(scanner)) {}

    struct Piece {
        std::string text;               ///< released now; findings lie completely inside it
        std::vector<Finding> findings;  ///< positions in `text`
    };
    Piece feed(std::string_view text);
    /// The rest; the filter is empty afterwards.
    Piece finish();

private:
    std::vector<Finding> find_in_held() const;
    Piece release(std::size_t upto, std::vector<Finding> findings);

    std::shared_ptr<const Scanner> scanner_;
    std::string held_;
    char before_ = '\0';  ///< the last byte released: whether a match "stands alone" depends on it
};

}  // namespace atrium::redaction
