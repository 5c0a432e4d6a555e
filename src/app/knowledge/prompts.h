#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/knowledge/models.h"
#include "app/knowledge/retriever.h"

/// The words put to models. Retrieved text is data: it stands between delimiters it cannot close, and what comes back is
/// checked against it, whatever it talked the model into.
namespace atrium::app {

/// What a capable model answers when the passages do not.
inline constexpr std::string_view kNotFoundAnswer = "NOT_FOUND";

/// For a small base model: two worked examples, at most three passages, one short line wanted. `windows` are the
/// passages cut to their relevant part. `language` is "zh" or "en".
Prompt small_prompt(std::string_view question, const std::vector<std::string>& windows, std::string_view language);

/// For an instruction-following model: numbered passages, a marker after each sentence. `budget_tokens` bounds the passages.
Prompt grounded_prompt(std::string_view question, const std::vector<FoundPassage>& passages, std::string_view language,
                       int budget_tokens);

/// About `max_characters` of a text around the characters [start, end), cut at sentence boundaries.
std::string window_around(std::string_view text, std::int64_t start, std::int64_t end, std::size_t max_characters);

}  // namespace atrium::app
