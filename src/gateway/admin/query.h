#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/usage/usage_report.h"
#include "gateway/route_table.h"

/// What questions about usage have in common, whoever's dialect they come in.
namespace atrium::gateway {

/// Every value of a list in the query, however it is written: "name=a&name=b", "name[]=a", "name=a,b".
/// kInvalidArgument beyond 100 values or 255 bytes in one.
Result<std::vector<std::string>> query_list(Call& call, std::string_view name);

/// A filter for one dimension, added when the parameter is there.
Result<> add_filter(Call& call, std::string_view parameter, app::UsageDimension dimension, app::UsageFilter& filter);

}  // namespace atrium::gateway
