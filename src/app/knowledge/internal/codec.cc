#include "app/knowledge/internal/codec.h"

#include <bit>
#include <cstdint>

#include "security/crypto/crypto.h"

namespace atrium::app::codec {

std::string encode_vector(std::span<const float> values) {
    std::string bytes;
    bytes.reserve(values.size() * 2);
    for (const float value : values) {
        const auto half = std::bit_cast<std::uint16_t>(static_cast<_Float16>(value));
        bytes.push_back(static_cast<char>(half & 0xff));
        bytes.push_back(static_cast<char>(half >> 8));
    }
    return crypto::base64(bytes);
}

Result<std::vector<float>> decode_vector(std::string_view text, std::size_t dimensions) {
    TRY_ASSIGN(const auto bytes, crypto::base64_decode(text));
    if (bytes.size() != dimensions * 2) return fail(data_loss("a stored embedding does not have the size of its vector store"));
    std::vector<float> values(dimensions);
    for (std::size_t i = 0; i < dimensions; ++i) {
        const auto low = static_cast<std::uint8_t>(bytes[2 * i]);
        const auto high = static_cast<std::uint8_t>(bytes[2 * i + 1]);
        values[i] = static_cast<float>(std::bit_cast<_Float16>(static_cast<std::uint16_t>(low | high << 8)));
    }
    return values;
}

std::string encode_strings(const std::vector<std::string>& values) {
    return json::serialize(json::array(values.begin(), values.end()));
}

std::vector<std::string> decode_strings(std::string_view text) {
    std::vector<std::string> values;
    const auto parsed = json::parse(text);
    if (!parsed || !parsed->is_array()) return values;
    for (const auto& value : parsed->get_array()) {
        if (value.is_string()) values.emplace_back(value.get_string());
    }
    return values;
}

json::object decode_object(std::string_view text) {
    auto parsed = json::parse_object(text);
    return parsed ? std::move(*parsed) : json::object{};
}

}  // namespace atrium::app::codec
