#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/stop.h"
#include "model/upstream/upstream.h"
#include "platform/async/task.h"

/// Private to model/routing.
namespace atrium::model::internal {

/// The deadlines of one attempt: until the first content, and until the end. A task of its own sleeps beside the call
/// and ends with it (end(), which the destructor of RoutedAnswer calls). One io thread.
class Watch {
public:
    explicit Watch(const StopToken& caller);
    /// Starts counting. `ttft` zero: no such deadline.
    static Task<> run(std::shared_ptr<Watch> watch, std::chrono::milliseconds ttft, std::chrono::milliseconds total);

    StopToken token() const { return call_.get_token(); }
    void saw_content() { content_ = true; }
    void end() { over_.request_stop(); }
    /// The error in words of what the watch did: a call that it ended was late, not cancelled.
    Error meaning(const Error& error, const std::string& model) const;

private:
    struct Forward {
        StopSource to;
        void operator()() { to.request_stop(); }
    };
    StopSource call_;
    StopSource over_;
    StopCallback<Forward> forward_;
    bool content_ = false;
    bool late_ = false;
};

/// The answer that the Dispatcher hands out: first what was read to see that the answer has begun, then the rest.
class RoutedAnswer final : public UpstreamAnswer {
public:
    RoutedAnswer(std::unique_ptr<UpstreamAnswer> inner, std::shared_ptr<Watch> watch, std::string model)
        : inner_(std::move(inner)), watch_(std::move(watch)), model_(std::move(model)) {}
    ~RoutedAnswer() override;

    /// Reads until the answer has begun; an error until then is this attempt's.
    Task<Result<>> begin(bool stream);

    const http::Headers& headers() const override { return inner_->headers(); }
    Wire wire() const override { return inner_->wire(); }
    const AnswerFacts& facts() const override { return inner_->facts(); }
    Task<Result<std::string>> read_all(std::size_t limit) override;
    Task<Result<std::vector<http::SseEvent>>> next() override;

private:
    Task<Result<>> hold_until_content();

    std::unique_ptr<UpstreamAnswer> inner_;
    std::shared_ptr<Watch> watch_;
    const std::string model_;
    std::vector<http::SseEvent> held_;
    std::string body_;
};

}  // namespace atrium::model::internal
