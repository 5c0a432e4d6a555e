#include "gateway/gateway.h"

#include "gateway/admin/admin_routes.h"
#include "gateway/admin/operations_routes.h"
#include "gateway/anthropic/anthropic_routes.h"
#include "gateway/ollama/ollama_routes.h"
#include "gateway/openai/openai_routes.h"
#include "gateway/openai/text_tools.h"
#include "gateway/pipeline.h"

namespace atrium::gateway {

struct Gateway::State {
    explicit State(Dependencies d)
        : parts(std::move(d)),
          origins(parts.server),
          settler(parts.metrics, parts.meter),
          pipeline({.routes = routes,
                    .origins = origins,
                    .tenancy = parts.tenancy,
                    .meter = parts.meter,
                    .settler = settler,
                    .spans = parts.spans,
                    .clock = parts.clock,
                    .max_body = parts.server.max_body_bytes,
                    .heartbeat = parts.heartbeat}) {}

    Dependencies parts;
    RouteTable routes;
    OriginPolicy origins;
    Settler settler;
    Pipeline pipeline;
};

Gateway::Gateway(Dependencies dependencies) : state_(std::make_unique<State>(std::move(dependencies))) {
    auto& routes = state_->routes;
    const auto& parts = state_->parts;
    add_model_routes(routes, parts.chat);
    add_chat_routes(routes, parts.chat);
    add_embedding_routes(routes, parts.chat);
    add_message_routes(routes, parts.chat);
    add_text_tool_routes(routes, parts.chat);
    add_ollama_routes(routes, parts.chat, parts.version);
    add_admin_routes(routes, parts.tenancy, parts.chat, parts.limits);
    add_usage_routes(routes, {.report = parts.usage_report, .prices = parts.prices, .clock = parts.clock});
    add_operations_routes(routes, {.chat = parts.chat,
                                   .tenancy = parts.tenancy,
                                   .metrics = parts.metrics,
                                   .spans = parts.spans,
                                   .clock = parts.clock,
                                   .version = parts.version,
                                   .not_ready = parts.not_ready,
                                   .public_metrics = state_->origins.on_loopback()});
}

Gateway::~Gateway() = default;

RouteTable& Gateway::routes() {
    return state_->routes;
}

http::Handler Gateway::handler() {
    const auto* pipeline = &state_->pipeline;
    return [pipeline](http::Exchange& exchange) { return pipeline->handle(exchange); };
}

}  // namespace atrium::gateway
