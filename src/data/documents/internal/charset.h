#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace atrium::data::internal {

/// Bytes of unknown encoding as UTF-8: by byte order mark, as UTF-8 when well-formed, by the declared charset
/// ("gb2312" from a <meta>; may be empty), else by detection among UTF-16, GB18030, Big5 and what ICU knows.
/// Undecodable bytes become U+FFFD. Thread-safe.
std::string decode_text(std::string_view bytes, std::string_view declared_charset = {});

/// Whether the bytes can be text in one of those encodings: few control characters.
bool looks_like_text(std::string_view bytes);

}  // namespace atrium::data::internal
