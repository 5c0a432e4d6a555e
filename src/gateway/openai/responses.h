#pragma once

#include "app/responses/response_service.h"
#include "gateway/route_table.h"

/// OpenAI's Responses and Conversations. The service outlives the table.
namespace atrium::gateway {

void add_response_routes(RouteTable& routes, app::ResponseService& responses, app::ChatService& chat);
void add_conversation_routes(RouteTable& routes, app::ConversationStore& conversations);

/// limit 1–100 (20), order asc|desc (desc), after; of a list of items.
Result<app::ItemPaging> item_paging(Call& call);

}  // namespace atrium::gateway
