#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/stop.h"
#include "observability/metrics/metrics.h"
#include "platform/async/task.h"
#include "platform/redis/redis_client.h"

namespace atrium::app {

enum class LimitKind : std::uint8_t { kRequests, kTokens, kConcurrency };

/// What a call wants of one counter: `amount` of at most `limit` per minute (at the same time, for kConcurrency).
struct Demand {
    std::string subject;  ///< "key:key_…", "model:gpt-*"
    LimitKind kind = LimitKind::kRequests;
    std::int64_t limit = 0;  ///< > 0
    std::int64_t amount = 1;
};

/// How a counter stands after a decision; what x-ratelimit-* tell.
struct Standing {
    std::int64_t remaining = 0;
    std::chrono::milliseconds reset{0};  ///< until it is as if nobody had called
};

struct Verdict {
    bool granted = true;
    std::size_t refused = 0;                   ///< which demand, when not granted
    std::chrono::milliseconds retry_after{0};  ///< when that one may be granted
    std::vector<Standing> standings;           ///< one per demand
};

/// Counters that are shared by everything that calls: a minute's worth at once, then evenly (token buckets), and places
/// for what runs at the same time. An amount larger than the limit counts as the limit, so that it can happen at all.
/// Thread-safe; owned by main. Time comes from a steady clock: setting the wall clock changes nothing.
class RateLimiter {
public:
    virtual ~RateLimiter() = default;
    /// All demands or none.
    virtual Task<Verdict> take(std::vector<Demand> demands) = 0;
    /// Frees a place, or gives back what a call had taken too much; a negative amount takes more without asking, as
    /// deep as one limit below zero.
    virtual void give_back(const Demand& demand) = 0;
    /// Housekeeping until stopped. One task.
    virtual Task<> run(StopToken stop) = 0;
};

/// Counters in this process, in shards with a lock each that is held for nanoseconds. What has been full for a while is
/// forgotten, so memory follows those who call.
std::unique_ptr<RateLimiter> make_embedded_rate_limiter(const Clock& clock);

/// Counters in Redis, of which every gateway leases small portions in advance: a call normally takes from the lease and
/// waits for nobody. Together the gateways grant exactly the limit; what lies unused in one of them for a second goes
/// back. While Redis is away each gateway enforces its share (limit / gateways that were alive), told by log and by
/// atrium_limits_shared; afterwards what was used meanwhile is subtracted. The client outlives the limiter.
std::unique_ptr<RateLimiter> make_redis_rate_limiter(redis::RedisClient& redis, const Clock& clock,
                                                     metrics::Registry& metrics);

}  // namespace atrium::app
