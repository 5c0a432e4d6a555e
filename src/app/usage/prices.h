#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/usage/record.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/stop.h"
#include "config/settings.h"
#include "platform/sql/database.h"

namespace atrium::app {

/// What tokens of some models cost from a moment on. Prices in millionths of a US dollar per million tokens: "2.50 USD
/// per million" is 2,500,000. A row never changes once made; its id is the price version that usage records carry.
struct Price {
    std::int64_t id = 0;
    std::string model;  ///< a name, a pattern with '*', or "upstream/name" for one upstream's
    std::int64_t input = 0;
    std::int64_t cached_input = 0;
    std::int64_t cache_write = 0;
    std::int64_t output = 0;      ///< reasoning too
    std::int64_t request = 0;     ///< millionths of a dollar per call
    std::int64_t valid_from = 0;  ///< unix seconds
    std::int64_t created_at = 0;  ///< unix seconds
    std::string source = "api";   ///< or "config"

    /// In millionths of a dollar, rounded to the nearest once for the whole call.
    std::int64_t cost(const TokenBuckets& tokens) const;
};

/// All prices in force now or later; immutable.
class PriceTable {
public:
    explicit PriceTable(std::vector<Price> prices = {}) : prices_(std::move(prices)) {}
    /// "upstream/model" wins over "model", a name over a pattern, the pattern with more letters over the shorter one,
    /// and among equals the one that became valid last. nullptr: costs nothing.
    const Price* find(std::string_view upstream, std::string_view model, std::int64_t at_unix_seconds) const;
    const std::vector<Price>& prices() const { return prices_; }

private:
    std::vector<Price> prices_;
};

/// The prices of the installation: rows of the database, of which those in the configuration are kept in step with it
/// at start. The request path reads a snapshot. Thread-safe; owned by main.
class PriceBook {
public:
    PriceBook(sql::Database& database, const Clock& clock);

    /// At start, blocking: writes new versions of what the configuration says, retires what it says no more, loads.
    Result<> synchronise(const std::vector<config::ModelPriceSettings>& configured);
    /// Sees every half minute what other gateways changed. One task.
    Task<> run(StopToken stop);

    std::shared_ptr<const PriceTable> table() const { return table_.load(); }

    /// In force when the task is done. The model is 1–255 bytes; valid_from 0 means now.
    Task<Result<Price>> add(Price price);
    /// No longer used for new calls; kept for the records that name it. kNotFound.
    Task<Result<>> retire(std::int64_t id);

private:
    Task<Result<>> reload();

    sql::Database& database_;
    const Clock& clock_;
    std::atomic<std::shared_ptr<const PriceTable>> table_{std::make_shared<const PriceTable>()};
};

/// Whether `name` fits `pattern`, in which '*' stands for any run of characters.
bool matches_pattern(std::string_view pattern, std::string_view name);

}  // namespace atrium::app
