#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

/// A chat completion as Anthropic's Message. What message_stream.h shares with it is declared here too.
namespace atrium::gateway {

/// A complete answer. kUnavailable when it is no chat completion.
Result<json::object> message_from_completion(std::string_view completion);

/// OpenAI's usage in Anthropic's buckets: there, input_tokens are those that neither came from a cache nor were written
/// to one; here, prompt_tokens are all of them.
json::object message_usage(const json::object& usage);

/// "stop" → "end_turn", "length" → "max_tokens", "tool_calls" → "tool_use", "content_filter" → "refusal".
std::string_view message_stop_reason(std::string_view finish_reason);

/// The stop string that ended a choice, where the upstream says so (vLLM's `stop_reason`); else empty.
std::string_view matched_stop(const json::object& choice);

}  // namespace atrium::gateway
