#include "model/upstream/upstream.h"

namespace atrium::model {
namespace {

void read_count(const json::object& object, std::string_view key, std::int64_t& count) {
    const auto* value = object.if_contains(key);
    if (value != nullptr && value->is_int64() && value->get_int64() >= 0) count = value->get_int64();
}

const json::object* object_at(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr ? value->if_object() : nullptr;
}

bool is_text(const json::object& object, std::string_view key) {
    return !json::string_or(object, key).empty();
}

bool carries_content(const json::object& choice) {
    if (is_text(choice, "text")) return true;
    const auto* delta = object_at(choice, "delta");
    if (delta == nullptr) return false;
    const auto* calls = delta->if_contains("tool_calls");
    return is_text(*delta, "content") || is_text(*delta, "reasoning_content") || is_text(*delta, "reasoning") ||
           is_text(*delta, "refusal") || (calls != nullptr && calls->is_array() && !calls->get_array().empty());
}

}  // namespace

void read_usage(const json::object& reported, TokenUsage& usage) {
    read_count(reported, "prompt_tokens", usage.prompt_tokens);
    read_count(reported, "completion_tokens", usage.completion_tokens);
    read_count(reported, "cached_tokens", usage.cached_tokens);
    if (const auto* details = object_at(reported, "prompt_tokens_details")) {
        read_count(*details, "cached_tokens", usage.cached_tokens);
        read_count(*details, "cache_write_tokens", usage.cache_write_tokens);
    }
    if (const auto* details = object_at(reported, "completion_tokens_details")) {
        read_count(*details, "reasoning_tokens", usage.reasoning_tokens);
    }
}

void read_facts(const json::object& chunk, AnswerFacts& facts) {
    if (facts.response_id.empty()) facts.response_id = json::string_or(chunk, "id");
    if (const auto* choices = chunk.if_contains("choices"); choices != nullptr && choices->is_array()) {
        for (const auto& item : choices->get_array()) {
            const auto* choice = item.if_object();
            if (choice == nullptr) continue;
            if (carries_content(*choice)) ++facts.pieces;
            if (const auto reason = json::string_or(*choice, "finish_reason"); !reason.empty())
                facts.finish_reason = reason;
        }
    }
    for (const auto* key : {"atrium", "usage"}) {
        if (const auto* reported = object_at(chunk, key)) {
            read_usage(*reported, facts.usage);
            facts.usage_reported = true;
        }
    }
}

TokenUsage AnswerFacts::best_usage() const {
    TokenUsage best = usage;
    if (!usage_reported) best.completion_tokens = pieces;
    return best;
}

}  // namespace atrium::model
