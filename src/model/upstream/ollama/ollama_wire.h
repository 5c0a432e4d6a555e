#pragma once

#include "model/upstream/internal/answer_writer.h"
#include "model/upstream/internal/chat_request.h"

/// Private to the ollama dialect: what its encoder, decoder and stream decoder share.
namespace atrium::model::ollama {

Result<json::object> encode_chat(const ChatRequest& request, const UpstreamCall& call);
Result<json::object> encode_completion(const json::object& request, const UpstreamCall& call);
Result<json::object> encode_embedding(const json::object& request, const UpstreamCall& call);

/// Of the last document of an answer; nothing when it reports none.
std::optional<TokenUsage> read_usage(const json::object& document);
std::string_view finish_reason(const json::object& document, bool tools);
/// One entry of message.tool_calls, with an id made up where Ollama gives none.
Result<json::object> read_call(const json::value& call);
/// {"error":"…"}; nothing when it is no such thing.
std::optional<Error> read_error(const json::object& document);

}  // namespace atrium::model::ollama
