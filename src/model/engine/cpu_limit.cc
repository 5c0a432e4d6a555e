#include "model/engine/cpu_limit.h"

#include <sched.h>

#include <algorithm>

#include "base/text.h"

namespace atrium::model {
namespace {

std::optional<int> cores_from_quota(std::string_view quota, std::string_view period) {
    const auto q = text::to_int(text::trim(quota));
    const auto p = text::to_int(text::trim(period));
    if (!q || !p || *q <= 0 || *p <= 0) return std::nullopt;
    return static_cast<int>(std::clamp<std::int64_t>((*q + *p - 1) / *p, 1, 1024));
}

std::string read_or_empty(Fs& fs, const Path& path) { return fs.read_file(path, 4096).value_or(""); }

}  // namespace

std::optional<int> cores_from_cpu_max(std::string_view cpu_max) {
    const auto fields = text::split(text::trim(cpu_max), ' ');
    if (fields.size() != 2) return std::nullopt;
    return cores_from_quota(fields[0], fields[1]);
}

int available_cores(Fs& fs) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    int cores = sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 1;
    if (const auto limit = cores_from_cpu_max(read_or_empty(fs, "/sys/fs/cgroup/cpu.max"))) cores = std::min(cores, *limit);
    if (const auto limit = cores_from_quota(read_or_empty(fs, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
                                            read_or_empty(fs, "/sys/fs/cgroup/cpu/cpu.cfs_period_us"))) {
        cores = std::min(cores, *limit);
    }
    return std::max(cores, 1);
}

}  // namespace atrium::model
