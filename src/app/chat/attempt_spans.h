#pragma once

#include "app/chat/chat_service.h"

namespace atrium::app {

/// One client span per attempt of a model call, with the OpenTelemetry GenAI names; those of failed attempts end with
/// their error, the last one with the facts of the answer. Lives in the frame of one call.
class AttemptSpans final : public model::AttemptObserver {
public:
    AttemptSpans(trace::SpanStore& store, const Clock& clock, const ModelCall& call, bool stream)
        : store_(store), clock_(clock), call_(call), stream_(stream) {}

    std::string begin_attempt(int number, const model::Deployment& deployment) override;
    void end_attempt(int number, const Error* error) override;

    /// The answer is over, well (`error` is null) or badly.
    void end(const CallOutcome& outcome, const model::AnswerFacts& facts, const Error* error);

private:
    trace::SpanStore& store_;
    const Clock& clock_;
    const ModelCall& call_;
    const bool stream_;
    trace::Span span_;
};

}  // namespace atrium::app
