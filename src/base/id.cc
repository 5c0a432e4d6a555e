#include "base/id.h"

#include <algorithm>
#include <array>

#include "base/random.h"

namespace atrium {

std::string new_id(std::string_view prefix) {
    constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford base-32
    std::array<unsigned char, 24> random{};
    fill_random(random);
    std::string id(prefix);
    id.reserve(prefix.size() + random.size());
    for (unsigned char byte : random) id.push_back(kAlphabet[byte & 31]);
    return id;
}

bool is_id(std::string_view text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    if (text.size() < 8 || text.size() > 64) return false;
    return std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

}  // namespace atrium
