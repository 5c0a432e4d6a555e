#include "app/chat/guardrails.h"

#include <fmt/format.h>

#include <algorithm>

namespace atrium::app {
namespace {

constexpr int kMaxDepth = 16;

/// Members whose text reaches a model. Ids, names, roles and embedded files do not matter here.
bool is_read_by_models(std::string_view key) {
    static constexpr std::array<std::string_view, 11> kKeys{"content", "text",   "prompt",    "input",       "query",     "documents",
                                                            "arguments", "output", "system", "instructions", "reasoning_content"};
    return std::ranges::find(kKeys, key) != kKeys.end();
}

class RequestReader {
public:
    RequestReader(const GuardPolicy& policy, GuardVerdict& verdict) : policy_(policy), verdict_(verdict) {}

    void read(json::value& value, bool counts, int depth = 0) {
        if (depth > kMaxDepth || verdict_.blocked != nullptr) return;
        if (value.is_string()) {
            if (counts) read_text(value.get_string());
        } else if (value.is_array()) {
            for (auto& item : value.get_array()) read(item, counts, depth + 1);
        } else if (value.is_object()) {
            for (auto& [key, item] : value.get_object()) read(item, is_read_by_models(key), depth + 1);
        }
    }

private:
    void read_text(json::string& text) {
        const auto findings = policy_.scanner(false)->find(text);
        if (findings.empty()) return;
        std::string changed(text);
        policy_.apply(false, changed, findings, verdict_);
        if (changed != std::string_view(text)) text = changed;
    }

