#include "gateway/admit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace atrium::gateway {
namespace {

using std::chrono::milliseconds;

milliseconds time_for(double tokens, double per_second) {
    return milliseconds(static_cast<std::int64_t>(std::ceil(tokens / per_second * 1000)));
}

void add_retry(Admission::Decision& decision, milliseconds wait) {
    const auto whole_seconds = std::max<std::int64_t>(1, (wait.count() + 999) / 1000);
    decision.headers.emplace_back("retry-after", std::to_string(whole_seconds));
    decision.headers.emplace_back("retry-after-ms", std::to_string(std::max<std::int64_t>(1, wait.count())));
}

std::string whose(const app::Principal& principal) {
    return fmt::format("'{}' ({})", principal.key_name, principal.key_id);
}

}  // namespace

std::string duration_text(milliseconds duration) {
    const auto ms = std::max<std::int64_t>(0, duration.count());
    if (ms < 1000) return fmt::format("{}ms", ms);
    if (ms < 60'000)
        return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{:.3g}s", static_cast<double>(ms) / 1000);
    return fmt::format("{}m{}s", ms / 60'000, ms % 60'000 / 1000);
}

Admission::Permit& Admission::Permit::operator=(Permit&& other) noexcept {
    if (this != &other) {
        release();
        owner_ = std::exchange(other.owner_, nullptr);
        bucket_ = std::move(other.bucket_);
    }
    return *this;
}

void Admission::Permit::release() {
    if (owner_ == nullptr) return;
    std::scoped_lock lock(*bucket_->shard);
    --bucket_->running;
    owner_ = nullptr;
}

Admission::Decision Admission::admit(const app::Principal& principal) {
    const double capacity = limits_.requests_per_minute;
    const double per_second = capacity / 60;
    const auto now = clock_.steady();
    auto& shard = shards_[std::hash<std::string>{}(principal.key_id) % shards_.size()];

    std::scoped_lock lock(shard.mutex);
    auto& bucket = shard.buckets[principal.key_id];
    if (!bucket) bucket = std::make_shared<Bucket>(Bucket{&shard.mutex, capacity, now, 0});
    const double elapsed = std::chrono::duration<double>(now - bucket->refilled).count();
    bucket->tokens = std::min(capacity, bucket->tokens + elapsed * per_second);
    bucket->refilled = now;

    const bool rate_limited = limits_.requests_per_minute > 0;  // 0 switches a limit off
    Decision decision{fail(resource_exhausted("")), {}};
    if (limits_.concurrent > 0 && bucket->running >= limits_.concurrent) {
        decision.permit = fail(
            resource_exhausted(
                fmt::format("Concurrency limit reached for key {}: {} requests at the same time (limits.concurrent). "
                            "Please retry when one of them has ended.",
                            whose(principal), limits_.concurrent))
                .with_reason("concurrency_limit_exceeded"));
        add_retry(decision, milliseconds(1000));
    } else if (rate_limited && bucket->tokens < 1) {
        const auto wait = time_for(1 - bucket->tokens, per_second);
        decision.permit =
            fail(resource_exhausted(fmt::format("Rate limit reached for key {}: {} requests per minute "
                                                "(limits.requests_per_minute). Please retry in {}.",
                                                whose(principal), limits_.requests_per_minute, duration_text(wait)))
                     .with_reason("rate_limit_exceeded"));
        add_retry(decision, wait);
    } else {
        if (rate_limited) bucket->tokens -= 1;
        ++bucket->running;
        decision.permit = Permit(this, bucket);
    }
    if (!rate_limited) return decision;
    decision.headers.emplace_back("x-ratelimit-limit-requests", std::to_string(limits_.requests_per_minute));
    decision.headers.emplace_back("x-ratelimit-remaining-requests",
                                  std::to_string(static_cast<std::int64_t>(std::floor(bucket->tokens))));
    decision.headers.emplace_back("x-ratelimit-reset-requests",
                                  duration_text(time_for(capacity - bucket->tokens, per_second)));
    return decision;
}

}  // namespace atrium::gateway
