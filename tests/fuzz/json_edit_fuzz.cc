// json::parse and ObjectText accept what Boost.JSON accepts, finds what it finds, and edits to what it would.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/json_edit.h"

namespace {

using namespace atrium;

void require(bool held) {
    if (!held) std::abort();
}

std::optional<json::object> boost_object(std::string_view text, boost::system::error_code& error) {
    boost::json::parse_options options;
    options.max_depth = 64;
    auto parsed = boost::json::parse(text, error, {}, options);
    if (error || !parsed.is_object()) return std::nullopt;
    return std::move(parsed.as_object());
}

/// Boost.JSON's doubles may be off in the last digit, and it knows numbers too large for a double as infinity.
bool same(const json::value& a, const json::value& b);
bool same_members(const json::object& a, const json::object& b) {
    if (a.size() != b.size()) return false;
    for (const auto& member : a) {
        const auto* other = b.if_contains(member.key());
        if (other == nullptr || !same(member.value(), *other)) return false;
    }
    return true;
}
bool same(const json::value& a, const json::value& b) {
    if (a.kind() != b.kind()) return false;
    if (a.is_double()) return std::abs(a.get_double() - b.get_double()) <= 1e-12 * std::abs(a.get_double());
    if (a.is_object()) return same_members(a.get_object(), b.get_object());
    if (!a.is_array()) return a == b;
    const auto& x = a.get_array();
    const auto& y = b.get_array();
    return x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin(), same);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto scanned = json::ObjectText::scan(text);
    const auto parsed = json::parse_object(text);
    boost::system::error_code error;
    auto oracle = boost_object(text, error);
    (void)json::elements(text);
    (void)json::string_value(text);
    require(json::parse(json::quote(text)).has_value());
    const bool number_out_of_range = error == boost::json::error::exponent_overflow ||
                                     (!parsed && parsed.error().message().ends_with("out of range"));
    if (number_out_of_range) return 0;
    require(parsed.has_value() == oracle.has_value());
    if (!oracle) {
        require(!scanned);
        return 0;
    }
    require(same_members(*parsed, *oracle));
    oracle = *parsed;
    require(scanned.has_value() || oracle->size() > 500);
    if (!scanned) return 0;
    for (const auto& member : *oracle) {
        const auto found = json::parse(scanned->find(member.key()));
        require(found && *found == member.value());
    }
    const json::Edit edits[] = {{"model", "\"x\""}, {"a", {}}, {"stream_options", R"({"include_usage":true})"}};
    (*oracle)["model"] = "x";
    oracle->erase("a");
    (*oracle)["stream_options"] = {{"include_usage", true}};
    const auto edited = json::parse_object(scanned->edited(edits));
    require(edited && *edited == *oracle);
    return 0;
}
