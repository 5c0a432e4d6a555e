#pragma once

#include "app/chat/chat_service.h"
#include "gateway/route_table.h"

/// Anthropic's Messages API. The service outlives the table.
namespace atrium::gateway {

/// POST /v1/messages, /v1/messages/count_tokens. (GET /v1/models in Anthropic's shape: openai/models.cc.)
void add_message_routes(RouteTable& routes, app::ChatService& chat);

}  // namespace atrium::gateway
