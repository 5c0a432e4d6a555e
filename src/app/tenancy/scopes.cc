#include "app/tenancy/scopes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace atrium::app {
namespace {

constexpr std::array<std::string_view, kScopeCount> kNames{"models.read", "inference",  "files",      "vector_stores",
                                                           "batches",     "usage.read", "admin.read", "admin.write"};

}  // namespace

std::string_view scope_name(Scope scope) {
    return kNames[static_cast<std::size_t>(scope)];
}

Result<ScopeSet> ScopeSet::parse(const std::vector<std::string>& names) {
    ScopeSet set;
    for (const auto& name : names) {
        const auto found = std::ranges::find(kNames, name);
        if (found == kNames.end()) {
            return fail(invalid_argument(fmt::format("'{}' is not a scope; there are {}", text::shorten(name, 40),
                                                     fmt::join(kNames, ", ")))
                            .with_field("scopes"));
        }
        set.bits_ |= 1u << (found - kNames.begin());
    }
    return set;
}

std::vector<std::string> ScopeSet::names() const {
    std::vector<std::string> names;
    for (int i = 0; i < kScopeCount; ++i) {
        if (has(static_cast<Scope>(i))) names.emplace_back(kNames[static_cast<std::size_t>(i)]);
    }
    return names;
}

std::string ScopeSet::text() const {
    return fmt::format("{}", fmt::join(names(), " "));
}

}  // namespace atrium::app
