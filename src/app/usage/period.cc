#include "app/usage/period.h"

#include <chrono>

namespace atrium::app {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

sys_days day_of(std::int64_t unix_seconds) {
    return std::chrono::floor<days>(std::chrono::sys_seconds(std::chrono::seconds(unix_seconds)));
}

std::int64_t seconds_of(sys_days day) {
    return std::chrono::duration_cast<std::chrono::seconds>(day.time_since_epoch()).count();
}

}  // namespace

std::string_view period_name(Period period) {
    return period == Period::kDay ? "day" : "month";
}

std::int64_t period_start(Period period, std::int64_t unix_seconds) {
    const auto day = day_of(unix_seconds);
    if (period == Period::kDay) return seconds_of(day);
    const year_month_day date(day);
    return seconds_of(sys_days(date.year() / date.month() / 1));
}

std::int64_t next_period_start(Period period, std::int64_t unix_seconds) {
    if (period == Period::kDay) return seconds_of(day_of(unix_seconds) + days(1));
    const year_month_day date(day_of(unix_seconds));
    return seconds_of(sys_days((date.year() / date.month() + std::chrono::months(1)) / 1));
}

}  // namespace atrium::app
