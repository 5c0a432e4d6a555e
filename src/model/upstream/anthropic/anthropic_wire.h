#pragma once

#include "model/upstream/internal/chat_request.h"
#include "model/upstream/upstream.h"

/// Private to the anthropic dialect: what its encoder, decoder and stream decoder share.
namespace atrium::model::anthropic {

/// The body of POST /messages.
Result<json::object> encode_chat(const ChatRequest& request, const UpstreamCall& call);

/// Adds what a `usage` object reports. Anthropic's input_tokens leave the cached ones out, OpenAI's prompt_tokens hold
/// them, so the raw counts are kept and added up once, at the end.
struct RawUsage {
    std::int64_t input = 0;
    std::int64_t cache_read = 0;
    std::int64_t cache_write = 0;
    std::int64_t output = 0;
    std::int64_t thinking = 0;

    void read(const json::object& usage);
    TokenUsage total() const;
};

/// end_turn → stop, tool_use → tool_calls, …
std::string_view finish_reason(std::string_view stop_reason);

/// The `error` object of an error answer or event.
Error read_error(const json::object& error);

}  // namespace atrium::model::anthropic
