#pragma once

#include <string>

#include "app/chat/chat_service.h"
#include "gateway/route_table.h"

/// Ollama's API, for programs that know no other. The service outlives the table.
namespace atrium::gateway {

/// /api/chat, generate, tags, show, ps, version, embed, embeddings; pull, push, create, copy and delete say what to do
/// instead.
void add_ollama_routes(RouteTable& routes, app::ChatService& chat, std::string version);

}  // namespace atrium::gateway
