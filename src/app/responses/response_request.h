#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace atrium::app {

/// A request to make a response, checked. kInvalidArgument names the field.
struct ResponseRequest {
    std::string model;
    json::array input;  ///< items as normalise_item makes them
    std::string previous_response_id;
    std::string conversation;
    bool stream = false;
    bool store = true;
    bool background = false;
    bool truncate = false;             ///< truncation: auto
    bool encrypted_reasoning = false;  ///< include: reasoning.encrypted_content
    std::string instructions;
    std::set<std::string> custom_tools;
    json::object settings;  ///< the members of the chat body besides model and messages
    json::object echo;      ///< the members of the response object that repeat the request

    static Result<ResponseRequest> parse(const json::object& body);
};

/// Tools that the server itself would run; each is somebody's later work, and until then named in the refusal.
/// A runner declares its `type` here and is offered to the model as a function.
bool is_supported_tool(std::string_view type);

/// Up to 16 entries, keys of up to 64 bytes, strings of up to 512.
Result<json::object> read_metadata(const json::object& body);

}  // namespace atrium::app
