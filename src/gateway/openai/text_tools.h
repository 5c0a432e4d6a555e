#pragma once

#include "app/chat/chat_service.h"
#include "gateway/route_table.h"

/// What models do with texts besides answering: rerank (Cohere's shape, which Jina and vLLM share), moderations
/// (OpenAI's), tokenize and detokenize (vLLM's). The service outlives the table.
namespace atrium::gateway {

void add_text_tool_routes(RouteTable& routes, app::ChatService& chat);

}  // namespace atrium::gateway
