#include "app/usage/meter.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace atrium::app {
namespace {

using std::chrono::milliseconds;

std::string_view kind_word(LimitKind kind) {
    return kind == LimitKind::kRequests ? "requests" : kind == LimitKind::kTokens ? "tokens" : "concurrency";
}

void add_retry(Meter::Ticket::Headers& headers, milliseconds wait) {
    const auto ms = std::max<std::int64_t>(1, wait.count());
    headers.emplace_back("retry-after", std::to_string((ms + 999) / 1000));
    headers.emplace_back("retry-after-ms", std::to_string(ms));
}

LimitPolicy fill(LimitPolicy own, const LimitPolicy& other) {
    if (own.requests_per_minute == 0) own.requests_per_minute = other.requests_per_minute;
    if (own.tokens_per_minute == 0) own.tokens_per_minute = other.tokens_per_minute;
    if (own.concurrent == 0) own.concurrent = other.concurrent;
    return own;
}

/// The demands of one kind that these restraints make, and whose each is.
struct Demands {
    std::vector<Demand> all;
    std::vector<std::string> whose;

    void add(const std::string& subject, const std::string& shown, LimitKind kind, std::int64_t limit,
             std::int64_t amount) {
        if (limit <= 0) return;
        all.push_back({subject, kind, limit, amount});
        whose.push_back(shown);
    }
};

std::string usd(std::int64_t micros) {
    return fmt::format("{:.2f}", static_cast<double>(micros) / 1e6);
}

}  // namespace

