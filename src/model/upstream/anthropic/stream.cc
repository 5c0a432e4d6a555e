// Anthropic's event stream → OpenAI chat chunks.
//
// State of the message (kBefore, kOpen, kClosing, kDone) and of the one open block (none, text, thinking, tool):
//
//  # | state   | event                                  | does                                          | next
// ---+---------+----------------------------------------+-----------------------------------------------+---------
//  1 | kBefore | message_start                          | first chunk (role); usage so far              | kOpen
//  2 | kOpen   | content_block_start text               | text the block already holds                  | kOpen
//  3 | kOpen   | content_block_start thinking           | remember the block                            | kOpen
//  4 | kOpen   | content_block_start redacted_thinking  | a thinking_blocks delta                       | kOpen
//  5 | kOpen   | content_block_start tool_use           | a tool call with id and name                  | kOpen
//  6 | kOpen   | content_block_delta text_delta         | content                                       | kOpen
//  7 | kOpen   | content_block_delta thinking_delta     | reasoning_content                             | kOpen
//  8 | kOpen   | content_block_delta signature_delta    | remember the signature                        | kOpen
//  9 | kOpen   | content_block_delta input_json_delta   | arguments of the open call                    | kOpen
// 10 | kOpen   | content_block_stop                     | thinking: the whole block with its signature; | kOpen
//    |         |                                        | tool without deltas: the input it began with  |
// 11 | kOpen   | message_delta                          | stop reason; usage                            | kClosing
// 12 | kClosing| message_delta                          | the same again                                | kClosing
// 13 | kOpen,  | message_stop                           | finish_reason, usage, [DONE]                  | kDone
//    | kClosing|                                        |                                               |
// 14 | kClosing| end of body                            | as 13: some servers leave message_stop out    | kDone
// 15 | any     | error                                  | the Error it means                            | kDone
// 16 | any     | ping, anything unknown                 | nothing                                       | same
// 17 | kBefore | any other content event                | as 1 with nothing known, then the event       | kOpen
// 18 | kDone   | anything                               | nothing                                       | kDone
//    | others  | end of body                            | kUnavailable, upstream_interrupted            |
#include "model/upstream/anthropic/anthropic_dialect.h"
#include "model/upstream/anthropic/anthropic_wire.h"
#include "model/upstream/internal/answer_writer.h"

namespace atrium::model {
namespace {

using anthropic::RawUsage;

class AnthropicDecoder final : public StreamDecoder {
public:
    explicit AnthropicDecoder(const UpstreamCall& call) : writer_(Operation::kChat, call.model) {}

    Result<> decode(const http::SseEvent& event, std::vector<std::string>& chunks) override {
        if (state_ == State::kDone) return {};
        auto parsed = json::parse_object(event.data);
        if (!parsed) return fail(nonsense("an event that is no JSON object"));
        const auto type = string_at(*parsed, "type");
        if (type == "error") {
            state_ = State::kDone;
            const auto* error = object_at(*parsed, "error");
            return fail(anthropic::read_error(error != nullptr ? *error : *parsed));
        }
        if (type == "message_start") return message_start(*parsed, chunks);
        if (type != "message_delta" && type != "message_stop" && !type.starts_with("content_block_")) return {};
        if (state_ == State::kBefore) open({}, chunks);
        if (type == "content_block_start") return block_start(*parsed, chunks);
        if (type == "content_block_delta") return block_delta(*parsed, chunks);
        if (type == "content_block_stop") return block_stop(chunks);
        if (type == "message_delta") return message_delta(*parsed, chunks);
        if (type == "message_stop") {
            if (block_ != Block::kNone) TRY(block_stop(chunks));
            close(chunks);
        }
        return {};
    }

    Result<> finish(std::vector<std::string>& chunks) override {
        if (state_ == State::kClosing) close(chunks);
        if (state_ != State::kDone) return fail(interrupted());
        return {};
    }

private:
    enum class State { kBefore, kOpen, kClosing, kDone };
    enum class Block { kNone, kText, kThinking, kTool };

    void open(const json::object& message, std::vector<std::string>& chunks) {
        state_ = State::kOpen;
        writer_.start(chunks, string_at(message, "id"), string_at(message, "model"));
    }

    Result<> message_start(const json::object& event, std::vector<std::string>& chunks) {
        if (state_ != State::kBefore) return fail(nonsense("a second message_start"));
        const auto* message = object_at(event, "message");
        open(message != nullptr ? *message : json::object(), chunks);
        if (message != nullptr) read_usage(*message);
        return {};
    }

    /// Missing in some imitations, and in some proxies' message_start.
    void read_usage(const json::object& holder) {
        if (const auto* usage = object_at(holder, "usage")) {
            usage_.read(*usage);
            usage_reported_ = true;
        }
    }

