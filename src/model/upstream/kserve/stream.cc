// Triton's generate_stream events → OpenAI chunks.
//
//  # | state   | event                            | does                                        | next
// ---+---------+----------------------------------+---------------------------------------------+---------
//  1 | kBefore | text_output                      | first chunk (role), then as 2               | kOpen
//  2 | kOpen   | text_output                      | content (text in completions); finish       | kOpen
//    |         |                                  | reason and token counts are remembered      |
//  3 | any     | error                            | the Error it means                          | kDone
//  4 | kOpen   | end of body                      | finish_reason, usage if known, [DONE]: the  | kDone
//    |         |                                  | protocol has no other end                   |
//    | kBefore | end of body                      | kUnavailable, upstream_interrupted          |
#include "model/upstream/kserve/kserve_dialect.h"
#include "model/upstream/kserve/kserve_wire.h"

namespace atrium::model {
namespace {

class KserveDecoder final : public StreamDecoder {
public:
    explicit KserveDecoder(const UpstreamCall& call)
        : writer_(call.operation, std::string(kserve::read_name(call.model).model)) {}

    Result<> decode(const http::SseEvent& event, std::vector<std::string>& chunks) override {
        if (done_) return {};
        auto parsed = json::parse_object(event.data);
        if (!parsed) return fail(nonsense("an event that is no JSON object"));
        if (auto error = kserve::read_error(*parsed)) {
            done_ = true;
            return fail(std::move(*error));
        }
        writer_.start(chunks, {});
        writer_.text(chunks, string_at(*parsed, "text_output"));
        if (const auto reason = kserve::finish_reason(*parsed); !reason.empty()) finish_ = reason;
        if (const auto usage = kserve::read_usage(*parsed)) {
            // The counts are of the new tokens since the last event.
            usage_.prompt_tokens = usage->prompt_tokens;
            usage_.completion_tokens = std::min(kMaxCount, usage_.completion_tokens + usage->completion_tokens);
            usage_reported_ = true;
        }
        return {};
    }

    Result<> finish(std::vector<std::string>& chunks) override {
        if (done_) return {};
        done_ = true;
        if (!writer_.started()) return fail(interrupted());
        writer_.finish(chunks, finish_);
        if (usage_reported_) writer_.usage(chunks, usage_);
        writer_.done(chunks);
        return {};
    }

private:
    static constexpr std::int64_t kMaxCount = std::int64_t{1} << 53;

    ChunkWriter writer_;
    std::string_view finish_ = "stop";
    TokenUsage usage_;
    bool usage_reported_ = false;
    bool done_ = false;
};

}  // namespace

std::unique_ptr<StreamDecoder> KserveDialect::decoder(const UpstreamCall& call) const {
    return std::make_unique<KserveDecoder>(call);
}

}  // namespace atrium::model
