#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "model/upstream/upstream.h"

namespace atrium::app {

/// Adds what a `usage` object (OpenAI's, or our engine's "atrium" extension) reports to `usage`. Counts are totals of
/// the call so far, so a later report replaces an earlier one.
void read_usage(const json::object& reported, model::TokenUsage& usage);

/// Makes the caller's stream out of the upstream's, one `data:` payload at a time: the model's name becomes the
/// caller's, extensions between engine and gateway disappear, usage is scanned on the way and shown only to a caller
/// who asked. Constant memory. Belongs to one call.
class ChunkRewriter {
public:
    ChunkRewriter(std::string upstream, std::string model, bool include_usage)
        : upstream_(std::move(upstream)), model_(std::move(model)), include_usage_(include_usage) {}

    /// The payload to send, or nothing when this chunk is not for the caller. An error event is returned as its Error;
    /// a payload that is not JSON is kUnavailable (the upstream is broken, not the caller).
    Result<std::optional<std::string>> rewrite(std::string_view data);

    /// Totals so far: as reported, or else one token for each chunk that carried text.
    model::TokenUsage usage() const;
    bool usage_estimated() const { return !reported_ && pieces_ > 0; }
    bool saw_content() const { return pieces_ > 0; }
    /// Whether some choice has said why it ended: then a missing "[DONE]" is only bad manners.
    bool saw_finish() const { return !finish_reason_.empty(); }
    const std::string& finish_reason() const { return finish_reason_; }
    const std::string& response_id() const { return response_id_; }

private:
    void scan_choice(const json::object& choice);

    const std::string upstream_;
    const std::string model_;
    const bool include_usage_;
    model::TokenUsage usage_;
    bool reported_ = false;
    std::int64_t pieces_ = 0;
    std::string finish_reason_;
    std::string response_id_;
};

}  // namespace atrium::app
