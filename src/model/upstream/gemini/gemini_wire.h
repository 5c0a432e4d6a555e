#pragma once

#include "model/upstream/internal/answer_writer.h"
#include "model/upstream/internal/chat_request.h"

/// Private to the gemini dialect: what its encoder, decoder and stream decoder share.
namespace atrium::model::gemini {

Result<json::object> encode_chat(const ChatRequest& request, const UpstreamCall& call);
Result<json::object> encode_embedding(const json::object& request, const UpstreamCall& call);

/// Prompt tokens include the cached ones and those of tool results; thoughts count as completion.
TokenUsage read_usage(const json::object& metadata);

/// What a finishReason means: an OpenAI finish reason, or why the attempt has failed (a call the model could not write
/// down properly is worth another try as long as nothing else was said).
Result<std::string_view> finish_reason(std::string_view reason, bool tools, bool said_something);

/// A functionCall part as a tool call, its id made up when there is none, its signature in
/// extra_content.google.thought_signature (Google's own name for it in its OpenAI-compatible API).
json::object read_call(const json::object& part);
json::object signature_extension(std::string_view signature);

/// "the provider blocked the prompt (SAFETY)" when promptFeedback says so.
std::optional<std::string> blocked_prompt(const json::object& answer);

/// The `error` object of an error answer or event; `status` where it names none.
Error read_error(const json::object& error, int status);

}  // namespace atrium::model::gemini
