#include <array>
#include <functional>
#include <iterator>
#include <mutex>
#include <unordered_map>

#include "app/usage/internal/bucket.h"
#include "platform/async/runtime.h"

namespace atrium::app {
namespace {

constexpr std::chrono::seconds kForgetInterval{60};

struct Counter {
    Bucket bucket;
    double limit = 0;
    std::int64_t running = 0;
};

struct Shard {
    std::mutex mutex;
    std::unordered_map<std::string, Counter> counters;
};

class EmbeddedRateLimiter final : public RateLimiter {
public:
    explicit EmbeddedRateLimiter(const Clock& clock) : clock_(clock) {}

    Task<Verdict> take(std::vector<Demand> demands) override {
        Verdict verdict;
        for (std::size_t i = 0; i < demands.size(); ++i) {
            verdict.standings.emplace_back();
            if (take_one(demands[i], verdict.standings.back(), verdict.retry_after)) continue;
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
        auto& counter = counter_of(shard, demand);
        const auto limit = static_cast<double>(demand.limit);
        if (demand.kind == LimitKind::kConcurrency) {
            counter.running = std::max<std::int64_t>(0, counter.running - demand.amount);
            return;
        }
        counter.bucket.refill(limit, clock_.steady());
        // What was taken was cut to the limit, and so is what comes back.
        const auto amount = std::min(static_cast<double>(demand.amount), limit);
        counter.bucket.tokens = std::clamp(counter.bucket.tokens + amount, -limit, limit);
    }

    Task<> run(StopToken stop) override {
        while (co_await sleep_for(kForgetInterval, stop)) forget();
    }

private:
    Shard& shard_of(const Demand& demand) { return shards_[std::hash<std::string>{}(demand.subject) % shards_.size()]; }

    Counter& counter_of(Shard& shard, const Demand& demand) {
        auto [found, is_new] = shard.counters.try_emplace(bucket_key(demand));
        const auto limit = static_cast<double>(demand.limit);
        if (is_new) found->second.bucket = Bucket::full(limit, clock_.steady());
        found->second.limit = limit;
        return found->second;
    }

    bool take_one(const Demand& demand, Standing& standing, std::chrono::milliseconds& retry_after) {
        auto& shard = shard_of(demand);
        std::scoped_lock lock(shard.mutex);
        auto& counter = counter_of(shard, demand);
        const auto limit = static_cast<double>(demand.limit);
        if (demand.kind == LimitKind::kConcurrency) {
            const bool room = counter.running + demand.amount <= demand.limit;
            if (room) counter.running += demand.amount;
            standing.remaining = std::max<std::int64_t>(0, demand.limit - counter.running);
            if (!room) retry_after = std::chrono::seconds(1);
            return room;
        }
        counter.bucket.refill(limit, clock_.steady());
        const auto amount = std::min(static_cast<double>(demand.amount), limit);
        // Rounding of the refill must not cost a caller the request that is due.
        const bool enough = counter.bucket.tokens + 1e-6 >= amount;
        if (enough) {
            counter.bucket.tokens -= amount;
        } else {
            retry_after = Bucket::time_for(amount - counter.bucket.tokens, limit);
        }
        standing = counter.bucket.standing(limit);
        return enough;
    }

    void forget() {
        const auto now = clock_.steady();
        for (auto& shard : shards_) {
            std::scoped_lock lock(shard.mutex);
            for (auto entry = shard.counters.begin(); entry != shard.counters.end();) {
                auto& counter = entry->second;
                counter.bucket.refill(counter.limit, now);
                const bool unused = counter.running == 0 && counter.bucket.tokens >= counter.limit;
                entry = unused ? shard.counters.erase(entry) : std::next(entry);
            }
        }
    }

    const Clock& clock_;
    std::array<Shard, 64> shards_;
};

}  // namespace

std::unique_ptr<RateLimiter> make_embedded_rate_limiter(const Clock& clock) {
    return std::make_unique<EmbeddedRateLimiter>(clock);
}

}  // namespace atrium::app
