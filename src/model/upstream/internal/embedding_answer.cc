#include "model/upstream/internal/embedding_answer.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "model/upstream/internal/answer_writer.h"
#include "security/crypto/crypto.h"

namespace atrium::model {
namespace {

constexpr std::size_t kMaxInputs = 2048;

Result<std::string> packed(const json::array& vector) {
    std::string bytes;
    bytes.reserve(vector.size() * sizeof(float));
    for (const auto& number : vector) {
        if (!number.is_number()) return fail(nonsense("an embedding that is no list of numbers"));
        const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(number.to_number<double>()));
        for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>((bits >> shift) & 0xff);
    }
    return crypto::base64(bytes);
}

Result<json::value> encode_vector(const json::array& vector, bool base64) {
    if (base64) {
        TRY_ASSIGN(auto text, packed(vector));
        return json::value(text);
    }
    for (const auto& number : vector) {
        if (!number.is_number()) return fail(nonsense("an embedding that is no list of numbers"));
    }
    return json::value(vector);
}

}  // namespace

Result<std::vector<std::string_view>> read_embedding_input(const json::object& request, std::string_view who) {
    const auto wrong = [&](std::string_view what) {
        return fail(invalid_argument(fmt::format("input: {} upstream takes {}", who, what)).with_field("input"));
    };
    const auto* input = present(request, "input");
    if (input == nullptr) return fail(invalid_argument("input is required").with_field("input"));
    if (input->is_string()) return std::vector{view(input->get_string())};
    const auto* list = input->if_array();
    if (list == nullptr || list->empty()) return wrong("a text or a list of texts");
    if (list->size() > kMaxInputs) return wrong(fmt::format("at most {} texts at once", kMaxInputs));
    std::vector<std::string_view> texts;
    for (const auto& item : *list) {
        if (!item.is_string()) return wrong("text, no token numbers");
        texts.push_back(view(item.get_string()));
    }
    return texts;
}

Result<json::object> embedding_answer(const json::object& request, std::string_view model,
                                      const std::vector<const json::array*>& vectors, std::int64_t prompt_tokens) {
    const auto* input = request.if_contains("input");
    const std::size_t wanted = input != nullptr && input->is_array() ? input->get_array().size() : 1;
    if (vectors.size() != wanted) return fail(nonsense("another number of embeddings than asked for"));
    const bool base64 = string_at(request, "encoding_format") == "base64";
    json::array data;
    for (const json::array* vector : vectors) {
        if (vector == nullptr) return fail(nonsense("an embedding that is no list"));
        TRY_ASSIGN(auto encoded, encode_vector(*vector, base64));
        data.emplace_back(
            json::object{{"object", "embedding"}, {"index", data.size()}, {"embedding", std::move(encoded)}});
    }
    return json::object{{"object", "list"},
                        {"data", std::move(data)},
                        {"model", model},
                        {"usage", {{"prompt_tokens", prompt_tokens}, {"total_tokens", prompt_tokens}}}};
}

}  // namespace atrium::model
