// /atrium/v1/prices: what models cost.
#include <fmt/format.h>

#include <cmath>

#include "base/text.h"
#include "gateway/admin/admin_routes.h"

namespace atrium::gateway {
namespace {

constexpr double kMaxUsd = 1e6;
constexpr std::int64_t kEndOfTime = 253'402'300'800;  // year 10000

json::object to_wire(const app::Price& price) {
    const auto usd = [](std::int64_t micros) { return static_cast<double>(micros) / 1e6; };
    return {{"id", std::to_string(price.id)},
            {"object", "price"},
            {"model", price.model},
            {"input", usd(price.input)},
            {"cached_input", usd(price.cached_input)},
            {"cache_write", usd(price.cache_write)},
            {"output", usd(price.output)},
            {"request", usd(price.request)},
            {"currency", "usd"},
            {"valid_from", price.valid_from},
            {"created_at", price.created_at},
            {"source", price.source}};
}

Task<Result<>> list_prices(Call& call, app::PriceBook& prices) {
    json::array data;
    const auto table = prices.table();
    for (const auto& price : table->prices()) data.push_back(to_wire(price));
    co_return co_await call.respond_json(
        json::object{{"object", "list"}, {"data", std::move(data)}, {"has_more", false}});
}

Result<app::Price> read_price(const json::object& body) {
    const json::Reader reader(body);
    const auto micros = [&](std::string_view key, std::int64_t fallback) -> Result<std::int64_t> {
        TRY_ASSIGN(const auto usd, reader.optional_number(key, 0, kMaxUsd));
        return usd ? std::llround(*usd * 1e6) : fallback;
    };
    app::Price price;
    TRY_ASSIGN(price.model, reader.required_string("model"));
    TRY_ASSIGN(price.input, micros("input", 0));
    TRY_ASSIGN(price.cached_input, micros("cached_input", price.input));
    TRY_ASSIGN(price.cache_write, micros("cache_write", price.input));
    TRY_ASSIGN(price.output, micros("output", 0));
    TRY_ASSIGN(price.request, micros("request", 0));
    TRY_ASSIGN(const auto valid_from, reader.optional_int("valid_from", 0, kEndOfTime));
    price.valid_from = valid_from.value_or(0);
    return price;
}

Task<Result<>> add_price(Call& call, app::PriceBook& prices) {
    CO_TRY_ASSIGN(const auto body, co_await call.json_body());
    CO_TRY_ASSIGN(auto price, read_price(body));
    CO_TRY_ASSIGN(const auto added, co_await prices.add(std::move(price)));
    co_return co_await call.respond_json(to_wire(added));
}

Task<Result<>> retire_price(Call& call, app::PriceBook& prices) {
    const auto& id = call.path("price_id");
    const auto number = text::to_int(id);
    if (!number) co_return fail(not_found("There is no such price.").with_reason("price_not_found"));
    CO_TRY(co_await prices.retire(*number));
    co_return co_await call.respond_json(json::object{{"id", id}, {"object", "price.deleted"}, {"deleted", true}});
}

json::object request_schema() {
    json::object properties{{"model", {{"type", "string"}}}, {"valid_from", {{"type", "integer"}}}};
    for (const auto* name : {"input", "cached_input", "cache_write", "output", "request"})
        properties[name] = json::object{{"type", "number"}, {"minimum", 0}};
    return {{"type", "object"}, {"required", json::array{"model"}}, {"properties", std::move(properties)}};
}

}  // namespace

void add_price_routes(RouteTable& routes, app::PriceBook& prices) {
    const auto add = [&](http::Method method, std::string pattern, std::string summary,
                         Task<Result<>> (*function)(Call&, app::PriceBook&), json::object schema) {
        RouteSpec route;
        route.method = method;
        route.pattern = std::move(pattern);
        route.access = Access::kAdmin;
        route.dialect = Dialect::kAtrium;
        route.tag = "administration";
        route.summary = std::move(summary);
        route.handler = [&prices, function](Call& call) { return function(call, prices); };
        route.request_schema = std::move(schema);
        routes.add(std::move(route));
    };
    add(http::Method::kGet, "/atrium/v1/prices", "The prices in force now or later, in US dollars per million tokens",
        list_prices, {});
    add(http::Method::kPost, "/atrium/v1/prices", "A new version of a model's price", add_price, request_schema());
    add(http::Method::kDelete, "/atrium/v1/prices/{price_id}", "Stop using a price for new calls", retire_price, {});
}

}  // namespace atrium::gateway
