#pragma once

#include "app/knowledge/answer_service.h"
#include "app/knowledge/retriever.h"
#include "app/knowledge/vector_store_service.h"
#include "gateway/route_table.h"

namespace atrium::gateway {

/// /atrium/v1/knowledge: what OpenAI's vector stores do not show: progress, passages, both legs of the search, and
/// answers with citations. The services outlive the table.
void add_knowledge_routes(RouteTable& routes, app::VectorStoreService& stores, app::Retriever& retriever,
                          app::AnswerService& answers);

}  // namespace atrium::gateway
