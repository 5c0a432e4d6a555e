// Ollama's lines → OpenAI chunks. Each line is a whole document.
//
//  # | state | line                             | does                                           | next
// ---+-------+----------------------------------+------------------------------------------------+------
//  1 | kOpen | the first                        | first chunk (role), then as below              | kOpen
//  2 | kOpen | message.thinking, thinking       | reasoning_content                              | kOpen
//  3 | kOpen | message.content, response        | content (text in completions)                  | kOpen
//  4 | kOpen | message.tool_calls               | each call whole, in the order told             | kOpen
//  5 | kOpen | done: true (after 2 to 4)        | finish_reason, usage, [DONE]                   | kDone
//  6 | kOpen | error                            | the Error it means                             | kDone
//  7 | kDone | anything                         | nothing                                        | kDone
//    | kOpen | end of body                      | kUnavailable, upstream_interrupted             |
#include "model/upstream/ollama/ollama_dialect.h"
#include "model/upstream/ollama/ollama_wire.h"

namespace atrium::model {
namespace {

class OllamaDecoder final : public StreamDecoder {
public:
    explicit OllamaDecoder(const UpstreamCall& call) : writer_(call.operation, call.model) {}

    Result<> decode(const http::SseEvent& event, std::vector<std::string>& chunks) override {
        if (done_) return {};
        auto parsed = json::parse_object(event.data);
        if (!parsed) return fail(nonsense("a line that is no JSON object"));
        if (auto error = ollama::read_error(*parsed)) {
            done_ = true;
            return fail(std::move(*error));
        }
        writer_.start(chunks, {});
        if (const auto* message = object_at(*parsed, "message")) TRY(take(*message, chunks));
        writer_.text(chunks, string_at(*parsed, "response"));
        if (!is_true(*parsed, "done")) return {};
        done_ = true;
        writer_.finish(chunks, ollama::finish_reason(*parsed, tools_ > 0));
        if (const auto usage = ollama::read_usage(*parsed)) writer_.usage(chunks, *usage);
        writer_.done(chunks);
        return {};
    }

    Result<> finish(std::vector<std::string>& /*chunks*/) override {
        if (!done_) return fail(interrupted());
        return {};
    }

private:
    Result<> take(const json::object& message, std::vector<std::string>& chunks) {
        writer_.reasoning(chunks, string_at(message, "thinking"));
        writer_.text(chunks, string_at(message, "content"));
        const auto* calls = array_at(message, "tool_calls");
        if (calls == nullptr) return {};
        for (const auto& item : *calls) {
            if (tools_ >= kMaxToolCalls) return fail(nonsense("more than 128 tool calls"));
            TRY_ASSIGN(auto call, ollama::read_call(item));
            writer_.tool_call(chunks, tools_++, std::move(call));
        }
        return {};
    }

    ChunkWriter writer_;
    std::size_t tools_ = 0;
    bool done_ = false;
};

}  // namespace

std::unique_ptr<StreamDecoder> OllamaDialect::decoder(const UpstreamCall& call) const {
    return std::make_unique<OllamaDecoder>(call);
}

}  // namespace atrium::model
