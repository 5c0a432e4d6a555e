#pragma once

#include <cstdint>

#include "app/knowledge/file_service.h"
#include "gateway/route_table.h"

namespace atrium::gateway {

/// /v1/files in OpenAI's shapes. An upload of at most `max_upload_bytes` goes to the blob store piece by piece; a
/// download comes from there the same way. The service outlives the table.
void add_file_routes(RouteTable& routes, app::FileService& files, std::uint64_t max_upload_bytes);

}  // namespace atrium::gateway
