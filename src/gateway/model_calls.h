#pragma once

#include <string_view>

#include "app/chat/chat_service.h"
#include "base/result.h"
#include "gateway/route_table.h"

/// What the routes of all dialects share when they call a chat model.
namespace atrium::gateway {

/// What a local model cannot do is said before anything is computed: embedding models do not chat, text models read no
/// images and files. Upstreams judge for themselves. `content_field` is named when the content does not fit.
/// Also fails as a call would: unknown model, not ready.
Result<> check_chat_fit(const app::ChatService& chat, std::string_view model, bool only_text,
                        std::string_view content_field = "messages");

/// Tokens of a chat body's messages and tools: the upstream's own count where it has a tokenizer to ask, else an
/// estimate (four bytes of text make about one token), which the header x-atrium-token-count then says.
Task<std::int64_t> count_chat_tokens(Call& call, app::ChatService& chat, const json::object& chat_body);

}  // namespace atrium::gateway
