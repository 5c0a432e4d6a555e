#include "model/routing/internal/routed_answer.h"

#include <fmt/format.h>

#include <iterator>

#include "platform/async/runtime.h"

namespace atrium::model::internal {
namespace {

constexpr std::size_t kMaxHeldEvents = 64;
constexpr std::size_t kMaxHeldBytes = 256 * 1024;
// A completion of a million tokens is about 4 MB; 2,048 embeddings of 4,096 numbers as JSON are about 100 MB.
constexpr std::size_t kMaxAnswerBytes = 128u << 20;

}  // namespace

Watch::Watch(const StopToken& caller) : forward_(caller, Forward{call_}) {}

Task<> Watch::run(std::shared_ptr<Watch> watch, std::chrono::milliseconds ttft, std::chrono::milliseconds total) {
    if (ttft.count() > 0 && ttft < total) {
        if (!co_await sleep_for(ttft, watch->over_.get_token())) co_return;
        if (!watch->content_) {
            watch->late_ = true;
            watch->call_.request_stop();
            co_return;
        }
        total -= ttft;
    }
    if (!co_await sleep_for(total, watch->over_.get_token())) co_return;
    watch->late_ = true;
    watch->call_.request_stop();
}

Error Watch::meaning(const Error& error, const std::string& model) const {
    if (!late_ || error.code() != Code::kCancelled) return error;
    return deadline_exceeded(content_ ? fmt::format("the model '{}' took too long to finish its answer", model)
                                      : fmt::format("the model '{}' did not begin to answer in time", model))
        .with_cause(error);
}

RoutedAnswer::~RoutedAnswer() {
    watch_->end();
}

Task<Result<>> RoutedAnswer::begin(bool stream) {
    if (stream) co_return co_await hold_until_content();
    auto body = co_await inner_->read_all(kMaxAnswerBytes);
    watch_->end();
    if (!body) co_return fail(watch_->meaning(body.error(), model_));
    body_ = std::move(*body);
    co_return Result<>{};
}

Task<Result<>> RoutedAnswer::hold_until_content() {
    std::size_t bytes = 0;
    while (true) {
        auto events = co_await inner_->next();
        if (!events) co_return fail(watch_->meaning(events.error(), model_));
        for (const auto& event : *events) bytes += event.data.size();
        const bool ended = events->empty();
        held_.insert(held_.end(), std::make_move_iterator(events->begin()), std::make_move_iterator(events->end()));
        const auto& facts = inner_->facts();
        const bool begun = facts.pieces > 0 || !facts.finish_reason.empty();
        if (begun || ended || held_.size() >= kMaxHeldEvents || bytes >= kMaxHeldBytes) break;
    }
    watch_->saw_content();
    co_return Result<>{};
}

Task<Result<std::string>> RoutedAnswer::read_all(std::size_t limit) {
    if (body_.size() > limit) co_return fail(out_of_range(fmt::format("the answer is larger than {} bytes", limit)));
    co_return std::move(body_);
}

Task<Result<std::vector<http::SseEvent>>> RoutedAnswer::next() {
    if (!held_.empty()) co_return std::exchange(held_, {});
    auto events = co_await inner_->next();
    if (!events) co_return fail(watch_->meaning(events.error(), model_));
    co_return events;
}

}  // namespace atrium::model::internal
