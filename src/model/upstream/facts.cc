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

bool is_text(std::string_view value) {
    return value.size() > 2 && value.front() == '"';
}

/// Whether a choice carries something for the reader: text, reasoning, a refusal or a tool call.
bool carries_content(const json::ObjectText& choice) {
    if (is_text(choice.find("text"))) return true;
    const auto text = choice.find("delta");
    if (text.empty() || text.front() != '{') return false;
    const auto delta = json::ObjectText::scan(text);
    if (!delta) return false;
    for (const auto* key : {"content", "reasoning_content", "reasoning", "refusal"}) {
        if (is_text(delta->find(key))) return true;
    }
    const auto calls = json::elements(delta->find("tool_calls"));
    return calls && !calls->empty();
}

void read_choice(std::string_view text, AnswerFacts& facts) {
    const auto choice = json::ObjectText::scan(text);
    if (!choice) return;
    if (carries_content(*choice)) ++facts.pieces;
    auto reason = json::string_value(choice->find("finish_reason"));
    if (reason && !reason->empty()) facts.finish_reason = std::move(*reason);
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

void read_facts(const json::ObjectText& chunk, AnswerFacts& facts) {
    if (facts.response_id.empty()) facts.response_id = json::string_value(chunk.find("id")).value_or("");
    if (const auto choices = json::elements(chunk.find("choices"))) {
        for (const auto choice : *choices) read_choice(choice, facts);
    }
    for (const auto* key : {"atrium", "usage"}) {
        const auto text = chunk.find(key);
        if (text.empty() || text.front() != '{') continue;
        if (const auto reported = json::parse_object(text)) {
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
