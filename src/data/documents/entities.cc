#include "data/documents/internal/entities.h"

#include <array>
#include <charconv>

#include "base/text.h"

namespace atrium::data::internal {
namespace {

struct Named {
    std::string_view name;
    char32_t character;
};

constexpr std::array<Named, 36> kNamed{{
    {"amp", '&'},       {"lt", '<'},        {"gt", '>'},       {"quot", '"'},      {"apos", '\''},    {"nbsp", ' '},
    {"ndash", 0x2013},  {"mdash", 0x2014},  {"hellip", 0x2026}, {"lsquo", 0x2018},  {"rsquo", 0x2019}, {"ldquo", 0x201C},
    {"rdquo", 0x201D},  {"laquo", 0xAB},    {"raquo", 0xBB},   {"bull", 0x2022},   {"middot", 0xB7},  {"copy", 0xA9},
    {"reg", 0xAE},      {"trade", 0x2122},  {"deg", 0xB0},     {"plusmn", 0xB1},   {"times", 0xD7},   {"divide", 0xF7},
    {"le", 0x2264},     {"ge", 0x2265},     {"ne", 0x2260},    {"rarr", 0x2192},   {"larr", 0x2190},  {"micro", 0xB5},
    {"para", 0xB6},     {"sect", 0xA7},     {"euro", 0x20AC},  {"pound", 0xA3},    {"yen", 0xA5},     {"ensp", ' '},
}};

}  // namespace

std::string decode_entity(std::string_view entity) {
    if (entity.size() < 3 || entity.front() != '&' || entity.back() != ';') return std::string(entity);
    std::string_view body = entity.substr(1, entity.size() - 2);
    std::string out;
    if (body.front() == '#') {
        body.remove_prefix(1);
        int base = 10;
        if (!body.empty() && (body.front() == 'x' || body.front() == 'X')) {
            base = 16;
            body.remove_prefix(1);
        }
        std::uint32_t code = 0;
        const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), code, base);
        const bool surrogate = code >= 0xD800 && code < 0xE000;
        if (error != std::errc() || end != body.data() + body.size() || code == 0 || code > 0x10FFFF || surrogate) return "\xEF\xBF\xBD";
        text::append_utf8(out, code);
        return out;
    }
    for (const Named& named : kNamed) {
        if (named.name != body) continue;
        text::append_utf8(out, named.character);
        return out;
    }
    return std::string(entity);
}

}  // namespace atrium::data::internal
