#include "gateway/admin/query.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace atrium::gateway {
namespace {

constexpr std::size_t kMaxValues = 100;
constexpr std::size_t kMaxBytes = 255;

std::string decoded(std::string_view part) {
    std::string text(part);
    std::ranges::replace(text, '+', ' ');
    return http::percent_decode(text);
}

}  // namespace

Result<std::vector<std::string>> query_list(Call& call, std::string_view name) {
    std::vector<std::string> values;
    for (const auto pair : text::split(call.exchange().head().query, '&')) {
        const auto equals = pair.find('=');
        auto key = decoded(pair.substr(0, equals));
        if (key.ends_with("[]")) key.resize(key.size() - 2);
        if (key != name || equals == std::string_view::npos) continue;
        const auto value = decoded(pair.substr(equals + 1));
        for (const auto part : text::split(value, ',')) {
            if (part.empty()) continue;
            if (part.size() > kMaxBytes || !text::is_utf8(part) || part.contains('\0') || values.size() == kMaxValues) {
                return fail(invalid_argument(fmt::format("{} may have at most {} values of at most {} bytes of UTF-8",
                                                         name, kMaxValues, kMaxBytes))
                                .with_field(std::string(name)));
            }
            values.emplace_back(part);
        }
    }
    return values;
}

Result<> add_filter(Call& call, std::string_view parameter, app::UsageDimension dimension, app::UsageFilter& filter) {
    TRY_ASSIGN(auto values, query_list(call, parameter));
    if (!values.empty()) filter.values.push_back({dimension, std::move(values)});
    return {};
}

}  // namespace atrium::gateway
