// How much a request may need, from its text alone: no tree is built and nothing is validated here.
#include <algorithm>
#include <array>

#include "app/usage/meter.h"
#include "base/json_edit.h"
#include "base/text.h"

namespace atrium::app {
namespace {

/// Longer runs without spaces and quotes are attached data, not words.
constexpr std::size_t kDataRun = 2000;
/// What providers charge for a picture or a page, roughly; better than the length of its base64.
constexpr std::int64_t kDataTokens = 1000;

std::int64_t tokens_in(std::string_view json) {
    std::int64_t ascii = 0;
    std::int64_t other = 0;
    std::int64_t data = 0;
    std::size_t run = 0;
    const auto end_run = [&] {
        if (run > kDataRun) {
            ascii -= static_cast<std::int64_t>(run);
            ++data;
        }
        run = 0;
    };
    for (const char c : json) {
        if (static_cast<unsigned char>(c) >= 0x80) {
            ++other;
            end_run();
            continue;
        }
        ++ascii;
        if (c == '"' || c == ' ' || c == '\\') {
            end_run();
        } else {
            ++run;
        }
    }
    end_run();
    return ascii / 4 + other / 3 + data * kDataTokens;
}

std::optional<std::int64_t> integer(std::string_view json) {
    const auto number = text::to_int(json);
    return number && *number >= 0 ? number : std::nullopt;
}

}  // namespace

std::optional<CallEstimate> estimate_call(std::string_view json_body) {
    const auto body = json::ObjectText::scan(json_body);
    if (!body) return std::nullopt;
    const auto model = body->find("model");
    if (model.size() < 3 || model.front() != '"') return std::nullopt;
    CallEstimate estimate;
    const auto parsed = json::string_value(model);
    if (!parsed) return std::nullopt;
    estimate.model = *parsed;
    for (const auto* part : {"messages", "prompt", "input", "system", "instructions", "tools", "query", "documents"})
        estimate.prompt_tokens += tokens_in(body->find(part));
    for (const auto* name : {"max_completion_tokens", "max_output_tokens", "max_tokens"}) {
        if (const auto most = integer(body->find(name))) {
            estimate.output_tokens = *most;
            break;
        }
    }
    // Embeddings, reranking and moderation write nothing.
    const bool writes = !body->find("messages").empty() || !body->find("prompt").empty() ||
                        !body->find("max_output_tokens").empty() || !body->find("instructions").empty();
    if (!writes && estimate.output_tokens < 0) estimate.output_tokens = 0;
    if (const auto choices = integer(body->find("n")); choices && estimate.output_tokens > 0)
        estimate.output_tokens *= std::clamp<std::int64_t>(*choices, 1, 128);
    return estimate;
}

}  // namespace atrium::app
