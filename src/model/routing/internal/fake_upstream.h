#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "model/routing/routing_table.h"
#include "platform/async/runtime.h"

/// For tests only: an upstream without a wire.
namespace atrium::model::internal {

/// What one call meets: events ("+text" is content, everything else is not), then an error, silence or the end.
struct Turn {
    std::vector<std::string> events;
    std::optional<Error> error = std::nullopt;
    bool hangs = false;
    std::optional<Error> refused = std::nullopt;  ///< instead of an answer
};

class FakeAnswer final : public UpstreamAnswer {
public:
    FakeAnswer(Turn turn, StopToken stop) : turn_(std::move(turn)), stop_(std::move(stop)) {}

    const http::Headers& headers() const override { return headers_; }
    const AnswerFacts& facts() const override { return facts_; }
    Task<Result<std::string>> read_all(std::size_t) override {
        std::string all;
        for (const auto& event : turn_.events) all += event;
        CO_TRY(co_await finish());
        co_return all;
    }
    Task<Result<std::vector<http::SseEvent>>> next() override {
        std::vector<http::SseEvent> events;
        if (at_ < turn_.events.size()) {
            http::SseEvent event;
            event.data = turn_.events[at_++];
            if (event.data.starts_with('+')) ++facts_.pieces;
            events.push_back(std::move(event));
            co_return events;
        }
        CO_TRY(co_await finish());
        co_return events;
    }

private:
    Task<Result<>> finish() {
        if (turn_.hangs) {
            co_await sleep_for(std::chrono::seconds(30), stop_);
            co_return fail(cancelled("stopped"));
        }
        if (turn_.error) co_return fail(*turn_.error);
        co_return Result<>{};
    }

    Turn turn_;
    StopToken stop_;
    std::size_t at_ = 0;
    http::Headers headers_;
    AnswerFacts facts_;
};

/// Meets its calls with the turns in order, the last one again and again.
class FakeUpstream final : public Upstream {
public:
    FakeUpstream(std::string name, std::deque<Turn> turns) : name_(std::move(name)), turns_(std::move(turns)) {}

    const std::string& name() const override { return name_; }
    bool supports(Operation) const override { return true; }
    Task<Result<std::unique_ptr<UpstreamAnswer>>> call(UpstreamCall call, StopToken stop) override {
        calls.push_back(call);
        Turn turn = turns_.front();
        if (turns_.size() > 1) turns_.pop_front();
        if (turn.refused) co_return fail(*turn.refused);
        co_return std::make_unique<FakeAnswer>(std::move(turn), std::move(stop));
    }

    std::vector<UpstreamCall> calls;

private:
    const std::string name_;
    std::deque<Turn> turns_;
};

inline Deployment deployment_of(std::shared_ptr<Upstream> upstream, std::string model) {
    Deployment made;
    made.upstream_name = upstream->name();
    made.id = made.upstream_name + "/" + model;
    made.info.id = model;
    made.info.owned_by = made.upstream_name;
    made.info.ready = true;
    made.upstream = std::move(upstream);
    made.upstream_model = "served-" + model;
    return made;
}

}  // namespace atrium::model::internal
