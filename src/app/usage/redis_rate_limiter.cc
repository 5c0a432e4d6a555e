#include <fmt/format.h>

#include <array>
#include <atomic>
#include <functional>
#include <iterator>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "app/usage/internal/bucket.h"
#include "base/id.h"
#include "observability/log/log.h"
#include "platform/async/runtime.h"

namespace atrium::app {
namespace {

using std::chrono::milliseconds;

constexpr int kTries = 4;
constexpr milliseconds kUpkeep{250};
constexpr milliseconds kIdle{1000};     // then a lease goes back
constexpr milliseconds kAlive{10'000};  // a gateway that was silent for longer is gone
constexpr std::string_view kPrefix = "atrium:limit:";
constexpr std::string_view kGateways = "atrium:gateways";

/// KEYS[1] a bucket. ARGV: limit, want, least, give back (negative: subtract). Returns granted, left, milliseconds
/// until `least` are there. A portion is at most a quarter of what is left: near the end of the bucket portions shrink
/// to single requests, so nothing lies in one gateway that another could use. Time is the server's, the same for all.
constexpr std::string_view kLease = R"(
local limit, want, least, back = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local state = redis.call('HMGET', KEYS[1], 'left', 'at')
local left, at = tonumber(state[1]) or limit, tonumber(state[2]) or now
if now > at then left = left + (now - at) * limit / 60000 end
left = math.max(-limit, math.min(limit, left + back))
local granted = 0
if want > 0 and left + 0.000001 >= least then
  granted = math.max(least, math.min(want, math.floor(left / 4)))
  left = left - granted
end
redis.call('HSET', KEYS[1], 'left', string.format('%.6f', left), 'at', string.format('%d', now))
redis.call('PEXPIRE', KEYS[1], 180000)
local wait = 0
if left < least then wait = math.ceil((least - left) * 60000 / limit) end
return {granted, math.floor(left), wait}
)";

/// KEYS[1] the places of one subject by gateway, KEYS[2] who is alive. ARGV: limit, this gateway, places it wants to
/// hold in all. Returns how many it holds now and how many are free.
constexpr std::string_view kPlaces = R"(
local limit, me, want = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local dead = now - tonumber(ARGV[4])
redis.call('ZADD', KEYS[2], now, me)
local others = 0
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  if held[i] ~= me then
    local seen = redis.call('ZSCORE', KEYS[2], held[i])
    if seen and tonumber(seen) >= dead then others = others + tonumber(held[i + 1]) else redis.call('HDEL', KEYS[1], held[i]) end
  end
end
local granted = math.max(0, math.min(want, limit - others))
if granted > 0 then redis.call('HSET', KEYS[1], me, granted) else redis.call('HDEL', KEYS[1], me) end
redis.call('PEXPIRE', KEYS[1], 600000)
return {granted, math.max(0, limit - others - granted)}
)";

/// KEYS[1] who is alive. Returns how many gateways there are.
constexpr std::string_view kHeartbeat = R"(
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
return redis.call('ZCARD', KEYS[1])
)";

/// This gateway's portion of one counter.
struct Lease {
    Demand demand;             ///< the last one; its amount means nothing
    double held = 0;           ///< not yet used; kConcurrency: places held, used or not
    std::int64_t running = 0;  ///< kConcurrency: places in use
    std::int64_t left = 0;     ///< in Redis, when last asked
    SteadyTime empty_until{};
    SteadyTime used{};
    double recent = 0;         ///< taken since the last upkeep, for the size of the next portion
    bool asking = false;       ///< ahead of need
    std::int64_t waiting = 0;  ///< calls that wait for an answer
    double debt = 0;           ///< used while Redis was away
};

struct Shard {
    std::mutex mutex;
    std::unordered_map<std::string, Lease> leases;
};

class RedisRateLimiter final : public RateLimiter {
public:
    RedisRateLimiter(redis::RedisClient& redis, const Clock& clock, metrics::Registry& metrics)
        : redis_(redis),
          clock_(clock),
          gateway_(new_id("gw_")),
          local_(make_embedded_rate_limiter(clock)),
          shared_gauge_(
              metrics.gauge("atrium_limits_shared",
                            "1: limits are shared with other gateways; 0: Redis is away, each has its share.")),
          failures_(metrics.counter("atrium_limits_redis_failures_total",
                                    "Decisions about limits that Redis gave no answer for.")) {}

