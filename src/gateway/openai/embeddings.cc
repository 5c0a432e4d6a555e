#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "gateway/openai/openai_routes.h"
#include "gateway/openai/requests.h"
#include "gateway/openai/schemas.h"
#include "security/crypto/crypto.h"

namespace atrium::gateway {
namespace {

Error unusable(std::string_view upstream) {
    return unavailable(fmt::format("the upstream '{}' gave an unusable answer to an embedding call", upstream));
}

/// OpenAI's base64 form: the numbers as little-endian 32-bit floats.
Result<std::string> pack(const json::array& numbers, std::string_view upstream) {
    static_assert(std::endian::native == std::endian::little);
    std::string bytes(numbers.size() * sizeof(float), '\0');
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (!numbers[i].is_number()) return fail(unusable(upstream));
        const auto number = static_cast<float>(numbers[i].to_number<double>());
        std::memcpy(bytes.data() + i * sizeof(float), &number, sizeof number);
    }
    return crypto::base64(bytes);
}

/// Upstreams are always asked for floats, because not all of them know base64.
Result<std::string> to_base64(const app::ChatService::Answer& answer) {
    TRY_ASSIGN(auto body, json::parse_object(answer.body));
    auto* data = body.if_contains("data");
    if (data == nullptr || !data->is_array()) return fail(unusable(answer.outcome.upstream));
    for (auto& item : data->get_array()) {
        auto* vector = item.is_object() ? item.get_object().if_contains("embedding") : nullptr;
        if (vector == nullptr || !vector->is_array()) return fail(unusable(answer.outcome.upstream));
        TRY_ASSIGN(auto packed, pack(vector->get_array(), answer.outcome.upstream));
        *vector = std::move(packed);
    }
    return json::serialize(body);
}

template <class ModelInfo>
Result<> check_fit(const ModelInfo& info, const EmbeddingRequest& request) {
    if (info.owned_by == "atrium" && !info.embedding) {
        return fail(invalid_argument(fmt::format("The model '{}' is a chat model and makes no embeddings.", info.id))
                        .with_field("model"));
    }
    const std::int64_t dimensions = info.embedding_dimensions;
    if (request.dimensions && dimensions > 0 && *request.dimensions != dimensions) {
        return fail(invalid_argument(fmt::format("'dimensions' cannot be changed: vectors of the model '{}' have {}.",
                                                 info.id, dimensions))
                        .with_field("dimensions"));
    }
    return {};
}

Task<Result<>> create_embeddings(Call& call, app::ChatService& chat) {
    CO_TRY_ASSIGN(auto body, co_await call.json_body());
    CO_TRY_ASSIGN(const auto request, validate_embedding(body));
    CO_TRY_ASSIGN(const auto info, chat.ready_model(request.model));
    CO_TRY(check_fit(info, request));
    if (info.embedding_dimensions > 0) body.stable_erase("dimensions");
    body["encoding_format"] = "float";
    CO_TRY_ASSIGN(auto answer, co_await chat.complete(
                                   app::make_model_call(model::Operation::kEmbedding, call.context(), std::move(body)),
                                   &call.outcome));
    if (request.base64) {
        CO_TRY_ASSIGN(answer.body, to_base64(answer));
    }
    co_return co_await call.exchange().respond(http::Response::json(200, std::move(answer.body)));
}

}  // namespace

void add_embedding_routes(RouteTable& routes, app::ChatService& chat) {
    routes.add({.method = http::Method::kPost,
                .pattern = "/v1/embeddings",
                .tag = "embeddings",
                .summary = "Vectors for texts",
                .handler = [&chat](Call& call) { return create_embeddings(call, chat); },
                .request_schema = embedding_request_schema(),
                .response_schema = embedding_response_schema()});
}

}  // namespace atrium::gateway
