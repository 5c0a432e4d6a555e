#pragma once

#include "model/upstream/internal/chat_request.h"
#include "model/upstream/upstream.h"

/// Private to the openai-responses dialect: what its encoder, decoder and stream decoder share.
namespace atrium::model::responses {

/// The body of POST /responses.
Result<json::object> encode_chat(const ChatRequest& request, const UpstreamCall& call);

TokenUsage read_usage(const json::object& usage);

/// The `error` of a failed response, or an `error` event itself.
Error read_error(const json::object& error);

/// The finish reason of a finished response object; `tools` says whether it calls any.
std::string_view finish_reason(const json::object& response, bool tools);

/// A reasoning item as a thinking block whose signature is the encrypted content; nothing when there is none to keep.
std::optional<json::object> thinking_block(const json::object& item);

/// The text of a reasoning item: its summary, or what open models show in full.
std::string reasoning_text(const json::object& item);

/// url_citation annotations as chat completions have them.
json::array read_annotations(const json::array& annotations);

/// {"id","type","function"|"custom",…} of a function_call or custom_tool_call item, with `input` as its arguments.
json::object read_call(const json::object& item, std::string_view input);

}  // namespace atrium::model::responses
