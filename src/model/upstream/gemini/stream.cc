// Gemini's event stream → OpenAI chat chunks. Each event is a whole GenerateContentResponse; for each of its
// candidates:
//
//  # | candidate | event holds                           | does                                       | next
// ---+-----------+---------------------------------------+--------------------------------------------+----------
//  1 | silent    | the first event of the stream         | first chunk (role), then as below          | speaking
//  2 | speaking  | a part with thought: true             | reasoning_content                          | speaking
//  3 | speaking  | a part with text                      | content                                    | speaking
//  4 | speaking  | a part with functionCall              | a tool call whole, its signature with it   | speaking
//  5 | speaking  | thoughtSignature of any other part    | an extra_content delta                     | speaking
//  6 | speaking  | finishReason (after its parts)        | finish_reason                              | finished
//  7 | finished  | parts                                 | nothing                                    | finished
//  8 | any       | usageMetadata                         | remembered: each report replaces the last  | same
//  9 | none yet  | promptFeedback.blockReason            | refusal, finish_reason content_filter      | finished
// 10 | any       | error                                 | the Error it means; the stream is over     |
// 11 | finished, | end of body                           | usage, [DONE]                              |
//    | all       |                                       |                                            |
// 12 | speaking, | end of body                           | kUnavailable, upstream_interrupted         |
//    | any       |                                       |                                            |
#include <array>

#include "model/upstream/gemini/gemini_dialect.h"
#include "model/upstream/gemini/gemini_wire.h"

namespace atrium::model {
namespace {

class GeminiDecoder final : public StreamDecoder {
public:
    explicit GeminiDecoder(const UpstreamCall& call) : writer_(Operation::kChat, call.model) {}

    Result<> decode(const http::SseEvent& event, std::vector<std::string>& chunks) override {
        if (over_) return {};
        auto parsed = json::parse_object(event.data);
        if (!parsed) return fail(nonsense("an event that is no JSON object"));
        if (const auto* error = object_at(*parsed, "error")) {
            over_ = true;
            return fail(gemini::read_error(*error, 503));
        }
        writer_.start(chunks, string_at(*parsed, "responseId"), string_at(*parsed, "modelVersion"));
        if (const auto* metadata = object_at(*parsed, "usageMetadata")) usage_ = gemini::read_usage(*metadata);
        if (const auto* candidates = array_at(*parsed, "candidates")) {
            for (const auto& candidate : *candidates) {
                if (const auto* object = candidate.if_object()) TRY(take(*object, chunks));
            }
        }
        if (const auto blocked = gemini::blocked_prompt(*parsed); blocked && seen_ == 0) {
            writer_.refusal(chunks, *blocked);
            writer_.finish(chunks, "content_filter");
            seen_ = 1;
            candidates_[0].finished = true;
        }
        return {};
    }

    Result<> finish(std::vector<std::string>& chunks) override {
        if (over_) return {};
        over_ = true;
        if (seen_ == 0) return fail(interrupted());
        for (std::size_t i = 0; i < seen_; ++i) {
            if (!candidates_[i].finished) return fail(interrupted());
        }
        if (usage_) writer_.usage(chunks, *usage_);
        writer_.done(chunks);
        return {};
    }

private:
    struct Candidate {
        std::size_t tools = 0;
        bool said_something = false;
        bool finished = false;
    };

    Result<> take(const json::object& object, std::vector<std::string>& chunks) {
        const auto index = static_cast<std::size_t>(count_at(object, "index"));
        if (index >= candidates_.size()) return fail(nonsense("a candidate that was not asked for"));
        seen_ = std::max(seen_, index + 1);
        Candidate& candidate = candidates_[index];
        if (candidate.finished) return {};
        const auto* content = object_at(object, "content");
        if (const auto* parts = content != nullptr ? array_at(*content, "parts") : nullptr) {
            for (const auto& part : *parts) {
                if (const auto* part_object = part.if_object()) TRY(take_part(*part_object, candidate, index, chunks));
            }
        }
        const auto reason = string_at(object, "finishReason");
        if (reason.empty() || reason == "FINISH_REASON_UNSPECIFIED") return {};
        TRY_ASSIGN(const auto finish, gemini::finish_reason(reason, candidate.tools > 0, candidate.said_something));
        candidate.finished = true;
        writer_.finish(chunks, finish, index);
        return {};
    }

    Result<> take_part(const json::object& part, Candidate& candidate, std::size_t index,
                       std::vector<std::string>& chunks) {
        if (object_at(part, "functionCall") != nullptr) {
            if (candidate.tools >= kMaxToolCalls) return fail(nonsense("more than 128 tool calls"));
            candidate.said_something = true;
            writer_.tool_call(chunks, candidate.tools++, gemini::read_call(part), index);
            return {};
        }
        const auto text = string_at(part, "text");
        if (is_true(part, "thought")) {
            writer_.reasoning(chunks, text, index);
        } else {
            candidate.said_something = candidate.said_something || !text.empty();
            writer_.text(chunks, text, index);
        }
        if (const auto signature = string_at(part, "thoughtSignature"); !signature.empty())
            writer_.delta(chunks, {{"extra_content", gemini::signature_extension(signature)}}, index);
        return {};
    }

    ChunkWriter writer_;
    std::array<Candidate, 8> candidates_;
    std::size_t seen_ = 0;
    std::optional<TokenUsage> usage_;
    bool over_ = false;
};

}  // namespace

std::unique_ptr<StreamDecoder> GeminiDialect::decoder(const UpstreamCall& call) const {
    return std::make_unique<GeminiDecoder>(call);
}

}  // namespace atrium::model
