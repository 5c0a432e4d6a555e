#pragma once

#include "app/chat/chat_service.h"
#include "gateway/route_table.h"

/// The model routes in OpenAI's shapes. Each adds its routes to the table; the service outlives the table.
namespace atrium::gateway {

void add_model_routes(RouteTable& routes, app::ChatService& chat);      ///< GET /v1/models, /v1/models/{model}
void add_chat_routes(RouteTable& routes, app::ChatService& chat);       ///< POST /v1/chat/completions, /v1/completions
void add_embedding_routes(RouteTable& routes, app::ChatService& chat);  ///< POST /v1/embeddings

}  // namespace atrium::gateway
