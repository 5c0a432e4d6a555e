#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/documents/parser.h"

namespace atrium::data::internal {

struct ZipMember {
    std::string name;
    std::string content;  ///< only of the members asked for
};

/// Lists a ZIP archive in memory and unpacks the members in `wanted`. Refuses, naming the limit, more members or unpacked
/// bytes than `limits` allow (the sizes that members declare count too) and a compression ratio above 1:200 beyond
/// 32 MiB, which documents do not reach; encrypted members are kInvalidArgument. Single-threaded.
Result<std::vector<ZipMember>> read_zip(std::string_view bytes, const std::vector<std::string_view>& wanted,
                                        const ParseLimits& limits);

}  // namespace atrium::data::internal
