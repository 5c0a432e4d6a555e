#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/tenancy/principal.h"
#include "app/usage/budgets.h"
#include "app/usage/prices.h"
#include "app/usage/rate_limiter.h"
#include "app/usage/usage_log.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/settings.h"

namespace atrium::app {

/// What a call is expected to need, judged from its body before anybody works on it.
struct CallEstimate {
    std::string model;
    std::int64_t prompt_tokens = 0;
    std::int64_t output_tokens = -1;  ///< the most it may write; -1: it does not say
};
/// Reads model, maximum and the length of the prompt out of a request in any of the dialects. Nothing for a body that
/// names no model. Four bytes of ASCII or three others are a token; attached data (base64) counts little.
std::optional<CallEstimate> estimate_call(std::string_view json_body);

/// Limits and budgets of calls, in three steps, of which the last always runs:
///
///     admit     from the head alone: requests per minute, requests at once, budgets not used up
///     reserve   with the body: tokens per minute and budgets take what the call may need; the model's own limits
///     settle    what it really used replaces the reservation; the record goes to the usage log
///
/// Whose limits: key ⊂ user ⊂ project ⊂ organisation of the principal's policy, each completed from the configuration
/// (`rate_limits`, `budgets`); a key without its own has those of `limits`. Thread-safe; owned by main.
class Meter {
public:
    struct Parts {
        RateLimiter& limiter;
        BudgetLedger& budgets;
        const PriceBook& prices;
        UsageLog& log;
        const Clock& clock;
    };
    struct Policy {
        config::LimitSettings defaults;
        std::vector<config::SubjectLimitSettings> rate_limits;
        std::vector<config::BudgetSettings> budgets;
    };
    Meter(Parts parts, Policy policy);

    /// One request on its way. Letting go of it frees its places and reservations. Movable; one thread at a time.
    class Ticket {
    public:
        Ticket() = default;
        ~Ticket() { release(); }
        Ticket(Ticket&& other) noexcept { *this = std::move(other); }
        Ticket& operator=(Ticket&& other) noexcept;

        using Headers = std::vector<std::pair<std::string, std::string>>;
        /// x-ratelimit-*, and when refused retry-after and x-should-retry: what the last step said. Empties itself.
        Headers take_headers() { return std::exchange(headers_, {}); }
        void release();

    private:
        friend class Meter;
        Meter* owner_ = nullptr;
        std::vector<Demand> places_;
        std::vector<Demand> tokens_;  ///< amounts as reserved
        std::vector<BudgetDemand> budgets_;
        std::int64_t reserved_micros_ = 0;
        bool has_reserved_ = false;
        Headers headers_;
    };

    /// kResourceExhausted says which limit, whose and when to come back. The ticket has the headers either way. What
    /// cannot call a model (`may_cost` false: reading, administration) goes on when a budget is used up.
    Task<Result<>> admit(const Principal& principal, Ticket& ticket, bool may_cost = true);
    /// Once per ticket; later calls change nothing.
    Task<Result<>> reserve(const Principal& principal, const CallEstimate& estimate, Ticket& ticket);
    /// Prices the record, replaces the reservation and hands the record to the log. Its cost in millionths of a dollar.
    std::int64_t settle(UsageRecord record, Ticket& ticket);

    /// What a call costs by today's prices; nothing where no price fits.
    std::optional<std::int64_t> cost(std::string_view upstream, std::string_view model,
                                     const TokenBuckets& tokens) const;

private:
    struct Restraint {
        std::string subject;  ///< "key:key_…"
        std::string shown;    ///< "key 'laptop' (key_…)"
        LimitPolicy limits;
        BudgetPolicy budget;
    };
    std::vector<Restraint> restraints_of(const Principal& principal) const;
    std::optional<Restraint> model_restraint(const Principal& principal, std::string_view model) const;
    void complete(Restraint& restraint) const;
    Error refused(const Demand& demand, std::string_view shown, const Verdict& verdict, Ticket& ticket) const;
    Error exhausted(const BudgetDemand& demand, std::string_view shown, const BudgetLedger::Refusal& refusal,
                    std::int64_t needed, Ticket& ticket) const;
    void tell_standing(const std::vector<Demand>& demands, const Verdict& verdict, Ticket& ticket) const;

    Parts parts_;
    Policy policy_;
    std::map<std::string, LimitPolicy, std::less<>> configured_limits_;
    std::vector<std::pair<std::string, LimitPolicy>> model_limits_;  ///< pattern → limits
    std::map<std::string, BudgetPolicy, std::less<>> configured_budgets_;
};

/// A duration as OpenAI writes it in x-ratelimit-reset-*: "12ms", "1.5s", "6m0s", "5h12m0s".
std::string duration_text(std::chrono::milliseconds duration);

}  // namespace atrium::app
