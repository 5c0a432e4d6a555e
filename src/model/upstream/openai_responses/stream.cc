// The Responses event stream → OpenAI chat chunks.
//
//  # | state   | event (response. left out)               | does                                      | next
// ---+---------+------------------------------------------+-------------------------------------------+------
//  1 | kBefore | created, in_progress, queued             | first chunk (role)                        | kOpen
//  2 | kOpen   | output_item.added function_call, custom… | a tool call with id and name              | kOpen
//  3 | kOpen   | output_text.delta                        | content                                   | kOpen
//  4 | kOpen   | refusal.delta                            | refusal                                   | kOpen
//  5 | kOpen   | reasoning_summary_part.added             | a blank line before all but the first     | kOpen
//  6 | kOpen   | reasoning_summary_text.delta,            | reasoning_content                         | kOpen
//    |         | reasoning_text.delta                     |                                           |
//  7 | kOpen   | function_call_arguments.delta,           | arguments of the call of that item        | kOpen
//    |         | custom_tool_call_input.delta             |                                           |
//  8 | kOpen   | output_item.done function_call, custom…  | the input, if no delta has told it        | kOpen
//  9 | kOpen   | output_item.done reasoning               | encrypted content as a thinking_blocks    | kOpen
//    |         |                                          | delta                                     |
// 10 | kOpen   | output_text.annotation.added             | a url_citation as an annotations delta    | kOpen
// 11 | any     | completed, incomplete                    | finish_reason, usage, [DONE]              | kDone
// 12 | any     | failed, error                            | the Error it means                        | kDone
// 13 | kBefore | any of 2 to 10                           | as 1 with nothing known, then the event   | kOpen
// 14 | any     | anything else                            | nothing                                   | same
// 15 | kDone   | anything                                 | nothing                                   | kDone
//    | others  | end of body                              | kUnavailable, upstream_interrupted        |
#include <map>

#include "model/upstream/internal/answer_writer.h"
#include "model/upstream/openai_responses/responses_dialect.h"
#include "model/upstream/openai_responses/responses_wire.h"

namespace atrium::model {
namespace {

class ResponsesDecoder final : public StreamDecoder {
public:
    explicit ResponsesDecoder(const UpstreamCall& call) : writer_(Operation::kChat, call.model) {}

    Result<> decode(const http::SseEvent& event, std::vector<std::string>& chunks) override {
        if (done_ || event.data == "[DONE]") return {};
        auto parsed = json::parse_object(event.data);
        if (!parsed) return fail(nonsense("an event that is no JSON object"));
        auto type = string_at(*parsed, "type");
        if (type == "error")
            return failed(object_at(*parsed, "error") != nullptr ? *object_at(*parsed, "error") : *parsed);
        if (!type.starts_with("response.")) return {};
        type.remove_prefix(9);
        if (!writer_.started()) start(*parsed, chunks);
        if (type.starts_with("output_item.")) return item(*parsed, type == "output_item.added", chunks);
        if (type == "function_call_arguments.delta" || type == "custom_tool_call_input.delta")
            return input(*parsed, chunks);
        if (type == "completed" || type == "incomplete" || type == "failed") return end(*parsed, chunks);
        text(*parsed, type, chunks);
        return {};
    }

    Result<> finish(std::vector<std::string>& /*chunks*/) override {
        if (!done_) return fail(interrupted());
        return {};
    }

private:
    struct Call {
        std::size_t index = 0;
        bool custom = false;
        bool told = false;  ///< deltas have come
    };

    Result<> failed(const json::object& error) {
        done_ = true;
        return fail(responses::read_error(error));
    }

    void start(const json::object& event, std::vector<std::string>& chunks) {
        const auto* response = object_at(event, "response");
        if (response == nullptr) return writer_.start(chunks, {});
        writer_.start(chunks, string_at(*response, "id"), string_at(*response, "model"));
    }

    void text(const json::object& event, std::string_view type, std::vector<std::string>& chunks) {
        const auto delta = string_at(event, "delta");
        if (type == "output_text.delta") writer_.text(chunks, delta);
        if (type == "refusal.delta") writer_.refusal(chunks, delta);
        if (type == "reasoning_summary_text.delta" || type == "reasoning_text.delta") {
            reasoned_ = true;
            writer_.reasoning(chunks, delta);
        }
        if (type == "reasoning_summary_part.added" && reasoned_) writer_.reasoning(chunks, "\n\n");
        if (type == "output_text.annotation.added") annotation(event, chunks);
    }

    void annotation(const json::object& event, std::vector<std::string>& chunks) {
        const auto* annotation = object_at(event, "annotation");
        if (annotation == nullptr) return;
        json::array one;
        one.emplace_back(*annotation);
        auto citations = responses::read_annotations(one);
        if (!citations.empty()) writer_.delta(chunks, {{"annotations", std::move(citations)}});
    }

    Result<> item(const json::object& event, bool added, std::vector<std::string>& chunks) {
        const auto* item = object_at(event, "item");
        if (item == nullptr) return fail(nonsense("an output_item event without item"));
        const auto type = string_at(*item, "type");
        if (type == "reasoning" && !added) {
            if (auto block = responses::thinking_block(*item)) {
                json::array blocks;
                blocks.emplace_back(std::move(*block));
                writer_.delta(chunks, {{"thinking_blocks", std::move(blocks)}});
            }
        }
        if (type != "function_call" && type != "custom_tool_call") return {};
        const auto at = count_at(event, "output_index");
        auto found = calls_.find(at);
        if (found == calls_.end()) {
            if (calls_.size() >= kMaxToolCalls) return fail(nonsense("more than 128 tool calls"));
            found = calls_.emplace(at, Call{calls_.size(), type == "custom_tool_call", false}).first;
            writer_.tool_call(chunks, found->second.index, responses::read_call(*item, ""));
        }
        if (!added && !found->second.told)
            tell(found->second, string_at(*item, found->second.custom ? "input" : "arguments"), chunks);
        return {};
    }

    Result<> input(const json::object& event, std::vector<std::string>& chunks) {
        const auto found = calls_.find(count_at(event, "output_index"));
        if (found == calls_.end()) return fail(nonsense("arguments of a call that was not announced"));
        tell(found->second, string_at(event, "delta"), chunks);
        return {};
    }

    void tell(Call& call, std::string_view piece, std::vector<std::string>& chunks) {
        if (piece.empty()) return;
        call.told = true;
        if (!call.custom) return writer_.arguments(chunks, call.index, piece);
        json::array calls;
        calls.emplace_back(json::object{{"index", call.index}, {"custom", {{"input", piece}}}});
        writer_.delta(chunks, {{"tool_calls", std::move(calls)}});
    }

    Result<> end(const json::object& event, std::vector<std::string>& chunks) {
        const auto* response = object_at(event, "response");
        if (response == nullptr) return fail(nonsense("an end without response"));
        if (const auto* error = object_at(*response, "error")) return failed(*error);
        if (string_at(event, "type") == "response.failed") return failed({});
        done_ = true;
        writer_.finish(chunks, responses::finish_reason(*response, !calls_.empty()));
        if (const auto* usage = object_at(*response, "usage")) writer_.usage(chunks, responses::read_usage(*usage));
        writer_.done(chunks);
        return {};
    }

    ChunkWriter writer_;
    std::map<std::int64_t, Call> calls_;  ///< by output_index
    bool reasoned_ = false;
    bool done_ = false;
};

}  // namespace

std::unique_ptr<StreamDecoder> ResponsesDialect::decoder(const UpstreamCall& call) const {
    return std::make_unique<ResponsesDecoder>(call);
}

}  // namespace atrium::model
