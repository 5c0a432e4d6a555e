#pragma once

#include <string>
#include <string_view>

namespace atrium::data::internal {

/// "&amp;" → "&", "&#x4e2d;" → "中"; the common names and every number. Unknown entities are returned unchanged.
std::string decode_entity(std::string_view entity);

}  // namespace atrium::data::internal
