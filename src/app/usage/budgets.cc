#include "app/usage/budgets.h"

#include <fmt/format.h>

#include <algorithm>

#include "observability/log/log.h"
#include "platform/async/runtime.h"

namespace atrium::app {
namespace {

constexpr std::chrono::milliseconds kRefreshInterval{1000};
constexpr std::size_t kMaxAlerts = 1000;

std::string key_of(std::string_view subject, Period period) {
    return fmt::format("{}/{}", period_name(period), subject);
}

std::string key_of(std::string_view subject, Period period, std::int64_t began) {
    return fmt::format("{}/{}", key_of(subject, period), began);
}

double usd(std::int64_t micros) {
    return static_cast<double>(micros) / 1e6;
}

}  // namespace

BudgetLedger::BudgetLedger(sql::Database& database, const Clock& clock, metrics::Registry& metrics)
    : database_(database), clock_(clock), metrics_(metrics) {}

Result<> BudgetLedger::load() {
    const auto now = unix_seconds(clock_.system());
    const auto day = period_start(Period::kDay, now);
    const auto month = period_start(Period::kMonth, now);
    TRY_ASSIGN(const auto rows, database_.read_now<std::vector<sql::Row>>([=](sql::Session& session) {
        return session.query(
            "SELECT * FROM budget_spend WHERE (period = 'day' AND began = :day) OR (period = 'month' "
            "AND began = :month)",
            {{"day", day}, {"month", month}});
    }));
    std::scoped_lock lock(mutex_);
    for (const auto& row : rows) {
        const auto period = row.text("period") == "day" ? Period::kDay : Period::kMonth;
        loaded_[key_of(row.text("subject"), period, row.integer("began"))] = row.integer("spent_micros");
    }
    return {};
}

/// Under the lock. A period that is over starts anew; a clock that was set back finds the old one in the database.
BudgetLedger::Entry& BudgetLedger::entry_of(const BudgetDemand& demand, std::int64_t now) {
    auto& entry = entries_[key_of(demand.subject, demand.period)];
    const auto began = period_start(demand.period, now);
    if (entry.began != began) {
        const auto reserved = entry.reserved;
        entry = Entry{};
        entry.began = began;
        entry.reserved = reserved;
        const auto found = loaded_.find(key_of(demand.subject, demand.period, began));
        if (found != loaded_.end()) {
            entry.in_database = found->second;
            loaded_.erase(found);
        }
    }
    entry.demand = demand;
    return entry;
}

std::optional<BudgetLedger::Refusal> BudgetLedger::reserve(const std::vector<BudgetDemand>& demands,
                                                           std::int64_t micros) {
    const auto now = unix_seconds(clock_.system());
    std::scoped_lock lock(mutex_);
    for (std::size_t i = 0; i < demands.size(); ++i) {
        auto& entry = entry_of(demands[i], now);
        const auto used = entry.spent() + entry.reserved;
        if (used < demands[i].limit_micros && used + micros <= demands[i].limit_micros) continue;
        const auto next = next_period_start(demands[i].period, now);
        return Refusal{i, entry.spent(), entry.reserved, std::chrono::seconds(next - now)};
    }
    for (const auto& demand : demands) entry_of(demand, now).reserved += micros;
    return std::nullopt;
}

void BudgetLedger::release(const std::vector<BudgetDemand>& demands, std::int64_t micros) {
    const auto now = unix_seconds(clock_.system());
    std::scoped_lock lock(mutex_);
    for (const auto& demand : demands) {
        auto& entry = entry_of(demand, now);
        entry.reserved = std::max<std::int64_t>(0, entry.reserved - micros);
    }
}

void BudgetLedger::settle(const std::vector<BudgetDemand>& demands, std::int64_t micros, std::int64_t at) {
    if (micros == 0) return;
    const auto now = unix_seconds(clock_.system());
    std::scoped_lock lock(mutex_);
    for (const auto& demand : demands) {
        auto& entry = entry_of(demand, now);
        if (period_start(demand.period, at) != entry.began) continue;
        entry.on_the_way += micros;
        note_crossings(entry, now);
    }
}

void BudgetLedger::stored(const std::vector<UsageRecord>& records) {
    std::scoped_lock lock(mutex_);
    if (entries_.empty()) return;
    for (const auto& record : records) {
        if (record.cost_micros == 0) continue;
        for (const auto& [kind, id] : {std::pair<std::string_view, const std::string&>{"key", record.key_id},
                                       {"user", record.user_id},
                                       {"project", record.project},
                                       {"organization", record.organisation}}) {
            for (const auto period : {Period::kDay, Period::kMonth}) {
                const auto found = entries_.find(key_of(fmt::format("{}:{}", kind, id), period));
                if (found == entries_.end()) continue;
                auto& entry = found->second;
                if (entry.began != period_start(period, record.at / 1000)) continue;
                // What an earlier process had settled was never on the way here.
                const auto moved = std::min(entry.on_the_way, record.cost_micros);
                entry.on_the_way -= moved;
                entry.stored_since += record.cost_micros;
            }
        }
    }
}

void BudgetLedger::note_crossings(Entry& entry, std::int64_t now) {
    const auto& demand = entry.demand;
    const auto tell = [&](std::string_view kind, std::string message) {
        log::warning(message, {{"subject", demand.subject}});
        metrics_
            .counter("atrium_budget_alerts_total", "Budgets that reached their alert share or their end.",
                     {{"kind", std::string(kind)}, {"period", std::string(period_name(demand.period))}})
            .add();
        if (alerts_.size() >= kMaxAlerts) return;
        alerts_.push_back({fmt::format("{}:{}:{}:{}", kind, demand.subject, period_name(demand.period), entry.began),
                           std::string(kind), demand.organisation, demand.subject, std::move(message), now});
    };
    const auto percent = static_cast<double>(entry.spent()) * 100 / static_cast<double>(demand.limit_micros);
    if (!entry.alerted && demand.alert_percent > 0 && percent >= demand.alert_percent) {
        entry.alerted = true;
        tell("budget_alert",
             fmt::format("{:.0f} % of the budget per {} of {} are used: {:.2f} of {:.2f} USD", percent,
                         period_name(demand.period), demand.subject, usd(entry.spent()), usd(demand.limit_micros)));
    }
    if (!entry.exhausted && percent >= 100) {
        entry.exhausted = true;
        tell("budget_exhausted", fmt::format("the budget per {} of {} is used up: {:.2f} USD",
                                             period_name(demand.period), demand.subject, usd(demand.limit_micros)));
    }
}

Task<Result<>> BudgetLedger::refresh() {
    struct Look {
        std::string key;
        std::string subject;
        Period period;
        std::int64_t began;
        std::int64_t stored_before;
        std::int64_t spent = 0;
    };
    auto looks = std::make_shared<std::vector<Look>>();
    auto alerts = std::make_shared<std::vector<Alert>>();
    {
        const auto now = unix_seconds(clock_.system());
        std::scoped_lock lock(mutex_);
        for (const auto& [key, entry] : entries_) {
            if (period_start(entry.demand.period, now) != entry.began) continue;
            looks->push_back({key, entry.demand.subject, entry.demand.period, entry.began, entry.stored_since});
        }
        alerts->assign(alerts_.begin(), alerts_.end());
    }
    if (!alerts->empty()) {
        CO_TRY(co_await database_.write<void>([alerts](sql::Session& session) -> Result<> {
            for (const auto& alert : *alerts) {
                TRY(
                    session.execute("INSERT INTO alerts (id, at, kind, organization_id, subject, message) VALUES (:id, "
                                    ":at, :kind, :organization, :subject, :message) ON CONFLICT (id) DO NOTHING",
                                    {{"id", alert.id},
                                     {"at", alert.at * 1000},
                                     {"kind", alert.kind},
                                     {"organization", alert.organisation},
                                     {"subject", alert.subject},
                                     {"message", alert.message}}));
            }
            return {};
        }));
        std::scoped_lock lock(mutex_);
        alerts_.erase(alerts_.begin(), alerts_.begin() + static_cast<std::ptrdiff_t>(alerts->size()));
    }
    if (looks->empty()) co_return Result<>{};
    CO_TRY(co_await database_.read<void>([looks](sql::Session& session) -> Result<> {
        for (auto& look : *looks) {
            TRY_ASSIGN(const auto row,
                       session.query_one(
                           "SELECT spent_micros FROM budget_spend WHERE subject = :subject AND period = "
                           ":period AND began = :began",
                           {{"subject", look.subject}, {"period", period_name(look.period)}, {"began", look.began}}));
            look.spent = row ? row->integer("spent_micros") : 0;
        }
        return {};
    }));
    std::scoped_lock lock(mutex_);
    for (const auto& look : *looks) {
        const auto found = entries_.find(look.key);
        if (found == entries_.end() || found->second.began != look.began) continue;
        // What was stored while the question was on its way may be counted twice until the next answer: too careful for
        // a second rather than too generous.
        found->second.in_database = look.spent;
        found->second.stored_since -= look.stored_before;
    }
    co_return Result<>{};
}

Task<> BudgetLedger::run(StopToken stop) {
    bool failing = false;
    while (co_await sleep_for(kRefreshInterval, stop)) {
        const auto refreshed = co_await refresh();
        if (!refreshed && !failing)
            log::warning("budgets cannot be read: only this gateway's spending counts", {{"error", refreshed.error()}});
        failing = !refreshed;
    }
}

}  // namespace atrium::app
