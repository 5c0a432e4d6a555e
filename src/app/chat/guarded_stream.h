#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/chat/guardrails.h"
#include "security/redaction/stream_filter.h"

namespace atrium::app {

/// Guardrails on a streamed answer: chunks go in, chunks come out whose text is clean. Text is held back by the
/// scanner's reach, at most 256 bytes per field and choice, so a finding cut over two chunks is seen before its first
/// half is gone. Belongs to one call.
///
/// For each choice:
/// | state   | event                         | then                                             |
/// |---------|-------------------------------|--------------------------------------------------|
/// | open    | text arrives                  | what is surely clean is passed on, masked        |
/// | open    | a blocking rule fires         | text before it, finish_reason content_filter → blocked |
/// | open    | finish_reason arrives         | what is held is passed on first → finished       |
/// | blocked | anything                      | dropped                                          |
/// | finished| anything                      | passed on                                        |
class GuardedStream {
public:
    explicit GuardedStream(std::shared_ptr<const GuardPolicy> policy) : policy_(std::move(policy)) {}

    /// The chunks to send instead of this one, "[DONE]" included. kInvalidArgument for what is not JSON.
    Result<std::vector<std::string>> take(std::string_view data);
    const GuardVerdict& verdict() const { return verdict_; }

private:
    struct Choice {
        std::map<std::string, redaction::StreamFilter> fields;  ///< "content", "reasoning_content", "text", "tool:0"
        bool blocked = false;
    };

    void take_choice(json::object& choice, std::vector<json::value>& more);
    void filter(Choice& state, const std::string& field, json::object& holder, std::string_view key);
    void flush(Choice& state, json::object& choice);
    bool pass(Choice& state, redaction::StreamFilter::Piece piece, std::string& out);

    std::shared_ptr<const GuardPolicy> policy_;
    std::map<std::int64_t, Choice> choices_;
    GuardVerdict verdict_;
};

}  // namespace atrium::app
