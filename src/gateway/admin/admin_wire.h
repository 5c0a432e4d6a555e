#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/tenancy/types.h"
#include "gateway/route_table.h"

/// What the administration routes share: the caller as an administrator, lists as OpenAI writes them, and policies.
namespace atrium::gateway::admin {

app::Administrator administrator(const Call& call);

/// limit (1–100, default 20), after, before, order.
Result<app::Range> range_of(const Call& call, bool ascending = true);
/// Every `name=` and `name[]=` of the query, decoded; at most 100.
Result<std::vector<std::string>> query_list(const Call& call, std::string_view name);

json::value or_null(const std::optional<std::int64_t>& number);
json::value or_null(const std::string& text);

template <class Item, class ToWire>
json::object list_to_wire(const app::Listed<Item>& listed, ToWire to_wire) {
    json::array data;
    for (const auto& item : listed.items) data.push_back(to_wire(item));
    const json::value first = listed.items.empty() ? json::value(nullptr) : data.front().at("id");
    const json::value last = listed.items.empty() ? json::value(nullptr) : data.back().at("id");
    return {{"object", "list"},
            {"data", std::move(data)},
            {"first_id", first},
            {"last_id", last},
            {"has_more", listed.has_more}};
}

json::object limits_to_wire(const app::LimitPolicy& limits);
json::object budget_to_wire(const app::BudgetPolicy& budget);
json::value models_to_wire(const std::optional<app::ModelPatterns>& models);
/// {"id", "object": "api_key", …} of Atrium's own key routes.
json::object key_to_wire(const app::ApiKey& key);

/// The strings of an array; kInvalidArgument that names the entry. Nothing when absent or null.
Result<std::optional<std::vector<std::string>>> strings_of(const json::Reader& reader, std::string_view key);
/// "limits": members that are left out stay as in `old`. Nothing when absent.
Result<std::optional<app::LimitPolicy>> limits_of(const json::Reader& reader, app::LimitPolicy old = {});
Result<std::optional<app::BudgetPolicy>> budget_of(const json::Reader& reader, app::BudgetPolicy old = {});
/// kInvalidArgument for a member that is not in `known`, with the closest that is.
Result<> only(const json::object& body, std::initializer_list<std::string_view> known);

/// No proxy or browser may keep the one answer that shows a secret.
void never_store(Call& call);

/// Adds routes that share a service, tagged "administration".
template <class Service>
class Routes {
public:
    using Function = Task<Result<>> (*)(Call&, Service&);
    Routes(RouteTable& table, Service& service, Dialect dialect)
        : table_(table), service_(service), dialect_(dialect) {}

    void add(http::Method method, std::string pattern, Access access, std::string summary, Function function,
             json::object schema = {}) {
        RouteSpec route;
        route.method = method;
        route.pattern = std::move(pattern);
        route.access = access;
        route.dialect = dialect_;
        route.tag = "administration";
        route.summary = std::move(summary);
        route.handler = [&service = service_, function](Call& call) { return function(call, service); };
        route.request_schema = std::move(schema);
        table_.add(std::move(route));
    }

private:
    RouteTable& table_;
    Service& service_;
    Dialect dialect_;
};

}  // namespace atrium::gateway::admin
