#include "platform/sql/internal/location.h"

#include <fmt/format.h>

#include <algorithm>

namespace atrium::sql {
namespace {

/// "postgresql://user:se@cret@host/db?x=y" → "postgresql://user@host/db". Everything up to the last '@' counts as
/// credentials: a password with an unescaped '@' or '/' must not leak by being parsed correctly.
std::string without_secrets(std::string_view url) {
    const std::size_t start = url.find("://") + 3;
    std::string_view rest = url.substr(start);
    const std::size_t at = rest.rfind('@');
    std::string user;
    if (at != std::string_view::npos) {
        user = std::string(rest.substr(0, std::min(rest.find_first_of(":@"), at))) + "@";
        rest = rest.substr(at + 1);
    }
    return std::string(url.substr(0, start)) + user + std::string(rest.substr(0, rest.find('?')));
}

}  // namespace

Result<Location> parse_location(std::string_view url) {
    Location location;
    if (constexpr std::string_view kScheme = "sqlite://"; url.starts_with(kScheme)) {
        std::string_view path = url.substr(kScheme.size());
        while (path.starts_with("//")) path.remove_prefix(1);  // "sqlite:///" + "/var/lib/atrium.db"
        location.path = std::string(path);
        if (location.path.empty()) return fail(invalid_argument("the database URL 'sqlite://' lacks a path"));
        // The driver's connection string has no way to escape a quote.
        if (location.path.find('"') != std::string::npos || location.path.find('\0') != std::string::npos) {
            return fail(invalid_argument(fmt::format("the database path '{}' must not contain a quote", location.path)));
        }
        location.shown = location.in_memory() ? "the in-memory database" : fmt::format("'{}'", location.path);
        return location;
    }
    if (url.starts_with("postgresql://") || url.starts_with("postgres://")) {
        location.dialect = Dialect::kPostgresql;
        location.url = std::string(url);
        location.shown = without_secrets(url);
        return location;
    }
    const std::size_t colon = url.find(':');
    return fail(invalid_argument(fmt::format("the database URL scheme '{}' is not supported; use sqlite:///path or "
                                             "postgresql://user@host/database",
                                             colon == std::string_view::npos ? "" : url.substr(0, colon))));
}

}  // namespace atrium::sql
