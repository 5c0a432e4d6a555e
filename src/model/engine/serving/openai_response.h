#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "model/engine/backend.h"
#include "model/engine/generation/token_stream.h"
#include "platform/http/message.h"

/// The response bodies of the OpenAI API.
namespace atrium::model {

struct Usage {
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    std::int64_t cached_tokens = 0;
};

/// What every piece of one response repeats.
struct ResponseIdentity {
    std::string id;
    std::string object;  ///< "chat.completion.chunk" …
    std::int64_t created = 0;
    std::string model;
};

json::object usage_json(const Usage& usage);
/// id, object, created, model and the choices.
json::object response_json(const ResponseIdentity& identity, json::array choices);
/// Our extension: exact usage so far, so that a stream which breaks off can still be billed.
void add_progress(json::object& response, const Usage& usage);

std::string_view finish_reason_name(FinishReason reason, bool tool_calls);
json::object chat_logprobs(const std::vector<TokenDetail>& details);
/// `offset`: characters of the answer before the first of these tokens.
json::object completion_logprobs(const std::vector<TokenDetail>& details, std::size_t offset);
json::array tool_calls_json(const std::vector<ToolCall>& calls, const std::vector<std::string>& ids);

/// {"error":{"message","type","param","code"}} with the canonical status; Retry-After where retrying makes sense.
json::object error_json(const Error& error);
http::Response error_response(const Error& error, std::chrono::seconds retry_after);

/// "data: …\n\n"
std::string sse_data(const json::object& event);
/// Little-endian float32, as the API's encoding_format=base64.
std::string base64_floats(const std::vector<float>& vector);

/// Turns the growing text of a chat answer into deltas: content, reasoning and tool calls. Without a parser the text is
/// the content. One per choice.
class ChatDeltas {
public:
    explicit ChatDeltas(std::shared_ptr<const OutputParser> parser) : parser_(std::move(parser)) {}

    /// The deltas that `text` brings; `last` when nothing follows.
    std::vector<json::object> feed(std::string_view text, bool last);
    const ChatMessage& message() const { return message_; }
    const std::vector<std::string>& call_ids() const { return call_ids_; }

private:
    void compare(const ChatMessage& next, std::vector<json::object>& deltas);

    std::shared_ptr<const OutputParser> parser_;
    std::string text_;
    std::size_t parsed_bytes_ = 0;
    ChatMessage message_;
    std::vector<std::string> call_ids_;
};

}  // namespace atrium::model
