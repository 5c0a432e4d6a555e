#include "gateway/route_table.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/text.h"

namespace atrium::gateway {
namespace {

bool is_parameter(std::string_view segment) {
    return segment.starts_with('{');
}
bool is_rest(std::string_view segment) {
    return segment.ends_with("...}");
}

std::string_view parameter_name(std::string_view segment) {
    segment.remove_prefix(1);
    segment.remove_suffix(is_rest(segment) ? 4 : 1);
    return segment;
}

std::vector<std::string_view> split_path(std::string_view path) {
    if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    if (path.starts_with('/')) path.remove_prefix(1);
    return text::split(path, '/');
}

/// How well a pattern fits: nothing when it does not; else two points per literal, one per parameter, so that of the
/// patterns that fit a path the most specific has the most.
std::optional<int> fit(const std::vector<std::string>& pattern, const std::vector<std::string_view>& path) {
    int points = 0;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (is_rest(pattern[i])) return i < path.size() && !path[i].empty() ? std::optional(points) : std::nullopt;
        if (i >= path.size()) return std::nullopt;
        if (!is_parameter(pattern[i])) {
            if (pattern[i] != path[i]) return std::nullopt;
            points += 2;
        } else {
            if (path[i].empty()) return std::nullopt;
            points += 1;
        }
    }
    return pattern.size() == path.size() ? std::optional(points) : std::nullopt;
}

std::map<std::string, std::string> bind(const std::vector<std::string>& pattern,
                                        const std::vector<std::string_view>& path) {
    std::map<std::string, std::string> bound;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (!is_parameter(pattern[i])) continue;
        std::string value(path[i]);
        if (is_rest(pattern[i])) {
            for (std::size_t j = i + 1; j < path.size(); ++j) value.append("/").append(path[j]);
        }
        bound.emplace(parameter_name(pattern[i]), std::move(value));
    }
    return bound;
}

bool is_api_path(std::string_view path) {
    static constexpr std::array<std::string_view, 6> kPrefixes{"/v1", "/v2", "/api", "/atrium", "/mcp", "/otlp"};
    return std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](std::string_view prefix) {
        return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
    });
}

/// The scope of routes that do not name one.
std::optional<app::Scope> usual_scope(const RouteSpec& route) {
    struct Row {
        std::string_view tag;
        app::Scope scope;
    };
    static constexpr std::array<Row, 9> kByTag{{{"models", app::Scope::kModelsRead},
                                                {"files", app::Scope::kFiles},
                                                {"uploads", app::Scope::kFiles},
                                                {"vector stores", app::Scope::kVectorStores},
                                                {"vector_stores", app::Scope::kVectorStores},
                                                {"knowledge", app::Scope::kVectorStores},
                                                {"batches", app::Scope::kBatches},
                                                {"administration", app::Scope::kUsageRead},
                                                {"usage", app::Scope::kUsageRead}}};
    if (route.access == Access::kPublic) return std::nullopt;
    if (route.access != Access::kKey) {
        return route.method == http::Method::kGet ? app::Scope::kAdminRead : app::Scope::kAdminWrite;
    }
    if (route.tag == "operations") return std::nullopt;
    const auto* row = std::find_if(kByTag.begin(), kByTag.end(), [&](const Row& r) { return r.tag == route.tag; });
    return row == kByTag.end() ? app::Scope::kInference : row->scope;
}

}  // namespace

void RouteTable::add(RouteSpec route) {
    if (!route.scope) route.scope = usual_scope(route);
    for (const auto& known : routes_) CHECK(known.method != route.method || known.pattern != route.pattern);
    CHECK(route.pattern.starts_with('/') && route.handler);
    std::vector<std::string> segments;
    for (const auto segment : split_path(route.pattern)) segments.emplace_back(segment);
    segments_.push_back(std::move(segments));
    routes_.push_back(std::move(route));
}

void RouteTable::set_fallback(RouteHandler handler) {
    RouteSpec route;
    route.pattern = "/";
    route.access = Access::kPublic;
    route.tag = "console";
    route.handler = std::move(handler);
    fallback_ = std::move(route);
}

RouteTable::Match RouteTable::match(http::Method method, std::string_view path) const {
    if (method == http::Method::kHead) method = http::Method::kGet;
    const auto wanted = split_path(path);
    Match match;
    int best = -1;
    std::size_t at = 0;
    for (std::size_t i = 0; i < routes_.size(); ++i) {
        const auto points = fit(segments_[i], wanted);
        if (!points) continue;
        if (routes_[i].method == method && *points > best) {
            best = *points;
            at = i;
        }
        const auto name = http::method_name(routes_[i].method);
        if (match.allow.find(name) == std::string::npos)
            match.allow.append(match.allow.empty() ? "" : ", ").append(name);
    }
    if (best >= 0) {
        match.route = &routes_[at];
        match.parameters = bind(segments_[at], wanted);
    } else if (method == http::Method::kGet && match.allow.empty() && fallback_ && !is_api_path(path)) {
        match.route = &*fallback_;
    }
    return match;
}

}  // namespace atrium::gateway