    Result<> block_start(const json::object& event, std::vector<std::string>& chunks) {
        const auto* block = object_at(event, "content_block");
        if (block == nullptr) return fail(nonsense("a content_block_start without block"));
        if (block_ != Block::kNone) TRY(block_stop(chunks));
        const auto type = string_at(*block, "type");
        if (type == "text") {
            block_ = Block::kText;
            writer_.text(chunks, string_at(*block, "text"));
        } else if (type == "thinking") {
            block_ = Block::kThinking;
            thinking_ = string_at(*block, "thinking");
            signature_ = string_at(*block, "signature");
            writer_.reasoning(chunks, thinking_);
        } else if (type == "redacted_thinking") {
            writer_.delta(chunks, {{"thinking_blocks", json::array{json::value(*block)}}});
        } else if (type == "tool_use") {
            return tool_start(*block, chunks);
        }
        return {};
    }

    Result<> tool_start(const json::object& block, std::vector<std::string>& chunks) {
        if (tools_ >= kMaxToolCalls) return fail(nonsense("more than 128 tool calls"));
        block_ = Block::kTool;
        arguments_seen_ = false;
        // The input is {} here and told by deltas, except where a server has it all at once.
        const auto* input = object_at(block, "input");
        input_ = input != nullptr ? json::serialize(*input) : "{}";
        writer_.tool_call(chunks, tools_++, tool_call_object(string_at(block, "id"), string_at(block, "name"), ""));
        return {};
    }

    Result<> block_delta(const json::object& event, std::vector<std::string>& chunks) {
        const auto* delta = object_at(event, "delta");
        if (delta == nullptr) return fail(nonsense("a content_block_delta without delta"));
        const auto type = string_at(*delta, "type");
        if (type == "text_delta") {
            writer_.text(chunks, string_at(*delta, "text"));
        } else if (type == "thinking_delta") {
            const auto piece = string_at(*delta, "thinking");
            writer_.reasoning(chunks, piece);
            // Thinking inside another kind of block is shown, but cannot be a signed block.
            if (block_ == Block::kThinking) return keep(thinking_, piece);
        } else if (type == "signature_delta") {
            return keep(signature_, string_at(*delta, "signature"));
        } else if (type == "input_json_delta" && block_ == Block::kTool) {
            const auto piece = string_at(*delta, "partial_json");
            arguments_seen_ = arguments_seen_ || !piece.empty();
            writer_.arguments(chunks, tools_ - 1, piece);
        }
        return {};
    }

    Result<> keep(std::string& text, std::string_view piece) {
        if (thinking_.size() + signature_.size() + piece.size() > kMaxBufferedBytes)
            return fail(nonsense("a thinking block above 16 MiB"));
        text += piece;
        return {};
    }

    Result<> block_stop(std::vector<std::string>& chunks) {
        if (block_ == Block::kTool && !arguments_seen_) writer_.arguments(chunks, tools_ - 1, input_);
        if (block_ == Block::kThinking && !signature_.empty()) {
            const json::object block{{"type", "thinking"}, {"thinking", thinking_}, {"signature", signature_}};
            writer_.delta(chunks, {{"thinking_blocks", json::array{json::value(block)}}});
        }
        block_ = Block::kNone;
        thinking_.clear();
        signature_.clear();
        return {};
    }

    Result<> message_delta(const json::object& event, std::vector<std::string>& chunks) {
        if (block_ != Block::kNone) TRY(block_stop(chunks));
        read_usage(event);
        const auto* delta = object_at(event, "delta");
        if (delta == nullptr) return {};
        if (const auto reason = string_at(*delta, "stop_reason"); !reason.empty()) {
            finish_ = anthropic::finish_reason(reason);
            state_ = State::kClosing;
        }
        if (const auto* details = object_at(*delta, "stop_details"))
            writer_.refusal(chunks, string_at(*details, "explanation"));
        return {};
    }

    void close(std::vector<std::string>& chunks) {
        writer_.finish(chunks, finish_);
        if (usage_reported_) writer_.usage(chunks, usage_.total());
        writer_.done(chunks);
        state_ = State::kDone;
    }

    State state_ = State::kBefore;
    Block block_ = Block::kNone;
    ChunkWriter writer_;
    std::size_t tools_ = 0;
    std::string thinking_;
    std::string signature_;
    std::string input_;
    bool arguments_seen_ = false;
    RawUsage usage_;
    bool usage_reported_ = false;
    std::string finish_ = "stop";
};

}  // namespace

std::unique_ptr<StreamDecoder> AnthropicDialect::decoder(const UpstreamCall& call) const {
    return std::make_unique<AnthropicDecoder>(call);
}

}  // namespace atrium::model