std::string duration_text(milliseconds duration) {
    const auto ms = std::max<std::int64_t>(0, duration.count());
    if (ms < 1000) return fmt::format("{}ms", ms);
    if (ms < 60'000)
        return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{:.3g}s", static_cast<double>(ms) / 1000);
    if (ms < 3'600'000) return fmt::format("{}m{}s", ms / 60'000, ms % 60'000 / 1000);
    return fmt::format("{}h{}m{}s", ms / 3'600'000, ms % 3'600'000 / 60'000, ms % 60'000 / 1000);
}

Meter::Meter(Parts parts, Policy policy) : parts_(parts), policy_(std::move(policy)) {
    for (const auto& row : policy_.rate_limits) {
        const LimitPolicy limits{row.requests_per_minute, row.tokens_per_minute, row.concurrent};
        constexpr std::string_view kModel = "model:";
        if (row.subject.starts_with(kModel)) {
            model_limits_.emplace_back(row.subject.substr(kModel.size()), limits);
        } else {
            configured_limits_[row.subject] = limits;
        }
    }
    for (const auto& row : policy_.budgets)
        configured_budgets_[row.subject] = {row.micros_per_day, row.micros_per_month, row.alert_percent};
}

Meter::Ticket& Meter::Ticket::operator=(Ticket&& other) noexcept {
    if (this == &other) return *this;
    release();
    owner_ = std::exchange(other.owner_, nullptr);
    places_ = std::exchange(other.places_, {});
    tokens_ = std::exchange(other.tokens_, {});
    budgets_ = std::exchange(other.budgets_, {});
    reserved_micros_ = std::exchange(other.reserved_micros_, 0);
    has_reserved_ = std::exchange(other.has_reserved_, false);
    headers_ = std::exchange(other.headers_, {});
    return *this;
}

void Meter::Ticket::release() {
    if (owner_ == nullptr) return;
    auto& parts = owner_->parts_;
    for (const auto& place : std::exchange(places_, {})) parts.limiter.give_back(place);
    for (const auto& tokens : std::exchange(tokens_, {})) parts.limiter.give_back(tokens);
    if (reserved_micros_ > 0) parts.budgets.release(budgets_, std::exchange(reserved_micros_, 0));
    owner_ = nullptr;
}

void Meter::complete(Restraint& restraint) const {
    if (const auto found = configured_limits_.find(restraint.subject); found != configured_limits_.end())
        restraint.limits = fill(restraint.limits, found->second);
    if (const auto found = configured_budgets_.find(restraint.subject); found != configured_budgets_.end()) {
        if (restraint.budget.micros_per_day == 0) restraint.budget.micros_per_day = found->second.micros_per_day;
        if (restraint.budget.micros_per_month == 0) restraint.budget.micros_per_month = found->second.micros_per_month;
        if (restraint.budget.alert_percent == 0) restraint.budget.alert_percent = found->second.alert_percent;
    }
}

std::vector<Meter::Restraint> Meter::restraints_of(const Principal& principal) const {
    std::vector<Restraint> all;
    const auto add = [&](std::string_view kind, const std::string& id, const LimitPolicy& limits,
                         const BudgetPolicy& budget) {
        if (id.empty()) return;
        Restraint restraint;
        restraint.subject = fmt::format("{}:{}", kind, id);
        restraint.shown =
            kind == "key" ? fmt::format("key '{}' ({})", principal.key_name, id) : fmt::format("{} {}", kind, id);
        restraint.limits = limits;
        restraint.budget = budget;
        complete(restraint);
        if (kind == "key") {
            const auto& defaults = policy_.defaults;
            restraint.limits =
                fill(restraint.limits, {defaults.requests_per_minute, defaults.tokens_per_minute, defaults.concurrent});
        }
        all.push_back(std::move(restraint));
    };
    if (principal.policy && !principal.policy->subjects.empty()) {
        for (const auto& subject : principal.policy->subjects)
            add(subject_kind_name(subject.kind), subject.id, subject.limits, subject.budget);
        return all;
    }
    add("key", principal.key_id, {}, {});
    add("user", principal.user_id, {}, {});
    add("project", principal.project, {}, {});
    add("organization", principal.organisation, {}, {});
    return all;
}

/// The project's own limit on that model, or the one that the configuration sets for everybody together.
std::optional<Meter::Restraint> Meter::model_restraint(const Principal& principal, std::string_view model) const {
    if (principal.policy) {
        if (const auto* limit = principal.policy->limit_of(model)) {
            return Restraint{fmt::format("model:{}/{}", principal.project, limit->model),
                             fmt::format("model {} in project {}", limit->model, principal.project),
                             limit->limits,
                             {}};
        }
    }
    for (const auto& [pattern, limits] : model_limits_) {
        if (!matches_pattern(pattern, model)) continue;
        return Restraint{fmt::format("model:{}", pattern), fmt::format("model {}", pattern), limits, {}};
    }
    return std::nullopt;
}

Task<Result<>> Meter::admit(const Principal& principal, Ticket& ticket, bool may_cost) {
    Demands demands;
    std::vector<BudgetDemand> budgets;
    std::vector<std::string> whose_budget;
    for (const auto& restraint : restraints_of(principal)) {
        demands.add(restraint.subject, restraint.shown, LimitKind::kConcurrency, restraint.limits.concurrent, 1);
        demands.add(restraint.subject, restraint.shown, LimitKind::kRequests, restraint.limits.requests_per_minute, 1);
        for (const auto& [period, limit] : {std::pair{Period::kDay, restraint.budget.micros_per_day},
                                            std::pair{Period::kMonth, restraint.budget.micros_per_month}}) {
            if (limit <= 0) continue;
            budgets.push_back(
                {restraint.subject, principal.organisation, period, limit, restraint.budget.alert_percent});
            whose_budget.push_back(restraint.shown);
        }
    }
    if (const auto refusal = may_cost ? parts_.budgets.reserve(budgets, 0) : std::nullopt) {
        co_return fail(exhausted(budgets[refusal->which], whose_budget[refusal->which], *refusal, 0, ticket));
    }
    if (!demands.all.empty()) {
        const auto verdict = co_await parts_.limiter.take(demands.all);
        tell_standing(demands.all, verdict, ticket);
        if (!verdict.granted)
            co_return fail(refused(demands.all[verdict.refused], demands.whose[verdict.refused], verdict, ticket));
    }
    ticket.owner_ = this;
    ticket.budgets_ = std::move(budgets);
    for (const auto& demand : demands.all) {
        if (demand.kind == LimitKind::kConcurrency) ticket.places_.push_back(demand);
    }
    co_return Result<>{};
}

Task<Result<>> Meter::reserve(const Principal& principal, const CallEstimate& estimate, Ticket& ticket) {
    if (std::exchange(ticket.has_reserved_, true)) co_return Result<>{};
    const auto output = estimate.output_tokens >= 0 ? estimate.output_tokens : policy_.defaults.default_output_tokens;
    const auto tokens = std::max<std::int64_t>(1, estimate.prompt_tokens + output);
    Demands demands;
    for (const auto& restraint : restraints_of(principal))
        demands.add(restraint.subject, restraint.shown, LimitKind::kTokens, restraint.limits.tokens_per_minute, tokens);
    if (const auto model = model_restraint(principal, estimate.model)) {
        demands.add(model->subject, model->shown, LimitKind::kConcurrency, model->limits.concurrent, 1);
        demands.add(model->subject, model->shown, LimitKind::kRequests, model->limits.requests_per_minute, 1);
        demands.add(model->subject, model->shown, LimitKind::kTokens, model->limits.tokens_per_minute, tokens);
    }
    TokenBuckets most;
    most.fresh_input = estimate.prompt_tokens;
    most.output = output;
    // The upstream is not chosen yet; what is priced by upstream only is settled without a reservation.
    const auto micros = cost("", estimate.model, most).value_or(0);
    if (const auto refusal = parts_.budgets.reserve(ticket.budgets_, micros)) {
        const auto& budget = ticket.budgets_[refusal->which];
        co_return fail(exhausted(budget, budget.subject, *refusal, micros, ticket));
    }
    ticket.owner_ = this;
    ticket.reserved_micros_ = micros;
    if (demands.all.empty()) co_return Result<>{};
    const auto verdict = co_await parts_.limiter.take(demands.all);
    tell_standing(demands.all, verdict, ticket);
    if (!verdict.granted)
        co_return fail(refused(demands.all[verdict.refused], demands.whose[verdict.refused], verdict, ticket));
    for (const auto& demand : demands.all) {
        if (demand.kind == LimitKind::kConcurrency) ticket.places_.push_back(demand);
        if (demand.kind == LimitKind::kTokens) ticket.tokens_.push_back(demand);
    }
    co_return Result<>{};
}

std::int64_t Meter::settle(UsageRecord record, Ticket& ticket) {
    if (record.at == 0) record.at = unix_millis(parts_.clock.system());
    const auto table = parts_.prices.table();
    const auto* price = table->find(record.upstream, record.model, record.at / 1000);
    if (price != nullptr && !record.cache_hit) {
        record.cost_micros = price->cost(record.tokens);
        record.price_version = price->id;
    }
    const auto cost = record.cost_micros;
    // Tokens: what was reserved too much comes back, what was missing is taken now.
    for (auto& tokens : std::exchange(ticket.tokens_, {})) {
        tokens.amount = std::min(tokens.amount, tokens.limit) - record.tokens.total();
        parts_.limiter.give_back(tokens);
    }
    parts_.budgets.settle(ticket.budgets_, cost, record.at / 1000);
    parts_.log.record(std::move(record));
    ticket.release();
    return cost;
}

std::optional<std::int64_t> Meter::cost(std::string_view upstream, std::string_view model,
                                        const TokenBuckets& tokens) const {
    const auto table = parts_.prices.table();
    const auto* price = table->find(upstream, model, unix_seconds(parts_.clock.system()));
    if (price == nullptr) return std::nullopt;
    return price->cost(tokens);
}

/// The tightest counter of each kind, which is the one a caller has to mind.
void Meter::tell_standing(const std::vector<Demand>& demands, const Verdict& verdict, Ticket& ticket) const {
    for (const auto kind : {LimitKind::kRequests, LimitKind::kTokens}) {
        const Demand* tightest = nullptr;
        Standing standing;
        for (std::size_t i = 0; i < verdict.standings.size(); ++i) {
            if (demands[i].kind != kind) continue;
            if (tightest != nullptr && verdict.standings[i].remaining >= standing.remaining) continue;
            tightest = &demands[i];
            standing = verdict.standings[i];
        }
        if (tightest == nullptr) continue;
        const auto word = kind_word(kind);
        ticket.headers_.emplace_back(fmt::format("x-ratelimit-limit-{}", word), std::to_string(tightest->limit));
        ticket.headers_.emplace_back(fmt::format("x-ratelimit-remaining-{}", word), std::to_string(standing.remaining));
        ticket.headers_.emplace_back(fmt::format("x-ratelimit-reset-{}", word), duration_text(standing.reset));
    }
}

Error Meter::refused(const Demand& demand, std::string_view shown, const Verdict& verdict, Ticket& ticket) const {
    add_retry(ticket.headers_, verdict.retry_after);
    if (demand.kind == LimitKind::kConcurrency) {
        return resource_exhausted(fmt::format("Concurrency limit reached for {}: {} requests at the same time. Please "
                                              "retry when one of them has ended.",
                                              shown, demand.limit))
            .with_reason("concurrency_limit_exceeded");
    }
    const auto when = duration_text(verdict.retry_after);
    if (demand.kind == LimitKind::kTokens) {
        return resource_exhausted(fmt::format("Rate limit reached for {}: {} tokens per minute; this request may need "
                                              "{}. Please retry in {}.",
                                              shown, demand.limit, demand.amount, when))
            .with_reason("token_limit_exceeded");
    }
    return resource_exhausted(fmt::format("Rate limit reached for {}: {} requests per minute. Please retry in {}.",
                                          shown, demand.limit, when))
        .with_reason("rate_limit_exceeded");
}

Error Meter::exhausted(const BudgetDemand& demand, std::string_view shown, const BudgetLedger::Refusal& refusal,
                       std::int64_t needed, Ticket& ticket) const {
    // SDKs must not come back in a second: nothing will have changed.
    ticket.headers_.emplace_back("x-should-retry", "false");
    add_retry(ticket.headers_, refusal.until_reset);
    std::string why = fmt::format("{} USD of {} USD are spent", usd(refusal.spent_micros), usd(demand.limit_micros));
    if (refusal.reserved_micros > 0)
        why += fmt::format(", {} USD are set aside for running requests", usd(refusal.reserved_micros));
    if (needed > 0) why += fmt::format(", this request may cost {} USD", usd(needed));
    return resource_exhausted(fmt::format("The budget per {} of {} is used up: {}. It begins anew in {}.",
                                          period_name(demand.period), shown, why, duration_text(refusal.until_reset)))
        .with_reason("insufficient_quota");
}

}  // namespace atrium::app
