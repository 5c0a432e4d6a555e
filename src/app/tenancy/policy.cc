#include "app/tenancy/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace atrium::app {
namespace {

constexpr std::size_t kMaxPatterns = 100;
constexpr std::size_t kMaxPatternBytes = 200;

bool is_model_character(char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '"' && c != '\\';
}

}  // namespace

std::string_view subject_kind_name(SubjectKind kind) {
    static constexpr std::array<std::string_view, 5> kNames{"key", "user", "project", "organization", "model"};
    return kNames[static_cast<std::size_t>(kind)];
}

// The usual two-pointer match: on a mismatch the last '*' takes one character more. `inner` may hold '*' itself, which
// only a '*' of `outer` takes: whatever it stands for, that one takes it too.
bool covers(std::string_view outer, std::string_view inner) {
    std::size_t o = 0;
    std::size_t i = 0;
    std::size_t star = std::string_view::npos;
    std::size_t resume = 0;
    while (i < inner.size()) {
        if (o < outer.size() && outer[o] == '*') {
            star = o++;
            resume = i;
        } else if (o < outer.size() && outer[o] == inner[i]) {
            ++o;
            ++i;
        } else if (star != std::string_view::npos) {
            o = star + 1;
            i = ++resume;
        } else {
            return false;
        }
    }
    while (o < outer.size() && outer[o] == '*') ++o;
    return o == outer.size();
}

bool matches_any(const ModelPatterns& patterns, std::string_view model) {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) { return covers(pattern, model); });
}

Result<> check_patterns(const ModelPatterns& patterns, std::string_view field) {
    const auto refused = [&](std::string message) {
        return fail(invalid_argument(std::move(message)).with_field(std::string(field)));
    };
    if (patterns.size() > kMaxPatterns) return refused(fmt::format("{} holds at most {} names", field, kMaxPatterns));
    for (const auto& pattern : patterns) {
        if (pattern.empty() || pattern.size() > kMaxPatternBytes) {
            return refused(fmt::format("each of {} must be 1 to {} bytes long", field, kMaxPatternBytes));
        }
        if (!std::ranges::all_of(pattern, is_model_character)) {
            return refused(fmt::format("{} must be names of models, with * for any characters", field));
        }
    }
    return {};
}

bool KeyPolicy::allows_model(std::string_view model) const {
    return std::ranges::all_of(allow_models, [&](const auto& list) { return matches_any(list, model); }) &&
           !matches_any(deny_models, model);
}

const ModelLimit* KeyPolicy::limit_of(std::string_view model) const {
    const auto found = std::ranges::find(model_limits, model, &ModelLimit::model);
    return found == model_limits.end() ? nullptr : &*found;
}

}  // namespace atrium::app
