#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/usage/period.h"
#include "app/usage/record.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/stop.h"
#include "observability/metrics/metrics.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// One budget that a call counts against.
struct BudgetDemand {
    std::string subject;  ///< "project:proj_…"
    std::string organisation;
    Period period = Period::kDay;
    std::int64_t limit_micros = 0;  ///< > 0
    int alert_percent = 0;          ///< 0: nobody is told
};

/// What the subjects with budgets have spent in the running day and month, and what running calls may still cost.
///
///     spent = the database's sum (all gateways) + what this process settled since and it does not have yet
///
/// A call is let in while spent + reserved + its own estimate fits, so a budget is overspent at most by what other
/// gateways settle within a second and by estimates that were too low. Survives restarts, because the sum comes from
/// the database. The request path touches memory only. Thread-safe; owned by main.
class BudgetLedger {
public:
    BudgetLedger(sql::Database& database, const Clock& clock, metrics::Registry& metrics);

    /// At start, blocking: what was spent in the running periods.
    Result<> load();
    /// Reads every second what other gateways spent, writes alerts. One task.
    Task<> run(StopToken stop);
    /// One round of run().
    Task<Result<>> refresh();

    struct Refusal {
        std::size_t which = 0;
        std::int64_t spent_micros = 0;
        std::int64_t reserved_micros = 0;
        std::chrono::milliseconds until_reset{0};
    };
    /// Sets `micros` aside in all of them, or in none and says which is used up. With 0 micros: whether anything is
    /// left.
    std::optional<Refusal> reserve(const std::vector<BudgetDemand>& demands, std::int64_t micros);
    void release(const std::vector<BudgetDemand>& demands, std::int64_t micros);
    /// The call is over and cost `micros`; its record is on the way to the database.
    void settle(const std::vector<BudgetDemand>& demands, std::int64_t micros, std::int64_t at_unix_seconds);
    /// These records are in the database now.
    void stored(const std::vector<UsageRecord>& records);

private:
    struct Entry {
        std::int64_t began = 0;
        std::int64_t in_database = 0;
        std::int64_t on_the_way = 0;    ///< settled here, not stored
        std::int64_t stored_since = 0;  ///< stored after in_database was read
        std::int64_t reserved = 0;
        bool alerted = false;
        bool exhausted = false;
        BudgetDemand demand;
        std::int64_t spent() const { return in_database + on_the_way + stored_since; }
    };
    struct Alert {
        std::string id;
        std::string kind;
        std::string organisation;
        std::string subject;
        std::string message;
        std::int64_t at = 0;
    };

    Entry& entry_of(const BudgetDemand& demand, std::int64_t now);
    void note_crossings(Entry& entry, std::int64_t now);

    sql::Database& database_;
    const Clock& clock_;
    metrics::Registry& metrics_;
    mutable std::mutex mutex_;  ///< held for nanoseconds; only calls with a budget come here
    std::unordered_map<std::string, Entry> entries_;
    std::unordered_map<std::string, std::int64_t> loaded_;  ///< at start, of subjects that have not called yet
    std::deque<Alert> alerts_;                              ///< to be written
};

}  // namespace atrium::app
