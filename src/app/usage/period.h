#pragma once

#include <cstdint>
#include <string_view>

namespace atrium::app {

/// Calendar periods in UTC, as unix seconds. A day or month that has begun lasts until the next one begins.
enum class Period { kDay, kMonth };
std::string_view period_name(Period period);  ///< "day", "month"
std::int64_t period_start(Period period, std::int64_t unix_seconds);
std::int64_t next_period_start(Period period, std::int64_t unix_seconds);

}  // namespace atrium::app
