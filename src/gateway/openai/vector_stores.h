#pragma once

#include "app/knowledge/retriever.h"
#include "app/knowledge/vector_store_service.h"
#include "gateway/route_table.h"

namespace atrium::gateway {

/// /v1/vector_stores with files, file_batches and search, in OpenAI's shapes. The services outlive the table.
void add_vector_store_routes(RouteTable& routes, app::VectorStoreService& stores, app::Retriever& retriever);

}  // namespace atrium::gateway
