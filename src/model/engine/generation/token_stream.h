#pragma once

#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/stop.h"
#include "platform/async/runtime.h"

namespace atrium::model {

enum class FinishReason { kStop, kLength };

/// What one token looked like, for `logprobs`.
struct TokenDetail {
    std::string bytes;
    float logprob = 0;
    std::vector<std::pair<std::string, float>> top;
};

struct AnswerEnd {
    FinishReason reason = FinishReason::kStop;
    std::optional<Error> error;  ///< the answer broke off
};

/// A piece of one of the answers of a request.
struct AnswerPart {
    int choice = 0;
    std::string text;
    std::vector<TokenDetail> details;
    int tokens = 0;                ///< sampled for this choice so far
    std::optional<AnswerEnd> end;  ///< the choice is complete
};

/// From the decode thread to the io thread: parts in order, merged while nobody looks. Unbounded by itself; bounded by
/// max_tokens of its request. push() from the decode thread, next() from one io thread.
class TokenStream {
public:
    void push(AnswerPart part);
    /// Everything that has arrived, waiting for at least one part. Empty when the token fired or `patience` passed.
    Task<std::vector<AnswerPart>> next(std::chrono::nanoseconds patience, StopToken stop);

    /// Prompt tokens that did not have to be computed; known before the first part.
    void add_reused(int tokens);
    int reused() const;

private:
    mutable std::mutex mutex_;
    std::vector<AnswerPart> parts_;
    std::optional<Event> waiter_;
    int reused_ = 0;
};

}  // namespace atrium::model
