#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "app/tenancy/tenancy.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/settings.h"

namespace atrium::gateway {

/// admit: how much one key may do. Requests per minute as a token bucket (a whole minute's worth at once, then evenly)
/// and requests at the same time. In this process, in 64 shards with a lock each, held for a few nanoseconds; keys are
/// known keys only, so the table is bounded by what administrators create. Thread-safe; outlives its permits.
class Admission {
    struct Bucket;

public:
    Admission(config::LimitSettings limits, const Clock& clock) : limits_(limits), clock_(clock) {}

    /// One admitted request; letting go of it frees its place. Movable.
    class Permit {
    public:
        Permit() = default;
        ~Permit() { release(); }
        Permit(Permit&& other) noexcept
            : owner_(std::exchange(other.owner_, nullptr)), bucket_(std::move(other.bucket_)) {}
        Permit& operator=(Permit&& other) noexcept;
        void release();

    private:
        friend class Admission;
        Permit(Admission* owner, std::shared_ptr<Bucket> bucket) : owner_(owner), bucket_(std::move(bucket)) {}
        Admission* owner_ = nullptr;
        std::shared_ptr<Bucket> bucket_;
    };

    struct Decision {
        Result<Permit> permit;  ///< or kResourceExhausted that says which limit, whose, and when to come back
        std::vector<std::pair<std::string, std::string>> headers;  ///< x-ratelimit-*, and retry-after when refused
    };
    Decision admit(const app::Principal& principal);

private:
    struct Bucket {
        std::mutex* shard = nullptr;
        double tokens = 0;
        SteadyTime refilled{};
        int running = 0;
    };
    struct Shard {
        std::mutex mutex;
        std::unordered_map<std::string, std::shared_ptr<Bucket>> buckets;
    };

    const config::LimitSettings limits_;
    const Clock& clock_;
    std::array<Shard, 64> shards_;
};

/// A duration as OpenAI writes it in x-ratelimit-reset-*: "12ms", "1.5s", "6m0s".
std::string duration_text(std::chrono::milliseconds duration);

}  // namespace atrium::gateway
