// Regular work of routing: active health checks, outlier ejection, and noticing what other gateways changed.
#include <map>

#include "app/routing/internal/state.h"
#include "observability/log/log.h"

namespace atrium::app {
namespace {

constexpr std::chrono::milliseconds kTick{250};
constexpr std::chrono::milliseconds kOutliers{10'000};
constexpr std::chrono::milliseconds kChanges{1'000};
constexpr std::chrono::milliseconds kMaxCheck{5'000};
constexpr std::size_t kMaxBody = 64 * 1024;

Task<> check(std::shared_ptr<RoutingService::State> state, config::UpstreamSettings upstream, StopToken stop) {
    auto url = http::Url::parse(upstream.url);
    if (!url) co_return;
    http::ClientRequest request;
    request.url = std::move(*url);
    request.url.target = upstream.health_check.path;
    const auto limit = std::min(kMaxCheck, upstream.health_check.interval);
    request.deadlines = {limit, limit, limit};
    auto response = co_await state->parts.client.send(std::move(request), stop);
    bool healthy = response && (*response)->status() >= 200 && (*response)->status() < 300;
    // Read to its end, so that the connection serves the next check.
    if (response) healthy = (co_await (*response)->read_all(kMaxBody)).has_value() && healthy;
    if (!stop.stop_requested()) state->parts.router.checked(upstream.name, healthy);
}

std::vector<config::UpstreamSettings> checked_upstreams(const RoutingService::State& state) {
    const std::scoped_lock lock(state.mutex);
    std::vector<config::UpstreamSettings> all;
    const auto take = [&](const config::UpstreamSettings& settings) {
        if (!settings.health_check.path.empty()) all.push_back(settings);
    };
    for (const auto& upstream : state.upstreams) take(upstream);
    for (const auto& upstream : state.stored.upstreams) take(upstream.settings);
    return all;
}

Result<std::int64_t> stored_version(sql::Session& session) {
    return routing_version(session);
}

Task<> notice_changes(std::shared_ptr<RoutingService::State> state) {
    const auto version = co_await state->parts.database.read<std::int64_t>(stored_version);
    if (!version) co_return;  // the database reports its own troubles
    {
        const std::scoped_lock lock(state->mutex);
        if (*version == state->stored.version) co_return;
    }
    if (const auto fresh = co_await state->refresh(); !fresh) {
        log::error("changed routing cannot be used; the old one stays", {{"error", fresh.error()}});
    }
}

}  // namespace

Task<> keep_up(std::shared_ptr<RoutingService::State> state, TaskGroup& checks, StopToken stop) {
    std::map<std::string, SteadyTime> due;
    const auto& clock = state->parts.clock;
    SteadyTime outliers = clock.steady() + kOutliers;
    SteadyTime changes = clock.steady() + kChanges;
    while (co_await sleep_for(kTick, stop)) {
        const auto now = clock.steady();
        for (auto& upstream : checked_upstreams(*state)) {
            auto& next = due[upstream.name];
            if (now < next) continue;
            next = now + upstream.health_check.interval;
            checks.spawn(check(state, std::move(upstream), stop));
        }
        if (now >= outliers) {
            state->parts.router.eject_outliers();
            outliers = now + kOutliers;
        }
        if (now >= changes) {
            co_await notice_changes(state);
            changes = now + kChanges;
        }
    }
}

}  // namespace atrium::app
