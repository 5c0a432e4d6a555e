#include "app/chat/chunk_rewriter.h"

#include <array>

#include "base/json_edit.h"

namespace atrium::app {

Result<std::optional<std::string>> ChunkRewriter::rewrite(std::string_view data) const {
    TRY_ASSIGN(const auto chunk, json::ObjectText::scan(data));
    const auto usage = chunk.find("usage");
    std::array<json::Edit, 3> edits{json::Edit{"model", model_}, json::Edit{"atrium", {}}};
    std::size_t count = 2;
    if (include_usage_) {
        // OpenAI's rule: every chunk carries the key, all but the last with null.
        if (usage.empty()) edits[count++] = {"usage", "null"};
    } else {
        const auto choices = json::elements(chunk.find("choices"));
        const bool has_choices = choices && !choices->empty();
        if (!json::is_absent(usage) && !has_choices) return std::optional<std::string>();
        edits[count++] = {"usage", {}};
    }
    return std::optional(chunk.edited(std::span(edits).first(count)));
}

}  // namespace atrium::app
