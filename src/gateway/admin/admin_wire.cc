#include "gateway/admin/admin_wire.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace atrium::gateway::admin {
namespace {

constexpr std::int64_t kLargest = 9'007'199'254'740'991;  // what every JSON parser keeps exactly
constexpr std::size_t kMaxListed = 100;

/// As forms are read: '+' is a space.
std::string decode(std::string_view text) {
    std::string plain(text);
    std::ranges::replace(plain, '+', ' ');
    return http::percent_decode(plain);
}

/// "127.0.0.1:50312" and "[::1]:50312" without the port.
std::string address_of(const std::string& peer) {
    const auto colon = peer.rfind(':');
    if (colon == std::string::npos) return peer;
    std::string address = peer.substr(0, colon);
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    return address;
}

Result<> read_number(const json::Reader& reader, std::string_view key, std::int64_t& into) {
    TRY_ASSIGN(const auto number, reader.optional_int(key, 0, kLargest));
    if (number) into = *number;
    return {};
}

Result<> only_in(const json::object& body, const std::string& path, std::initializer_list<std::string_view> known) {
    for (const auto& member : body) {
        const std::string_view name = member.key();
        if (std::ranges::find(known, name) != known.end()) continue;
        std::string message = fmt::format("{}{} is not a field of this request", path, text::shorten(name, 60));
        if (const auto near = text::closest(name, std::vector<std::string_view>(known))) {
            message += fmt::format("; did you mean {}?", *near);
        }
        return fail(invalid_argument(std::move(message)).with_field(path + text::shorten(name, 60)));
    }
    return {};
}

}  // namespace

app::Administrator administrator(const Call& call) {
    return {call.principal(), call.context().request_id, address_of(call.peer())};
}

Result<app::Range> range_of(const Call& call, bool ascending) {
    app::Range range;
    TRY_ASSIGN(const auto limit, call.query_int("limit", 20, 1, 100));
    range.limit = static_cast<int>(limit);
    range.after = call.query("after").value_or("");
    range.before = call.query("before").value_or("");
    const auto order = call.query("order");
    if (order && *order != "asc" && *order != "desc") {
        return fail(invalid_argument("order must be asc or desc").with_field("order"));
    }
    range.ascending = order ? *order == "asc" : ascending;
    return range;
}

Result<std::vector<std::string>> query_list(const Call& call, std::string_view name) {
    std::vector<std::string> values;
    for (const auto pair : text::split(call.raw_query(), '&')) {
        const auto equals = std::min(pair.find('='), pair.size());
        const auto key = decode(pair.substr(0, equals));
        if (key != name && key != std::string(name) + "[]") continue;
        auto value = decode(pair.substr(std::min(equals + 1, pair.size())));
        if (!text::is_utf8(value) || value.find('\0') != std::string::npos || values.size() == kMaxListed) {
            return fail(invalid_argument(fmt::format("{} must be at most {} texts", name, kMaxListed))
                            .with_field(std::string(name)));
        }
        if (!value.empty()) values.push_back(std::move(value));
    }
    return values;
}

json::value or_null(const std::optional<std::int64_t>& number) {
    return number ? json::value(*number) : json::value(nullptr);
}

json::value or_null(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
}

json::object limits_to_wire(const app::LimitPolicy& limits) {
    return {{"requests_per_minute", limits.requests_per_minute},
            {"tokens_per_minute", limits.tokens_per_minute},
            {"concurrent", limits.concurrent}};
}

json::object budget_to_wire(const app::BudgetPolicy& budget) {
    return {{"micros_per_day", budget.micros_per_day},
            {"micros_per_month", budget.micros_per_month},
            {"alert_percent", budget.alert_percent}};
}

json::value models_to_wire(const std::optional<app::ModelPatterns>& models) {
    if (!models) return nullptr;
    json::array list;
    for (const auto& model : *models) list.emplace_back(model);
    return list;
}

json::object key_to_wire(const app::ApiKey& key) {
    json::array scopes;
    for (const auto& scope : key.scopes.names()) scopes.emplace_back(scope);
    return {{"id", key.id},
            {"object", "api_key"},
            {"name", key.name},
            {"project_id", key.project},
            {"redacted", key.redacted},
            {"admin", key.admin},
            {"scopes", std::move(scopes)},
            {"models", models_to_wire(key.models)},
            {"limits", limits_to_wire(key.limits)},
            {"budget", budget_to_wire(key.budget)},
            {"user_id", or_null(key.user_id)},
            {"service_account_id", or_null(key.service_account_id)},
            {"created_at", key.created_at},
            {"expires_at", or_null(key.expires_at)},
            {"last_used_at", or_null(key.last_used_at)},
            {"old_secret_until", or_null(key.old_secret_until)}};
}

Result<std::optional<std::vector<std::string>>> strings_of(const json::Reader& reader, std::string_view key) {
    TRY_ASSIGN(const auto* list, reader.optional_array(key));
    if (list == nullptr) return std::nullopt;
    std::vector<std::string> strings;
    for (const auto& item : *list) {
        if (!item.is_string()) {
            const auto field = fmt::format("{}[{}]", reader.name(key), strings.size());
            return fail(invalid_argument(field + " must be a string").with_field(field));
        }
        strings.emplace_back(item.get_string());
    }
    return strings;
}

Result<std::optional<app::LimitPolicy>> limits_of(const json::Reader& reader, app::LimitPolicy old) {
    TRY_ASSIGN(const auto* object, reader.optional_object("limits"));
    if (object == nullptr) return std::nullopt;
    TRY(only_in(*object, "limits.", {"requests_per_minute", "tokens_per_minute", "concurrent"}));
    const json::Reader limits(*object, "limits");
    TRY(read_number(limits, "requests_per_minute", old.requests_per_minute));
    TRY(read_number(limits, "tokens_per_minute", old.tokens_per_minute));
    TRY(read_number(limits, "concurrent", old.concurrent));
    return old;
}

Result<std::optional<app::BudgetPolicy>> budget_of(const json::Reader& reader, app::BudgetPolicy old) {
    TRY_ASSIGN(const auto* object, reader.optional_object("budget"));
    if (object == nullptr) return std::nullopt;
    TRY(only_in(*object, "budget.", {"micros_per_day", "micros_per_month", "alert_percent"}));
    const json::Reader budget(*object, "budget");
    TRY(read_number(budget, "micros_per_day", old.micros_per_day));
    TRY(read_number(budget, "micros_per_month", old.micros_per_month));
    TRY_ASSIGN(const auto percent, budget.optional_int("alert_percent", 0, 100));
    if (percent) old.alert_percent = static_cast<int>(*percent);
    return old;
}

Result<> only(const json::object& body, std::initializer_list<std::string_view> known) {
    return only_in(body, "", known);
}

void never_store(Call& call) {
    call.exchange().add_response_header("Cache-Control", "no-store");
}

}  // namespace atrium::gateway::admin
