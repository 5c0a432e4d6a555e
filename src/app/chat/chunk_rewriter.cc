#include "app/chat/chunk_rewriter.h"

#include <fmt/format.h>

#include "base/text.h"

namespace atrium::app {
namespace {

void read_count(const json::object& object, std::string_view key, std::int64_t& count) {
    const auto* value = object.if_contains(key);
    if (value != nullptr && value->is_int64() && value->get_int64() >= 0) count = value->get_int64();
}

bool is_text(const json::object& object, std::string_view key) {
    return !json::string_or(object, key).empty();
}

bool carries_content(const json::object& choice) {
    if (is_text(choice, "text")) return true;
    const auto* delta = choice.if_contains("delta");
    if (delta == nullptr || !delta->is_object()) return false;
    const auto& fields = delta->get_object();
    const auto* calls = fields.if_contains("tool_calls");
    return is_text(fields, "content") || is_text(fields, "reasoning_content") || is_text(fields, "refusal") ||
           (calls != nullptr && calls->is_array() && !calls->get_array().empty());
}

}  // namespace

void read_usage(const json::object& reported, model::TokenUsage& usage) {
    read_count(reported, "prompt_tokens", usage.prompt_tokens);
    read_count(reported, "completion_tokens", usage.completion_tokens);
    read_count(reported, "cached_tokens", usage.cached_tokens);
    if (const auto* details = reported.if_contains("prompt_tokens_details");
        details != nullptr && details->is_object()) {
        read_count(details->get_object(), "cached_tokens", usage.cached_tokens);
    }
}

void ChunkRewriter::scan_choice(const json::object& choice) {
    if (carries_content(choice)) ++pieces_;
    if (const auto reason = json::string_or(choice, "finish_reason"); !reason.empty()) finish_reason_ = reason;
}

Result<std::optional<std::string>> ChunkRewriter::rewrite(std::string_view data) {
    auto parsed = json::parse_object(data);
    if (!parsed) {
        return fail(unavailable(fmt::format("the upstream '{}' sent a damaged stream, please retry", upstream_))
                        .with_reason("upstream_interrupted")
                        .with_cause(parsed.error()));
    }
    json::object& chunk = *parsed;
    if (auto error = model::error_in_event(upstream_, chunk)) return fail(std::move(*error));

    if (response_id_.empty()) response_id_ = json::string_or(chunk, "id");
    bool has_choices = false;
    if (const auto* choices = chunk.if_contains("choices"); choices != nullptr && choices->is_array()) {
        has_choices = !choices->get_array().empty();
        for (const auto& choice : choices->get_array()) {
            if (choice.is_object()) scan_choice(choice.get_object());
        }
    }
    if (const auto* own = chunk.if_contains("atrium"); own != nullptr) {
        if (own->is_object()) {
            read_usage(own->get_object(), usage_);
            reported_ = true;
        }
        chunk.stable_erase("atrium");
    }
    auto* usage = chunk.if_contains("usage");
    const bool has_usage = usage != nullptr && usage->is_object();
    if (has_usage) {
        read_usage(usage->get_object(), usage_);
        reported_ = true;
    }
    if (include_usage_) {
        // OpenAI's rule: every chunk carries the key, all but the last with null.
        if (usage == nullptr) chunk["usage"] = nullptr;
    } else {
        if (has_usage && !has_choices) return std::optional<std::string>();
        if (usage != nullptr) chunk.stable_erase("usage");
    }
    chunk["model"] = model_;
    return std::optional<std::string>(json::serialize(chunk));
}

model::TokenUsage ChunkRewriter::usage() const {
    model::TokenUsage usage = usage_;
    if (!reported_) usage.completion_tokens = pieces_;
    return usage;
}

}  // namespace atrium::app