    const GuardPolicy& policy_;
    GuardVerdict& verdict_;
};

void end_with_content_filter(json::object& choice) {
    choice["finish_reason"] = "content_filter";
    if (choice.contains("text")) choice["text"] = "";
    if (auto* message = choice.if_contains("message"); message != nullptr && message->is_object()) {
        auto& fields = message->get_object();
        fields["content"] = nullptr;
        fields.erase("tool_calls");
        fields.erase("reasoning_content");
    }
}

void guard_member(const GuardPolicy& policy, json::object& fields, std::string_view key, GuardVerdict& verdict) {
    auto* value = fields.if_contains(key);
    if (value == nullptr || !value->is_string()) return;
    const auto findings = policy.scanner(true)->find(value->get_string());
    if (findings.empty()) return;
    std::string text(value->get_string());
    policy.apply(true, text, findings, verdict);
    *value = text;
}

void guard_message(const GuardPolicy& policy, json::object& message, GuardVerdict& verdict) {
    guard_member(policy, message, "content", verdict);
    guard_member(policy, message, "reasoning_content", verdict);
    auto* calls = message.if_contains("tool_calls");
    if (calls == nullptr || !calls->is_array()) return;
    for (auto& call : calls->get_array()) {
        auto* function = call.is_object() ? call.get_object().if_contains("function") : nullptr;
        if (function != nullptr && function->is_object()) guard_member(policy, function->get_object(), "arguments", verdict);
    }
}

}  // namespace

std::string_view guard_action_name(GuardAction action) {
    switch (action) {
        case GuardAction::kBlock: return "block";
        case GuardAction::kMask: return "mask";
        case GuardAction::kFlag: return "flag";
        case GuardAction::kShadow: return "shadow";
    }
    return {};
}

Result<std::shared_ptr<const GuardPolicy>> GuardPolicy::compile(std::vector<GuardRule> rules,
                                                                metrics::Registry& registry) {
    auto policy = std::make_shared<GuardPolicy>();
    for (const bool output : {false, true}) {
        Side& side = output ? policy->output_ : policy->input_;
        std::vector<redaction::Patterns> patterns;
        for (const auto& rule : rules) {
            if (!(output ? rule.output : rule.input)) continue;
            if (auto alone = redaction::Scanner::compile({rule.patterns}); !alone) {
                return fail(invalid_argument(fmt::format("guardrail '{}': {}", rule.name, alone.error().message()))
                                .with_field("guardrails"));
            }
            side.rules.push_back(rule);
            patterns.push_back(rule.patterns);
            side.counters.push_back(registry.counter("atrium_guardrail_findings_total",
                                                     "What guardrails have found, by rule, action and side.",
                                                     {{"rule", rule.name},
                                                      {"action", std::string(guard_action_name(rule.action))},
                                                      {"side", output ? "output" : "input"}}));
        }
        TRY_ASSIGN(side.scanner, redaction::Scanner::compile(patterns));
    }
    return policy;
}

void GuardPolicy::apply(bool output, std::string& text, const std::vector<redaction::Finding>& findings,
                        GuardVerdict& verdict) const {
    const Side& side = this->side(output);
    std::vector<redaction::Finding> to_mask;
    for (const auto& finding : findings) {
        const GuardRule& rule = side.rules[finding.rule];
        auto counter = side.counters[finding.rule];
        counter.add();
        if (rule.action == GuardAction::kShadow) continue;
        auto fired = fmt::format("{}={}", rule.name, guard_action_name(rule.action));
        if (std::ranges::find(verdict.fired, fired) == verdict.fired.end()) verdict.fired.push_back(std::move(fired));
        if (rule.action == GuardAction::kMask) to_mask.push_back(finding);
        if (rule.action == GuardAction::kBlock && verdict.blocked == nullptr) verdict.blocked = &rule;
    }
    if (to_mask.empty()) return;
    verdict.changed = true;
    // Rules differ in their replacement: from the back, so that positions stay true.
    std::string out;
    std::size_t at = 0;
    for (const auto& finding : to_mask) {
        if (finding.begin < at) {
            at = std::max(at, finding.end);
            continue;
        }
        out += std::string_view(text).substr(at, finding.begin - at);
        const std::string_view found = std::string_view(text).substr(finding.begin, finding.end - finding.begin);
        out += redaction::masked(found, {{0, found.size(), finding.kind, 0}}, side.rules[finding.rule].replacement);
        at = finding.end;
    }
    out += std::string_view(text).substr(at);
    text = std::move(out);
}

std::size_t GuardPolicy::first_block(bool output, const std::vector<redaction::Finding>& findings) const {
    for (const auto& finding : findings) {
        if (side(output).rules[finding.rule].action == GuardAction::kBlock) return finding.begin;
    }
    return std::string::npos;
}

Result<> Guardrails::set(std::vector<GuardRule> rules) {
    if (rules.empty()) {
        policy_.store(nullptr);
        return {};
    }
    TRY_ASSIGN(auto policy, GuardPolicy::compile(std::move(rules), registry_));
    policy_.store(std::move(policy));
    return {};
}

Result<GuardVerdict> guard_request(const GuardPolicy& policy, json::object& body) {
    GuardVerdict verdict;
    if (!policy.guards(false)) return verdict;
    RequestReader reader(policy, verdict);
    for (auto& [key, value] : body) {
        // Messages are objects whose members decide; everything else that is read is text by itself.
        reader.read(value, is_read_by_models(key));
    }
    if (verdict.blocked == nullptr) return verdict;
    const std::string& own = verdict.blocked->message;
    return fail(invalid_argument(own.empty() ? fmt::format("The request was refused by the guardrail '{}'.",
                                                           verdict.blocked->name)
                                             : own)
                    .with_reason("content_filter"));
}

GuardVerdict guard_answer(const GuardPolicy& policy, json::object& answer) {
    GuardVerdict all;
    auto* choices = answer.if_contains("choices");
    if (!policy.guards(true) || choices == nullptr || !choices->is_array()) return all;
    for (auto& item : choices->get_array()) {
        if (!item.is_object()) continue;
        auto& choice = item.get_object();
        GuardVerdict verdict;
        guard_member(policy, choice, "text", verdict);
        if (auto* message = choice.if_contains("message"); message != nullptr && message->is_object())
            guard_message(policy, message->get_object(), verdict);
        if (verdict.blocked != nullptr) {
            end_with_content_filter(choice);
            verdict.changed = true;
            all.blocked = verdict.blocked;
        }
        all.changed |= verdict.changed;
        for (auto& fired : verdict.fired) {
            if (std::ranges::find(all.fired, fired) == all.fired.end()) all.fired.push_back(std::move(fired));
        }
    }
    return all;
}

}  // namespace atrium::app
