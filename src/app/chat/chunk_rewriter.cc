#include "app/chat/chunk_rewriter.h"

namespace atrium::app {

Result<std::optional<std::string>> ChunkRewriter::rewrite(std::string_view data) const {
    TRY_ASSIGN(json::object chunk, json::parse_object(data));
    chunk.stable_erase("atrium");
    const auto* choices = chunk.if_contains("choices");
    const bool has_choices = choices != nullptr && choices->is_array() && !choices->get_array().empty();
    const auto* usage = chunk.if_contains("usage");
    const bool has_usage = usage != nullptr && usage->is_object();
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

}  // namespace atrium::app
