#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"

/// Anthropic's content blocks as chat messages. Private to the translation of requests.
namespace atrium::gateway {

/// Collects the chat messages of one request.
struct ChatMessages {
    json::array messages;
    bool only_text = true;

    /// One message of the request: {role, content}; `path` names it in errors. kInvalidArgument.
    Result<> add(const json::object& message, const std::string& path);
    /// The `system` field: a string or text blocks.
    Result<> add_system(const json::value& system, const std::string& path);

private:
    /// The parts that one block of a user's turn makes.
    Result<> append(const json::object& block, const std::string& path, json::array& out);
    Result<json::array> parts(const json::array& blocks, const std::string& path);
    Result<json::value> part(const json::object& block, const std::string& path);
    Result<json::value> image(const json::object& block, const std::string& path);
    Result<json::array> document(const json::object& block, const std::string& path);
    Result<> add_user(const json::array& blocks, const std::string& path);
    Result<> add_assistant(const json::array& blocks, const std::string& path);
    Result<> add_tool_result(const json::object& block, const std::string& path, json::array& following);
};

}  // namespace atrium::gateway
