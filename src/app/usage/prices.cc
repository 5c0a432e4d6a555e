#include "app/usage/prices.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "observability/log/log.h"
#include "platform/async/runtime.h"

namespace atrium::app {
namespace {

constexpr std::chrono::seconds kReloadInterval{30};
constexpr std::size_t kMaxModelBytes = 255;
constexpr std::int64_t kMaxPrice = 1'000'000'000'000;  // a million dollars per million tokens

/// How closely a pattern names a model; -1: not at all.
int closeness(std::string_view pattern, std::string_view upstream, std::string_view model) {
    const auto letters = static_cast<int>(pattern.size() - static_cast<std::size_t>(std::ranges::count(pattern, '*')));
    const bool exact = !pattern.contains('*');
    if (matches_pattern(pattern, fmt::format("{}/{}", upstream, model)) && pattern.contains('/'))
        return 20'000 + (exact ? 10'000 : 0) + letters;
    if (matches_pattern(pattern, model)) return (exact ? 10'000 : 0) + letters;
    return -1;
}

Price read_price(const sql::Row& row) {
    Price price;
    price.id = row.integer("id");
    price.model = row.text("model");
    price.input = row.integer("input");
    price.cached_input = row.integer("cached_input");
    price.cache_write = row.integer("cache_write");
    price.output = row.integer("output");
    price.request = row.integer("request");
    price.valid_from = row.integer("valid_from");
    price.created_at = row.integer("created_at");
    price.source = row.text("source");
    return price;
}

Result<std::vector<Price>> load(sql::Session& session) {
    TRY_ASSIGN(auto rows, session.query("SELECT * FROM prices WHERE retired_at IS NULL ORDER BY id"));
    std::vector<Price> prices;
    for (const auto& row : rows) prices.push_back(read_price(row));
    return prices;
}

Result<std::int64_t> insert(sql::Session& session, const Price& price) {
    TRY_ASSIGN(auto row,
               session.query_one("INSERT INTO prices (model, input, cached_input, cache_write, output, request, "
                                 "valid_from, created_at, source) VALUES (:model, :input, :cached, :write, :output, "
                                 ":request, :valid_from, :created_at, :source) RETURNING id",
                                 {{"model", price.model},
                                  {"input", price.input},
                                  {"cached", price.cached_input},
                                  {"write", price.cache_write},
                                  {"output", price.output},
                                  {"request", price.request},
                                  {"valid_from", price.valid_from},
                                  {"created_at", price.created_at},
                                  {"source", price.source}}));
    return row ? row->integer("id") : 0;
}

Result<std::int64_t> retire_row(sql::Session& session, std::int64_t id, std::int64_t now) {
    return session.execute("UPDATE prices SET retired_at = :now WHERE id = :id AND retired_at IS NULL",
                           {{"now", now}, {"id", id}});
}

bool same_terms(const Price& a, const Price& b) {
    return a.model == b.model && a.input == b.input && a.cached_input == b.cached_input &&
           a.cache_write == b.cache_write && a.output == b.output && a.request == b.request &&
           a.valid_from == b.valid_from;
}

Price from_settings(const config::ModelPriceSettings& row) {
    Price price;
    price.model = row.model;
    price.input = row.input;
    price.cached_input = row.cached_input.value_or(row.input);
    price.cache_write = row.cache_write.value_or(row.input);
    price.output = row.output;
    price.request = row.request;
    price.valid_from = row.valid_from;
    price.source = "config";
    return price;
}

Result<> check(const Price& price) {
    if (price.model.empty() || price.model.size() > kMaxModelBytes || !text::is_utf8(price.model)) {
        return fail(
            invalid_argument(fmt::format("model must be 1 to {} bytes of UTF-8", kMaxModelBytes)).with_field("model"));
    }
    const auto in_range = [](std::int64_t value) { return value >= 0 && value <= kMaxPrice; };
    if (in_range(price.input) && in_range(price.cached_input) && in_range(price.cache_write) &&
        in_range(price.output) && in_range(price.request)) {
        return {};
    }
    return fail(invalid_argument("a price must be between 0 and 1000000 US dollars").with_field("input"));
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view name) {
    std::size_t p = 0;
    std::size_t n = 0;
    std::size_t star = std::string_view::npos;
    std::size_t resume = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = n;
        } else if (p < pattern.size() && pattern[p] == name[n]) {
            ++p;
            ++n;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            n = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

std::int64_t Price::cost(const TokenBuckets& tokens) const {
    using Wide = __int128;
    const Wide sum = Wide{tokens.fresh_input} * input + Wide{tokens.cache_read} * cached_input +
                     Wide{tokens.cache_write} * cache_write + Wide{tokens.completion()} * output;
    return static_cast<std::int64_t>((sum + 500'000) / 1'000'000) + request;
}

const Price* PriceTable::find(std::string_view upstream, std::string_view model, std::int64_t at) const {
    const Price* best = nullptr;
    int best_closeness = -1;
    for (const auto& price : prices_) {
        if (price.valid_from > at) continue;
        const int close = closeness(price.model, upstream, model);
        if (close < 0 || close < best_closeness) continue;
        const bool newer = best == nullptr || close > best_closeness || price.valid_from > best->valid_from ||
                           (price.valid_from == best->valid_from && price.id > best->id);
        if (!newer) continue;
        best = &price;
        best_closeness = close;
    }
    return best;
}

PriceBook::PriceBook(sql::Database& database, const Clock& clock) : database_(database), clock_(clock) {}

Result<> PriceBook::synchronise(const std::vector<config::ModelPriceSettings>& configured) {
    const std::int64_t now = unix_seconds(clock_.system());
    TRY_ASSIGN(auto prices,
               database_.write_now<std::vector<Price>>([&](sql::Session& session) -> Result<std::vector<Price>> {
                   TRY_ASSIGN(const auto present, load(session));
                   std::vector<Price> wanted;
                   for (const auto& row : configured) wanted.push_back(from_settings(row));
                   for (const auto& price : present) {
                       const auto same = [&](const Price& other) { return same_terms(price, other); };
                       if (price.source == "config" && std::ranges::none_of(wanted, same))
                           TRY(retire_row(session, price.id, now));
                   }
                   for (auto& price : wanted) {
                       const auto same = [&](const Price& other) {
                           return other.source == "config" && same_terms(price, other);
                       };
                       if (std::ranges::any_of(present, same)) continue;
                       price.created_at = now;
                       TRY(insert(session, price));
                   }
                   return load(session);
               }));
    table_.store(std::make_shared<const PriceTable>(std::move(prices)));
    return {};
}

Task<Result<>> PriceBook::reload() {
    CO_TRY_ASSIGN(auto prices, co_await database_.read<std::vector<Price>>(load));
    table_.store(std::make_shared<const PriceTable>(std::move(prices)));
    co_return Result<>{};
}

Task<> PriceBook::run(StopToken stop) {
    while (co_await sleep_for(kReloadInterval, stop)) {
        const auto loaded = co_await reload();
        if (!loaded) log::warning("the prices cannot be read; the last ones stay", {{"error", loaded.error()}});
    }
}

Task<Result<Price>> PriceBook::add(Price price) {
    CO_TRY(check(price));
    price.created_at = unix_seconds(clock_.system());
    if (price.valid_from == 0) price.valid_from = price.created_at;
    price.source = "api";
    CO_TRY_ASSIGN(price.id, co_await database_.write<std::int64_t>(
                                [price](sql::Session& session) { return insert(session, price); }));
    CO_TRY(co_await reload());
    co_return price;
}

Task<Result<>> PriceBook::retire(std::int64_t id) {
    const std::int64_t now = unix_seconds(clock_.system());
    CO_TRY_ASSIGN(const auto changed, co_await database_.write<std::int64_t>(
                                          [id, now](sql::Session& session) { return retire_row(session, id, now); }));
    if (changed == 0)
        co_return fail(not_found(fmt::format("There is no price {}.", id)).with_reason("price_not_found"));
    co_return co_await reload();
}

}  // namespace atrium::app
