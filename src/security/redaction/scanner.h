#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace atrium::redaction {

/// What one rule looks for: any of these.
struct Patterns {
    std::vector<std::string> entities;  ///< names of entities()
    std::vector<std::string> keywords;  ///< found without regard to case; ASCII words as whole words
    std::string expression;             ///< RE2 syntax; empty: none
};

/// A place in a text, in bytes.
struct Finding {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string_view kind;  ///< the entity's name, "keyword" or "expression"
    std::size_t rule = 0;   ///< index of the Patterns that found it
};

/// Finds patterns in texts, in time linear in the text (RE2). Immutable, any thread.
class Scanner {
public:
    /// kInvalidArgument for unknown entities, expressions that do not compile, are too large or match nothing at all,
    /// and for rules that look for nothing.
    static Result<std::shared_ptr<const Scanner>> compile(const std::vector<Patterns>& rules);
    ~Scanner();

    /// In order of their beginning. Findings of one rule do not overlap: of two the earlier, then the longer one stays;
    /// those of different rules may. Findings longer than kReach are cut there.
    std::vector<Finding> find(std::string_view text) const;

    /// No finding is longer than this; also what a stream holds back.
    static constexpr std::size_t kReach = 256;
    static constexpr std::size_t kMaxExpression = 2048;
    static constexpr std::size_t kMaxKeywords = 10'000;

private:
    struct State;
    explicit Scanner(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// The text with every finding replaced by "<KIND>" (or `replacement`, when it is not empty); what overlaps is replaced
/// as one, under the name of the first.
std::string masked(std::string_view text, const std::vector<Finding>& findings, std::string_view replacement = {});

}  // namespace atrium::redaction
