#pragma once

#include "model/upstream/internal/chat_request.h"

/// Private to read_chat(). Free functions, any thread.
namespace atrium::model {

/// One entry of a message's `content`; kInvalidArgument names what is wrong below `path`. Points into `value`.
Result<ChatPart> read_part(const json::value& value, std::string path);

/// "<path> <what>", the path as its field.
Error wrong(const std::string& path, std::string_view what);

}  // namespace atrium::model
