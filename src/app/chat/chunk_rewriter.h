#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json_edit.h"
#include "base/result.h"

namespace atrium::app {

/// Makes the caller's stream out of the upstream's, one `data:` payload at a time: the model's name becomes the
/// caller's, extensions between engine and gateway disappear, and usage is shown only to a caller who asked. Constant
/// memory. Belongs to one call.
class ChunkRewriter {
public:
    ChunkRewriter(std::string_view model, bool include_usage)
        : model_(json::quote(model)), include_usage_(include_usage) {}

    /// The payload to send, or nothing when this chunk is not for the caller. kUnavailable for what is not JSON.
    Result<std::optional<std::string>> rewrite(std::string_view data) const;

private:
    const std::string model_;  ///< as JSON text
    const bool include_usage_;
};

}  // namespace atrium::app
