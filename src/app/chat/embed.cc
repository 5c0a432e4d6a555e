// ChatService::embed: vectors for our own use (knowledge), as opposed to relaying /v1/embeddings.
#include <fmt/format.h>

#include <cmath>
#include <span>

#include "app/chat/chat_service.h"

namespace atrium::app {
namespace {

constexpr std::size_t kBatch = 64;

Error bad_answer(std::string_view upstream, std::string_view what) {
    return unavailable(
        fmt::format("the upstream '{}' gave an unusable answer to an embedding call: {}", upstream, what));
}

/// Appends one vector, scaled to length 1.
Result<> append_unit(const json::array& numbers, std::string_view upstream, std::span<float> out) {
    double squares = 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (!numbers[i].is_number()) return fail(bad_answer(upstream, "a component is not a number"));
        const double component = numbers[i].to_number<double>();
        out[i] = static_cast<float>(component);
        squares += component * component;
    }
    if (!std::isfinite(squares) || squares <= 0) return fail(bad_answer(upstream, "a vector has no direction"));
    const auto scale = static_cast<float>(1.0 / std::sqrt(squares));
    for (auto& component : out) component *= scale;
    return {};
}

/// Puts the vectors of one batch, which may arrive in any order, behind those already there.
Result<> append_batch(const json::object& answer, std::string_view upstream, std::size_t count,
                      ChatService::Embeddings& into) {
    const auto* data = answer.if_contains("data");
    if (data == nullptr || !data->is_array() || data->get_array().size() != count) {
        return fail(bad_answer(upstream, "it has another number of vectors than texts"));
    }
    const std::size_t base = into.values.size();
    std::vector<bool> seen(count, false);
    for (const auto& item : data->get_array()) {
        const auto* entry = item.if_object();
        const auto* index = entry != nullptr ? entry->if_contains("index") : nullptr;
        const auto* vector = entry != nullptr ? entry->if_contains("embedding") : nullptr;
        if (index == nullptr || !index->is_int64() || vector == nullptr || !vector->is_array()) {
            return fail(bad_answer(upstream, "a vector is missing"));
        }
        const auto at = static_cast<std::size_t>(index->get_int64());
        if (at >= count || seen[at]) return fail(bad_answer(upstream, "an index is out of place"));
        seen[at] = true;
        const auto& numbers = vector->get_array();
        if (into.dimensions == 0) into.dimensions = numbers.size();
        if (numbers.empty() || numbers.size() != into.dimensions)
            return fail(bad_answer(upstream, "vectors differ in length"));
        if (into.values.size() == base) into.values.resize(base + count * into.dimensions);
        TRY(append_unit(numbers, upstream,
                        std::span(into.values).subspan(base + at * into.dimensions, into.dimensions)));
    }
    return {};
}

}  // namespace

Task<Result<ChatService::Embeddings>> ChatService::embed(CallContext context, std::string model,
                                                         std::vector<std::string> texts, bool is_query) {
    if (model.empty()) {
        CO_TRY_ASSIGN(model, router_.default_model(true));
    }
    CO_TRY_ASSIGN(const auto route, router_.resolve(model));
    const std::string& prefix = is_query ? route.info.query_prefix : route.info.passage_prefix;
    Embeddings result;
    result.model = route.info.id;
    result.dimensions = static_cast<std::size_t>(std::max(0, route.info.embedding_dimensions));
    result.values.reserve(texts.size() * result.dimensions);
    for (std::size_t begin = 0; begin < texts.size(); begin += kBatch) {
        const std::size_t count = std::min(kBatch, texts.size() - begin);
        json::array input;
        for (std::size_t i = 0; i < count; ++i) input.emplace_back(prefix + texts[begin + i]);
        json::object body{{"model", model}, {"input", std::move(input)}, {"encoding_format", "float"}};
        auto call = make_model_call(model::Operation::kEmbedding, context, std::move(body));
        call.chosen_by_us = true;
        CO_TRY_ASSIGN(auto answer,
                      co_await complete(std::move(call)));
        auto parsed = json::parse_object(answer.body);
        CO_TRY(parsed);
        CO_TRY(append_batch(*parsed, answer.outcome.upstream, count, result));
    }
    co_return result;
}

}  // namespace atrium::app
