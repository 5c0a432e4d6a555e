#include "platform/sql/database.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "platform/sql/internal/pooled_database.h"

namespace atrium::sql {
namespace {

// Where a double still holds every integer.
constexpr double kExactIntegers = 9007199254740992.0;

std::optional<std::int64_t> as_integer(const Value& value) {
    if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
    const auto* number = std::get_if<double>(&value);
    if (number == nullptr || std::abs(*number) > kExactIntegers || *number != std::floor(*number)) return std::nullopt;
    return static_cast<std::int64_t>(*number);
}

}  // namespace

const Value& Row::value(std::string_view column) const {
    static const Value kNull = nullptr;
    const auto name = std::ranges::find(*names_, column);
    const bool no_such_column = name == names_->end();
    if (BUG_IF(no_such_column)) return kNull;
    return values_[static_cast<std::size_t>(name - names_->begin())];
}

bool Row::is_null(std::string_view column) const { return std::holds_alternative<std::nullptr_t>(value(column)); }

std::string Row::text(std::string_view column) const { return optional_text(column).value_or(std::string()); }

std::int64_t Row::integer(std::string_view column) const { return optional_integer(column).value_or(0); }

double Row::number(std::string_view column) const {
    const Value& found = value(column);
    if (std::holds_alternative<std::nullptr_t>(found)) return 0;
    if (const auto* number = std::get_if<double>(&found)) return *number;
    const auto* integer = std::get_if<std::int64_t>(&found);
    const bool column_is_no_number = integer == nullptr;
    if (BUG_IF(column_is_no_number)) return 0;
    return static_cast<double>(*integer);
}

std::optional<std::string> Row::optional_text(std::string_view column) const {
    const Value& found = value(column);
    if (std::holds_alternative<std::nullptr_t>(found)) return std::nullopt;
    const auto* text = std::get_if<std::string>(&found);
    const bool column_is_no_text = text == nullptr;
    if (BUG_IF(column_is_no_text)) return std::nullopt;
    return *text;
}

std::optional<std::int64_t> Row::optional_integer(std::string_view column) const {
    const Value& found = value(column);
    if (std::holds_alternative<std::nullptr_t>(found)) return std::nullopt;
    const auto integer = as_integer(found);
    const bool column_is_no_integer = !integer.has_value();
    if (BUG_IF(column_is_no_integer)) return std::nullopt;
    return integer;
}

Result<std::unique_ptr<Database>> Database::open(std::string_view url, int threads) {
    TRY_ASSIGN(Location location, parse_location(url));
    auto database = std::make_unique<PooledDatabase>(std::move(location), threads);
    TRY(database->probe());
    return database;
}

}  // namespace atrium::sql
