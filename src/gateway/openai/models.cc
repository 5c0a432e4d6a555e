#include "gateway/openai/openai_routes.h"

namespace atrium::gateway {
namespace {

template <class ModelInfo>
json::object to_wire(const ModelInfo& info) {
    return {{"id", info.id}, {"object", "model"}, {"created", info.created}, {"owned_by", info.owned_by}};
}

Task<Result<>> list_models(Call& call, app::ChatService& chat) {
    json::array data;
    for (const auto& info : chat.models()) {
        if (app::check_model(call.principal(), info.id)) data.push_back(to_wire(info));
    }
    co_return co_await call.respond_json(json::object{{"object", "list"}, {"data", std::move(data)}});
}

Task<Result<>> get_model(Call& call, app::ChatService& chat) {
    CO_TRY(app::check_model(call.principal(), call.path("model")));
    CO_TRY_ASSIGN(const auto info, chat.find_model(call.path("model")));
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
