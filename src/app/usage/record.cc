#include "app/usage/record.h"

#include <algorithm>

#include "base/json.h"

namespace atrium::app {

TokenBuckets TokenBuckets::from_openai(std::int64_t prompt, std::int64_t completion, std::int64_t cached,
                                       std::int64_t cache_write, std::int64_t reasoning) {
    TokenBuckets buckets;
    prompt = std::max<std::int64_t>(0, prompt);
    completion = std::max<std::int64_t>(0, completion);
    buckets.cache_read = std::clamp<std::int64_t>(cached, 0, prompt);
    buckets.cache_write = std::clamp<std::int64_t>(cache_write, 0, prompt - buckets.cache_read);
    buckets.fresh_input = prompt - buckets.cache_read - buckets.cache_write;
    buckets.reasoning = std::clamp<std::int64_t>(reasoning, 0, completion);
    buckets.output = completion - buckets.reasoning;
    return buckets;
}

std::string encode_record(const UsageRecord& r) {
    const auto& t = r.tokens;
    return json::serialize(json::object{
        {"id", r.request_id},
        {"org", r.organisation},
        {"project", r.project},
        {"key", r.key_id},
        {"user", r.user_id},
        {"operation", r.operation},
        {"model", r.model},
        {"upstream", r.upstream},
        {"tokens", {t.fresh_input, t.cache_read, t.cache_write, t.output, t.reasoning}},
        {"cost", r.cost_micros},
        {"price", r.price_version},
        {"flags", (r.estimated ? 1 : 0) | (r.cache_hit ? 2 : 0) | (r.batch ? 4 : 0)},
        {"attempts", r.attempts},
        {"status", r.status},
        {"ms", r.duration_ms},
        {"at", r.at},
    });
}

bool decode_record(std::string_view line, UsageRecord& r) {
    const auto parsed = json::parse_object(line);
    if (!parsed) return false;
    const auto text = [&](std::string_view key) { return std::string(json::string_or(*parsed, key)); };
    const auto number = [&](std::string_view key) -> std::int64_t {
        const auto* value = parsed->if_contains(key);
        return value != nullptr && value->is_int64() ? value->get_int64() : 0;
    };
    const auto* tokens = parsed->if_contains("tokens");
    if (tokens == nullptr || !tokens->is_array() || tokens->get_array().size() != 5) return false;
    std::int64_t counts[5];
    for (std::size_t i = 0; i < 5; ++i) {
        const auto& count = tokens->get_array()[i];
        if (!count.is_int64()) return false;
        counts[i] = count.get_int64();
    }
    r.request_id = text("id");
    r.organisation = text("org");
    r.project = text("project");
    r.key_id = text("key");
    r.user_id = text("user");
    r.operation = text("operation");
    r.model = text("model");
    r.upstream = text("upstream");
    r.tokens = {counts[0], counts[1], counts[2], counts[3], counts[4]};
    r.cost_micros = number("cost");
    r.price_version = number("price");
    const auto flags = number("flags");
    r.estimated = (flags & 1) != 0;
    r.cache_hit = (flags & 2) != 0;
    r.batch = (flags & 4) != 0;
    r.attempts = static_cast<int>(number("attempts"));
    r.status = static_cast<int>(number("status"));
    r.duration_ms = number("ms");
    r.at = number("at");
    return !r.request_id.empty();
}

}  // namespace atrium::app
