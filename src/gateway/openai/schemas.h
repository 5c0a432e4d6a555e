#pragma once

#include <string_view>

#include "base/json.h"

/// JSON Schemas of the model routes, for the API description. The validation itself is in requests.h: it names fields
/// and knows rules between them that a schema does not.
namespace atrium::gateway {

json::object chat_request_schema();
json::object completion_request_schema();
json::object embedding_request_schema();
json::object completion_response_schema(std::string_view object);
json::object embedding_response_schema();

}  // namespace atrium::gateway
