#include <fmt/format.h>

#include <chrono>

#include "gateway/openai/openai_routes.h"

namespace atrium::gateway {
namespace {

template <class ModelInfo>
json::object to_wire(const ModelInfo& info) {
    return {{"id", info.id}, {"object", "model"}, {"created", info.created}, {"owned_by", info.owned_by}};
}

/// Anthropic's clients ask the same paths and say so by this header.
bool asks_anthropic(Call& call) {
    return call.exchange().head().headers.get("anthropic-version").has_value();
}

std::string rfc3339(std::int64_t unix_seconds) {
    const std::chrono::sys_seconds time{std::chrono::seconds(unix_seconds)};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", int(date.year()), unsigned(date.month()),
                       unsigned(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

template <class ModelInfo>
json::object to_anthropic(const ModelInfo& info) {
    json::object made{{"type", "model"},         {"id", info.id},
                      {"display_name", info.id}, {"created_at", rfc3339(info.created)},
                      {"lifecycle", "active"},   {"max_input_tokens", nullptr},
                      {"max_tokens", nullptr}};
    if (info.context_length > 0) made["max_input_tokens"] = made["max_tokens"] = info.context_length;
    return made;
}

/// Anthropic's page: after_id and before_id are ids of the list.
Task<Result<>> list_anthropic(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(const auto limit, call.query_int("limit", 20, 1, 1000));
    const auto models = chat.models();
    std::size_t from = 0;
    std::size_t to = models.size();
    for (std::size_t i = 0; i < models.size(); ++i) {
        if (models[i].id == call.query("after_id")) from = i + 1;
        if (models[i].id == call.query("before_id")) to = i;
    }
    json::array data;
    for (auto i = from; i < to && std::ssize(data) < limit; ++i) data.push_back(to_anthropic(models[i]));
    const bool more = from + data.size() < to;
    const json::value first = data.empty() ? json::value(nullptr) : data.front().at("id");
    const json::value last = data.empty() ? json::value(nullptr) : data.back().at("id");
    co_return co_await call.respond_json(
        json::object{{"data", std::move(data)}, {"has_more", more}, {"first_id", first}, {"last_id", last}});
}

Task<Result<>> list_models(Call& call, app::ChatService& chat) {
    if (asks_anthropic(call)) co_return co_await list_anthropic(call, chat);
    json::array data;
    for (const auto& info : chat.models()) {
        if (app::check_model(call.principal(), info.id)) data.push_back(to_wire(info));
    }
    co_return co_await call.respond_json(json::object{{"object", "list"}, {"data", std::move(data)}});
}

Task<Result<>> get_model(Call& call, app::ChatService& chat) {
    CO_TRY(app::check_model(call.principal(), call.path("model")));
    CO_TRY_ASSIGN(const auto info, chat.find_model(call.path("model")));
    if (asks_anthropic(call)) co_return co_await call.respond_json(to_anthropic(info));
    co_return co_await call.respond_json(to_wire(info));
}

}  // namespace

void add_model_routes(RouteTable& routes, app::ChatService& chat) {
    const json::object model{{"type", "object"},
                             {"required", {"id", "object", "created", "owned_by"}},
                             {"properties",
                              {{"id", {{"type", "string"}}},
                               {"object", {{"const", "model"}}},
                               {"created", {{"type", "integer"}}},
                               {"owned_by", {{"type", "string"}}}}}};
    routes.add(
        {.method = http::Method::kGet,
         .pattern = "/v1/models",
         .tag = "models",
         .summary = "List the models",
         .handler = [&chat](Call& call) { return list_models(call, chat); },
         .response_schema = {
             {"type", "object"},
             {"required", {"object", "data"}},
             {"properties", {{"object", {{"const", "list"}}}, {"data", {{"type", "array"}, {"items", model}}}}}}});
    // Model names may contain slashes, which arrive decoded.
    routes.add({.method = http::Method::kGet,
                .pattern = "/v1/models/{model...}",
                .tag = "models",
                .summary = "One model",
                .handler = [&chat](Call& call) { return get_model(call, chat); },
                .response_schema = model});
}

}  // namespace atrium::gateway
