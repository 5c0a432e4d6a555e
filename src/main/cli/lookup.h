#pragma once

#include <string>

#include "main/cli/api_client.h"

namespace atrium::cli {

/// The id of a knowledge base given by id or name; the only one (or the sample) when `base` is empty.
/// kNotFound lists what there is.
Result<std::string> find_knowledge_base(ApiClient& client, const std::string& base);

/// Every element of a paged list (`data`, `has_more`, `after`).
Result<json::array> list_all(ApiClient& client, const std::string& path);

}  // namespace atrium::cli
