#include "app/chat/route_query.h"

#include <functional>

namespace atrium::app {
namespace {

// Prompts that share this much of their beginning are worth sending to where it is cached already.
constexpr std::size_t kPrefixBytes = 1024;
constexpr std::int64_t kBytesPerToken = 4;

/// Collects the beginning of all strings below `value`, in order.
void collect(const json::value& value, std::string& prefix, int depth = 0) {
    if (prefix.size() >= kPrefixBytes || depth > 8) return;
    if (value.is_string()) {
        prefix += std::string_view(value.get_string()).substr(0, kPrefixBytes - prefix.size());
        prefix += '\0';
    } else if (value.is_array()) {
        for (const auto& item : value.get_array()) collect(item, prefix, depth + 1);
    } else if (value.is_object()) {
        for (const auto& [key, item] : value.get_object()) collect(item, prefix, depth + 1);
    }
}

std::int64_t count_bytes(const json::value& value, int depth = 0) {
    if (value.is_string()) return static_cast<std::int64_t>(value.get_string().size());
    std::int64_t total = 0;
    if (depth > 8) return total;
    if (value.is_array()) {
        for (const auto& item : value.get_array()) total += count_bytes(item, depth + 1);
    } else if (value.is_object()) {
        for (const auto& [key, item] : value.get_object()) total += count_bytes(item, depth + 1);
    }
    return total;
}

/// Who or what should keep meeting the same deployment: the cache key or user that the caller names, else his key.
std::string unit_of(const ModelCall& call) {
    for (const auto* key : {"prompt_cache_key", "safety_identifier", "user"}) {
        if (const auto named = json::string_or(call.request->object, key); !named.empty()) return std::string(named);
    }
    return call.context.principal.key_id;
}

}  // namespace

model::RouteQuery route_query(const ModelCall& call) {
    const json::object& body = call.request->object;
    model::RouteQuery query;
    query.model = json::string_or(body, "model");
    query.operation = call.operation;
    query.tenant = call.context.principal.project;
    query.unit = unit_of(call);
    for (const auto* key : {"messages", "prompt", "input"}) {
        const auto* prompt = body.if_contains(key);
        if (prompt == nullptr) continue;
        std::string prefix;
        collect(*prompt, prefix);
        query.prefix_hash = std::hash<std::string>{}(query.tenant + '\0' + prefix);
        query.prompt_tokens = count_bytes(*prompt) / kBytesPerToken;
        break;
    }
    return query;
}

}  // namespace atrium::app
