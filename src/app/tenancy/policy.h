#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace atrium::app {

/// How fast one subject may go. 0: no limit of its own.
struct LimitPolicy {
    std::int64_t requests_per_minute = 0;
    std::int64_t tokens_per_minute = 0;
    std::int64_t concurrent = 0;

    bool operator==(const LimitPolicy&) const = default;
};

/// How much one subject may spend, in millionths of a US dollar per calendar day and month (UTC). 0: no budget.
struct BudgetPolicy {
    std::int64_t micros_per_day = 0;
    std::int64_t micros_per_month = 0;
    int alert_percent = 0;  ///< tell somebody when this share is used, 1–100; 0: nobody

    bool operator==(const BudgetPolicy&) const = default;
};

enum class SubjectKind : std::uint8_t { kKey, kUser, kProject, kOrganisation, kModel };
std::string_view subject_kind_name(SubjectKind kind);  ///< "key", "user", "project", "organization", "model"

/// Whoever a limit or budget is counted for. A call counts against every subject of its key's policy.
struct Subject {
    SubjectKind kind = SubjectKind::kKey;
    std::string id;  ///< "key_…", "user_…", "proj_…", "org_…"; for a model "<project>/<model>"
    LimitPolicy limits;
    BudgetPolicy budget;
};

/// A limit on one model within a project (OpenAI's project rate limits).
struct ModelLimit {
    std::string model;  ///< the name as callers write it
    LimitPolicy limits;
};

/// Names of models with '*' for any run of characters: "gpt-*", "fast".
using ModelPatterns = std::vector<std::string>;

/// Whether `model` is one of the patterns.
bool matches_any(const ModelPatterns& patterns, std::string_view model);
/// Whether everything that `inner` matches is matched by `outer` too. Errs on the side of "no".
bool covers(std::string_view outer, std::string_view inner);
/// 1–200 bytes of the characters of model names and '*', at most 100 patterns; `field` is for the message.
Result<> check_patterns(const ModelPatterns& patterns, std::string_view field);

/// Everything that restrains the calls of one key, inherited along key ⊂ user ⊂ project ⊂ organisation. Immutable; part
/// of the snapshot that authentication reads, so looking at it costs neither SQL nor a lock.
struct KeyPolicy {
    std::vector<Subject> subjects;            ///< narrowest first; at least key, project and organisation
    std::vector<ModelPatterns> allow_models;  ///< a model must be in every list; no list: every model
    ModelPatterns deny_models;                ///< and in none of these
    std::vector<ModelLimit> model_limits;     ///< of the project

    bool allows_model(std::string_view model) const;
    /// The limit on that model, or nullptr.
    const ModelLimit* limit_of(std::string_view model) const;
};

}  // namespace atrium::app
