#pragma once

#include <optional>
#include <string_view>

#include "platform/fs/fs.h"

namespace atrium::model {

/// Cores this process may use: the scheduling mask, cut to the cgroup's quota (v2 cpu.max or v1 cfs quota). At least 1.
/// More compute threads than that collapse the throughput, because they wait for each other by spinning.
int available_cores(Fs& fs);

/// "200000 100000" → 2; "max 100000" → nothing. Rounded up: half a core still computes.
std::optional<int> cores_from_cpu_max(std::string_view cpu_max);

}  // namespace atrium::model
