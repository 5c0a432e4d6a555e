#include "model/engine/generation/token_stream.h"

#include <algorithm>
#include <iterator>

namespace atrium::model {

void TokenStream::push(AnswerPart part) {
    std::optional<Event> waiter;
    {
        const std::scoped_lock lock(mutex_);
        const auto same = std::ranges::find_if(parts_, [&](const AnswerPart& other) { return other.choice == part.choice && !other.end; });
        if (same == parts_.end()) {
            parts_.push_back(std::move(part));
        } else {
            same->text += part.text;
            std::ranges::move(part.details, std::back_inserter(same->details));
            same->tokens = part.tokens;
            same->end = std::move(part.end);
        }
        waiter.swap(waiter_);
    }
    if (waiter) waiter->set();
}

Task<std::vector<AnswerPart>> TokenStream::next(std::chrono::nanoseconds patience, StopToken stop) {
    std::optional<Event> arrival;
    {
        const std::scoped_lock lock(mutex_);
        if (!parts_.empty()) co_return std::exchange(parts_, {});
        waiter_.emplace();
        arrival = waiter_;  // both handles name the same event
    }
    co_await arrival->wait(patience, stop);
    const std::scoped_lock lock(mutex_);
    waiter_.reset();
    co_return std::exchange(parts_, {});
}

void TokenStream::add_reused(int tokens) {
    const std::scoped_lock lock(mutex_);
    reused_ += tokens;
}

int TokenStream::reused() const {
    const std::scoped_lock lock(mutex_);
    return reused_;
}

}  // namespace atrium::model
