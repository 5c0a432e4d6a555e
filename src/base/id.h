#pragma once

#include <string>
#include <string_view>

namespace atrium {

/// A new public identifier: prefix + 24 lower-case base-32 characters (120 random bits), e.g.
/// "file-2k9x…", "vs_…", "chatcmpl-…". Not guessable (getrandom), safe in URLs and file names. Thread-safe.
std::string new_id(std::string_view prefix);

/// Whether `text` could be an id with this prefix: right prefix, then 8–64 of [A-Za-z0-9_-].
/// Call before an id from outside reaches a path, a query or a log.
bool is_id(std::string_view text, std::string_view prefix);

}  // namespace atrium
