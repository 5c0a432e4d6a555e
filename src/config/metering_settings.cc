// rate_limits, budgets and prices: who may use how much, and what it costs.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "base/text.h"
#include "config/internal/registry.h"

namespace atrium::config::internal {
namespace {

constexpr std::int64_t kMost = 1'000'000'000'000;

/// "2.5" US dollars as millionths.
Result<std::int64_t> parse_usd(const std::string& value) {
    const auto number = text::to_double(value);
    if (!number || !(*number >= 0) || *number > 1e6)
        return fail(invalid_argument(fmt::format("must be US dollars from 0 to 1000000, not '{}'", value)));
    return std::llround(*number * 1e6);
}

/// "2026-01-31", or unix seconds; empty is 0.
Result<std::int64_t> parse_day(const std::string& value) {
    if (value.empty()) return 0;
    if (const auto seconds = text::to_int(value); seconds && *seconds >= 0) return *seconds;
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    char more = 0;
    if (std::sscanf(value.c_str(), "%4d-%2u-%2u%c", &year, &month, &day, &more) == 3) {
        const auto date = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
        if (date.ok()) return std::chrono::sys_days(date).time_since_epoch().count() * 86400;
    }
    return fail(invalid_argument(fmt::format("must be a date such as 2026-01-31, not '{}'", value)));
}

/// "kind:id" with one of the kinds.
Result<> check_subject(const std::string& subject, std::initializer_list<std::string_view> kinds) {
    const auto colon = subject.find(':');
    const bool known = colon != std::string::npos && colon + 1 < subject.size() &&
                       std::ranges::find(kinds, std::string_view(subject).substr(0, colon)) != kinds.end();
    if (known) return {};
    return fail(invalid_argument(
        fmt::format("must be one of {} with a name behind the colon, not '{}'", fmt::join(kinds, ":…, "), subject)));
}

/// One entry of a list, read field by field; what is wrong is appended to the problems.
class Entry {
public:
    Entry(const Document::Item& item, std::vector<std::string>& problems) : item_(item), problems_(problems) {}

    bool has(const std::string& name) const { return item_.fields.contains(name); }
    std::string text(const std::string& name) const {
        const auto found = item_.fields.find(name);
        return found == item_.fields.end() ? std::string() : found->second.value;
    }
    std::int64_t count(const std::string& name, std::int64_t fallback = 0, std::int64_t max = kMost) {
        return take(name, fallback, [max](const std::string& value) { return parse_integer(value, 0, max); });
    }
    std::int64_t usd(const std::string& name) { return take(name, 0, parse_usd); }
    std::int64_t day(const std::string& name) { return take(name, 0, parse_day); }
    std::string subject(std::initializer_list<std::string_view> kinds) {
        auto value = text("subject");
        if (const auto known = check_subject(value, kinds); !known && has("subject"))
            problem("subject", known.error().message());
        return value;
    }

private:
    template <class Parse>
    std::int64_t take(const std::string& name, std::int64_t fallback, Parse parse) {
        if (!has(name)) return fallback;
        const auto value = parse(text(name));
        if (value) return *value;
        problem(name, value.error().message());
        return fallback;
    }
    void problem(const std::string& name, std::string_view sentence) {
        problems_.push_back(fmt::format("{}: '{}' {}", item_.fields.at(name).where, name, sentence));
    }

    const Document::Item& item_;
    std::vector<std::string>& problems_;
};

const std::vector<Document::Item>& items_of(const Document& document, const std::string& list) {
    static const std::vector<Document::Item> kNone;
    const auto found = document.lists.find(list);
    return found == document.lists.end() ? kNone : found->second;
}

}  // namespace

const ListSpec& rate_limit_spec() {
    static const ListSpec spec{
        "rate_limits",
        {{"subject", "text", "", "model:NAME (or a pattern with *), organization:ID, project:ID, user:ID or key:ID.",
          true},
         {"requests_per_minute", "integer", "0", "0 is unlimited."},
         {"tokens_per_minute", "integer", "0", "Read and written; 0 is unlimited."},
         {"concurrent", "integer", "0", "Requests at once; 0 is unlimited."}}};
    return spec;
}

const ListSpec& budget_spec() {
    static const ListSpec spec{"budgets",
                               {{"subject", "text", "", "organization:ID, project:ID, user:ID or key:ID.", true},
                                {"usd_per_day", "number", "0", "US dollars per day (UTC); 0 is no budget."},
                                {"usd_per_month", "number", "0", "US dollars per month (UTC); 0 is no budget."},
                                {"alert_percent", "integer", "80", "An alert when this share is used; 0 is none."}}};
    return spec;
}

const ListSpec& price_spec() {
    static const ListSpec spec{
        "prices",
        {{"model", "text", "", "A model, a pattern with *, or UPSTREAM/MODEL.", true},
         {"input", "number", "0", "US dollars per million tokens read."},
         {"cached_input", "number", "", "Of those read from a prompt cache; empty is like input."},
         {"cache_write", "number", "", "Of those written to one; empty is like input."},
         {"output", "number", "0", "US dollars per million tokens written."},
         {"request", "number", "0", "US dollars per call."},
         {"valid_from", "date", "", "From when on, as 2026-01-31; empty is always."}}};
    return spec;
}

void take_metering(const Document& document, Settings& settings, std::vector<std::string>& problems) {
    for (const auto& item : items_of(document, "rate_limits")) {
        Entry entry(item, problems);
        settings.rate_limits.push_back({entry.subject({"model", "organization", "project", "user", "key"}),
                                        entry.count("requests_per_minute"), entry.count("tokens_per_minute"),
                                        entry.count("concurrent")});
    }
    for (const auto& item : items_of(document, "budgets")) {
        Entry entry(item, problems);
        settings.budgets.push_back({entry.subject({"organization", "project", "user", "key"}), entry.usd("usd_per_day"),
                                    entry.usd("usd_per_month"),
                                    static_cast<int>(entry.count("alert_percent", 80, 100))});
    }
    for (const auto& item : items_of(document, "prices")) {
        Entry entry(item, problems);
        ModelPriceSettings price;
        price.model = entry.text("model");
        price.input = entry.usd("input");
        if (entry.has("cached_input")) price.cached_input = entry.usd("cached_input");
        if (entry.has("cache_write")) price.cache_write = entry.usd("cache_write");
        price.output = entry.usd("output");
        price.request = entry.usd("request");
        price.valid_from = entry.day("valid_from");
        settings.prices.push_back(std::move(price));
    }
}

}  // namespace atrium::config::internal
