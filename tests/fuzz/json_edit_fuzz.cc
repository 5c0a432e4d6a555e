// ObjectText accepts what Boost.JSON accepts, finds what it finds, and edits to what it would.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.h"
#include "base/json_edit.h"

namespace {

using namespace atrium;

void require(bool held) {
    if (!held) std::abort();
}

/// Boost.JSON refuses exponents that no number has; the scanner reads no numbers.
bool about_a_number(const Error& error) {
    return error.message().find("exponent") != std::string::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto scanned = json::ObjectText::scan(text);
    auto oracle = json::parse_object(text);
    (void)json::elements(text);
    (void)json::string_value(text);
    require(json::parse(json::quote(text)).has_value());
    if (!oracle) {
        require(!scanned || about_a_number(oracle.error()));
        return 0;
    }
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
