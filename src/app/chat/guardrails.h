#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "observability/metrics/metrics.h"
#include "security/redaction/scanner.h"

namespace atrium::app {

enum class GuardAction {
    kBlock,  ///< the request is refused; an answer ends there with finish_reason content_filter
    kMask,   ///< replaced before the model, or the caller, sees it
    kFlag,   ///< let through, told in x-atrium-guardrails, the trace and the metrics
    kShadow  ///< let through, counted only: to try a rule out
};
std::string_view guard_action_name(GuardAction action);

struct GuardRule {
    std::string name;
    GuardAction action = GuardAction::kFlag;
    redaction::Patterns patterns;
    bool input = true;
    bool output = true;
    std::string replacement;  ///< kMask; empty: "<EMAIL>" and the like
    std::string message;      ///< kBlock: what the caller reads; empty: a plain sentence
};

/// What a text has set off, by name of rule; kShadow is not among them.
struct GuardVerdict {
    std::vector<std::string> fired;  ///< "pii=mask", each once
    bool changed = false;            ///< something was masked
    const GuardRule* blocked = nullptr;
};

/// One set of rules, compiled. Immutable, any thread.
class GuardPolicy {
public:
    /// kInvalidArgument names the rule and what is wrong with it.
    static Result<std::shared_ptr<const GuardPolicy>> compile(std::vector<GuardRule> rules, metrics::Registry& registry);

    bool guards(bool output) const { return !side(output).rules.empty(); }
    const std::shared_ptr<const redaction::Scanner>& scanner(bool output) const { return side(output).scanner; }

    /// Masks in `text` what has to be masked and adds what fired to `verdict`.
    void apply(bool output, std::string& text, const std::vector<redaction::Finding>& findings,
               GuardVerdict& verdict) const;

    /// Where the first finding begins that blocks; npos: none does.
    std::size_t first_block(bool output, const std::vector<redaction::Finding>& findings) const;

private:
    struct Side {
        std::vector<GuardRule> rules;
        std::vector<metrics::Counter> counters;
        std::shared_ptr<const redaction::Scanner> scanner;
    };
    const Side& side(bool output) const { return output ? output_ : input_; }

    Side input_;
    Side output_;
};

/// The policy in force. set() swaps it; calls that have begun keep theirs. Thread-safe; owned by main.
class Guardrails {
public:
    explicit Guardrails(metrics::Registry& registry) : registry_(registry) {}
    Result<> set(std::vector<GuardRule> rules);
    /// Null when there are no rules.
    std::shared_ptr<const GuardPolicy> policy() const { return policy_.load(); }

private:
    metrics::Registry& registry_;
    std::atomic<std::shared_ptr<const GuardPolicy>> policy_;
};

/// Reads everything in a request body that a model will read (contents, prompts, tool arguments and results) and masks
/// it in place. kInvalidArgument (reason content_filter) when a rule blocks.
Result<GuardVerdict> guard_request(const GuardPolicy& policy, json::object& body);

/// The same for a complete answer, each choice for itself; a blocked choice loses its text and ends with content_filter.
GuardVerdict guard_answer(const GuardPolicy& policy, json::object& answer);

}  // namespace atrium::app