    ~RedisRateLimiter() override {
        // Replies that are on their way come within the client's deadline, and they come here.
        while (pending_.load() > 0) std::this_thread::sleep_for(milliseconds(1));
    }

    Task<Verdict> take(std::vector<Demand> demands) override {
        Verdict verdict;
        for (std::size_t i = 0; i < demands.size(); ++i) {
            verdict.standings.emplace_back();
            if (co_await take_one(demands[i], verdict.standings.back(), verdict.retry_after)) continue;
            for (std::size_t taken = 0; taken < i; ++taken) give_back(demands[taken]);
            verdict.granted = false;
            verdict.refused = i;
            break;
        }
        co_return verdict;
    }

    void give_back(const Demand& demand) override {
        auto& shard = shard_of(demand);
        std::scoped_lock lock(shard.mutex);
        auto& lease = lease_of(shard, demand);
        if (demand.kind == LimitKind::kConcurrency) {
            lease.running = std::max<std::int64_t>(0, lease.running - demand.amount);
            return;
        }
        const auto limit = static_cast<double>(demand.limit);
        lease.held = std::clamp(lease.held + std::min(static_cast<double>(demand.amount), limit), -limit, limit);
    }

    Task<> run(StopToken stop) override {
        std::int64_t round = 0;
        while (co_await sleep_for(kUpkeep, stop)) {
            if (round++ % 4 == 0) co_await beat();
            tell();
            if (redis_.connected()) upkeep();
        }
        return_everything();
    }

private:
    enum class Attempt { kTaken, kRefused, kAsk };

    Shard& shard_of(const Demand& demand) { return shards_[std::hash<std::string>{}(demand.subject) % shards_.size()]; }
    Lease& lease_of(Shard& shard, const Demand& demand) {
        auto& lease = shard.leases[bucket_key(demand)];
        lease.demand = demand;
        return lease;
    }

    Task<bool> take_one(const Demand& demand, Standing& standing, milliseconds& retry_after) {
        // What one call asked for another one may take, so there is more than one try.
        for (int tries = 0; tries < kTries; ++tries) {
            if (!redis_.connected()) co_return co_await take_share(demand, standing, retry_after);
            redis::RedisClient::Arguments ahead;
            const Attempt attempt = try_take(demand, standing, retry_after, ahead);
            if (!ahead.empty()) ask_ahead(demand, std::move(ahead));
            if (attempt != Attempt::kAsk) co_return attempt == Attempt::kTaken;
            if (!co_await ask(demand)) {
                failures_.add();
                co_return co_await take_share(demand, standing, retry_after);
            }
        }
        retry_after = milliseconds(10);
        co_return false;
    }

    /// From the lease alone.
    Attempt try_take(const Demand& demand, Standing& standing, milliseconds& retry_after,
                     redis::RedisClient::Arguments& ahead) {
        auto& shard = shard_of(demand);
        std::scoped_lock lock(shard.mutex);
        auto& lease = lease_of(shard, demand);
        const auto now = clock_.steady();
        const auto limit = static_cast<double>(demand.limit);
        const bool places = demand.kind == LimitKind::kConcurrency;
        const auto amount = std::min(static_cast<double>(demand.amount), limit);
        const double available = places ? lease.held - static_cast<double>(lease.running) : lease.held;
        Attempt attempt = Attempt::kTaken;
        if (available + 1e-6 >= amount) {
            if (places) {
                lease.running += demand.amount;
            } else {
                lease.held -= amount;
            }
            lease.used = now;
            lease.recent += amount;
            const bool low = available - amount < portion(lease) / 2 && portion(lease) > 1;
            if (low && !lease.asking && now >= lease.empty_until) {
                lease.asking = true;
                ahead = script_for(lease, 1);
            }
        } else if (now < lease.empty_until) {
            retry_after = std::chrono::ceil<milliseconds>(lease.empty_until - now);
            if (places) retry_after = std::max(retry_after, milliseconds(1000));
            attempt = Attempt::kRefused;
        } else {
            attempt = Attempt::kAsk;
        }
        const double known = static_cast<double>(lease.left) + (places ? available : lease.held);
        standing.remaining = std::max<std::int64_t>(
            0, static_cast<std::int64_t>(known - (places && attempt == Attempt::kTaken ? amount : 0)));
        if (!places) standing.reset = Bucket::time_for(limit - known, limit);
        return attempt;
    }

    /// What 100 ms need, judged by the last upkeep's worth.
    static double portion(const Lease& lease) { return std::clamp(lease.recent / 2, 1.0, 10'000.0); }

    redis::RedisClient::Arguments script_for(Lease& lease, double least) {
        const auto key = fmt::format("{}{}", kPrefix, bucket_key(lease.demand));
        if (lease.demand.kind == LimitKind::kConcurrency) {
            const auto want =
                static_cast<double>(lease.running + lease.waiting) + std::max(least, std::min(portion(lease), 4.0));
            return {"EVAL",   std::string(kPlaces),        "2",
                    key,      std::string(kGateways),      std::to_string(lease.demand.limit),
                    gateway_, fmt::format("{:.0f}", want), std::to_string(kAlive.count())};
        }
        // Tokens come in wholes; a lease below zero is filled up first.
        const double missing =
            std::min(std::ceil(std::max(0.0, least - lease.held)), static_cast<double>(lease.demand.limit));
        const double want = std::max(missing, std::ceil(portion(lease)));
        const double debt = std::exchange(lease.debt, 0);
        return {"EVAL",
                std::string(kLease),
                "1",
                key,
                std::to_string(lease.demand.limit),
                fmt::format("{:.0f}", want),
                fmt::format("{:.0f}", std::max(1.0, missing)),
                fmt::format("{:.6f}", -debt)};
    }

    /// Not under a lock: without a connection the reply comes at once.
    void ask_ahead(const Demand& demand, redis::RedisClient::Arguments arguments) {
        pending_.fetch_add(1);
        redis_.post(std::move(arguments), [this, demand](const Result<redis::Reply>& reply) {
            take_answer(demand, reply, [](Lease& lease) { lease.asking = false; });
            pending_.fetch_sub(1);
        });
    }

    /// Waits for a portion. False: Redis gave no answer.
    Task<bool> ask(const Demand& demand) {
        const double least = std::min(static_cast<double>(demand.amount), static_cast<double>(demand.limit));
        redis::RedisClient::Arguments arguments;
        {
            auto& shard = shard_of(demand);
            std::scoped_lock lock(shard.mutex);
            auto& lease = lease_of(shard, demand);
            arguments = script_for(lease, least);
            ++lease.waiting;
        }
        auto reply = co_await redis_.command(std::move(arguments));
        take_answer(demand, reply, [](Lease& lease) { --lease.waiting; });
        co_return reply.has_value();
    }

    template <class Note>
    void take_answer(const Demand& demand, const Result<redis::Reply>& reply, Note note) {
        auto& shard = shard_of(demand);
        std::scoped_lock lock(shard.mutex);
        auto& lease = lease_of(shard, demand);
        note(lease);
        if (!reply) return;
        const auto granted = static_cast<double>(reply->integer_at(0));
        lease.left = reply->integer_at(1);
        if (demand.kind == LimitKind::kConcurrency) {
            lease.held = granted;
            // Somebody else's place may become free any time; asking for each refused call would be a storm.
            const bool full = granted <= static_cast<double>(lease.running);
            lease.empty_until = full ? clock_.steady() + milliseconds(20) : SteadyTime{};
            return;
        }
        lease.held += granted;
        lease.empty_until = granted > 0 ? SteadyTime{} : clock_.steady() + milliseconds(reply->integer_at(2));
    }

    /// While Redis is away: each gateway its share.
    Task<bool> take_share(const Demand& demand, Standing& standing, milliseconds& retry_after) {
        auto share = demand;
        share.limit = std::max<std::int64_t>(1, demand.limit / gateways_.load());
        if (demand.kind == LimitKind::kConcurrency) co_return take_place(demand, share.limit, standing, retry_after);
        const auto verdict = co_await local_->take({share});
        standing = verdict.standings.front();
        retry_after = verdict.retry_after;
        if (!verdict.granted) co_return false;
        auto& shard = shard_of(demand);
        std::scoped_lock lock(shard.mutex);
        auto& lease = lease_of(shard, demand);
        lease.used = clock_.steady();
        lease.debt = std::min(lease.debt + static_cast<double>(demand.amount), static_cast<double>(demand.limit));
        co_return true;
    }

    bool take_place(const Demand& demand, std::int64_t share, Standing& standing, milliseconds& retry_after) {
        auto& shard = shard_of(demand);
        std::scoped_lock lock(shard.mutex);
        auto& lease = lease_of(shard, demand);
        lease.used = clock_.steady();
        const bool room = lease.running + demand.amount <= share;
        if (room) lease.running += demand.amount;
        standing.remaining = std::max<std::int64_t>(0, share - lease.running);
        if (!room) retry_after = milliseconds(1000);
        return room;
    }

    Task<> beat() {
        auto reply = co_await redis_.command(
            {"EVAL", std::string(kHeartbeat), "1", std::string(kGateways), gateway_, std::to_string(kAlive.count())});
        if (reply) gateways_ = std::max<std::int64_t>(1, reply->integer);
    }

    void tell() {
        const bool shared = redis_.connected();
        shared_gauge_.set(shared ? 1 : 0);
        if (shared == was_shared_) return;
        was_shared_ = shared;
        if (shared) return log::info("limits are shared with the other gateways again");
        log::error("Redis is away: limits are divided by the number of gateways until it is back",
                   {{"gateways", gateways_.load()}});
    }

    /// Leases that nobody uses go back; places held but not used too.
    void upkeep() {
        const auto now = clock_.steady();
        for (auto& shard : shards_) {
            std::scoped_lock lock(shard.mutex);
            for (auto entry = shard.leases.begin(); entry != shard.leases.end();)
                entry = is_over(entry->second, now) ? shard.leases.erase(entry) : std::next(entry);
        }
    }

    /// Looks after one lease; true when nothing of it is left to remember.
    bool is_over(Lease& lease, SteadyTime now) {
        lease.recent /= 2;
        const bool places = lease.demand.kind == LimitKind::kConcurrency;
        if (lease.asking || lease.waiting > 0) return false;
        if (now - lease.used < kIdle) {
            // A place is told again and again, or a restart of Redis would forget it.
            if (places && lease.held > 0) renew(lease, static_cast<std::int64_t>(lease.held));
            return false;
        }
        if (places) {
            renew(lease, lease.running);
            return lease.running == 0;
        }
        if (lease.held != 0 || lease.debt != 0) return_lease(lease);
        return true;
    }

    void renew(Lease& lease, std::int64_t want) {
        lease.held = static_cast<double>(want);
        redis_.post({"EVAL", std::string(kPlaces), "2", fmt::format("{}{}", kPrefix, bucket_key(lease.demand)),
                     std::string(kGateways), std::to_string(lease.demand.limit), gateway_, std::to_string(want),
                     std::to_string(kAlive.count())},
                    [](const Result<redis::Reply>&) {});
    }

    void return_lease(Lease& lease) {
        const double back = std::exchange(lease.held, 0) - std::exchange(lease.debt, 0);
        redis_.post({"EVAL", std::string(kLease), "1", fmt::format("{}{}", kPrefix, bucket_key(lease.demand)),
                     std::to_string(lease.demand.limit), "0", "1", fmt::format("{:.6f}", back)},
                    [](const Result<redis::Reply>&) {});
    }

    void return_everything() {
        for (auto& shard : shards_) {
            std::scoped_lock lock(shard.mutex);
            for (auto& [key, lease] : shard.leases) {
                if (lease.demand.kind == LimitKind::kConcurrency) {
                    renew(lease, 0);
                } else if (lease.held != 0) {
                    return_lease(lease);
                }
            }
        }
        redis_.post({"ZREM", std::string(kGateways), gateway_}, [](const Result<redis::Reply>&) {});
    }

    redis::RedisClient& redis_;
    const Clock& clock_;
    const std::string gateway_;
    std::unique_ptr<RateLimiter> local_;
    metrics::Gauge shared_gauge_;
    metrics::Counter failures_;
    std::array<Shard, 64> shards_;
    std::atomic<std::int64_t> gateways_{1};
    std::atomic<int> pending_{0};
    bool was_shared_ = true;
};

}  // namespace

std::unique_ptr<RateLimiter> make_redis_rate_limiter(redis::RedisClient& redis, const Clock& clock,
                                                     metrics::Registry& metrics) {
    return std::make_unique<RedisRateLimiter>(redis, clock, metrics);
}

}  // namespace atrium::app
