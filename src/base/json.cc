#include "base/json.h"

#include <fmt/format.h>

#include <cmath>

namespace atrium::json {

Result<value> parse(std::string_view text) {
    boost::json::parse_options options;
    options.max_depth = 64;
    boost::system::error_code error;
    boost::json::stream_parser parser({}, options);
    const std::size_t used = parser.write_some(text, error);
    if (!error && text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) {
        return fail(invalid_argument(fmt::format("invalid JSON: unexpected content after the value at byte {}", used)));
    }
    if (!error) parser.finish(error);
    if (error) {
        return fail(invalid_argument(fmt::format("invalid JSON at byte {}: {}", used, error.message())));
    }
    return parser.release();
}

Result<object> parse_object(std::string_view text) {
    TRY_ASSIGN(value parsed, parse(text));
    if (!parsed.is_object()) return fail(invalid_argument("the JSON document must be an object"));
    return std::move(parsed.as_object());
}

bool Reader::has(std::string_view key) const {
    const value* found = find(key);
    return found && !found->is_null();
}

std::string Reader::name(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

Error Reader::wrong_type(std::string_view key, std::string_view wanted) const {
    std::string field = name(key);
    if (!has(key)) return invalid_argument(fmt::format("'{}' is required and must be {}", field, wanted)).with_field(field);
    return invalid_argument(fmt::format("'{}' must be {}", field, wanted)).with_field(field);
}

Result<std::string> Reader::required_string(std::string_view key) const {
    const value* found = find(key);
    if (!found || !found->is_string()) return fail(wrong_type(key, "a string"));
    return std::string(found->get_string());
}

Result<const object*> Reader::required_object(std::string_view key) const {
    const value* found = find(key);
    if (!found || !found->is_object()) return fail(wrong_type(key, "an object"));
    return &found->get_object();
}

Result<const array*> Reader::required_array(std::string_view key) const {
    const value* found = find(key);
    if (!found || !found->is_array()) return fail(wrong_type(key, "an array"));
    return &found->get_array();
}

Result<std::optional<std::string>> Reader::optional_string(std::string_view key) const {
    if (!has(key)) return std::nullopt;
    TRY_ASSIGN(std::string text, required_string(key));
    return text;
}

Result<std::optional<bool>> Reader::optional_bool(std::string_view key) const {
    if (!has(key)) return std::nullopt;
    const value* found = find(key);
    if (!found->is_bool()) return fail(wrong_type(key, "true or false"));
    return found->get_bool();
}

Result<std::optional<std::int64_t>> Reader::optional_int(std::string_view key, std::int64_t min, std::int64_t max) const {
    if (!has(key)) return std::nullopt;
    const std::string wanted = fmt::format("an integer from {} to {}", min, max);
    boost::system::error_code error;
    const auto number = find(key)->to_number<std::int64_t>(error);
    if (!find(key)->is_number() || error || number < min || number > max) return fail(wrong_type(key, wanted));
    return number;
}

Result<std::optional<double>> Reader::optional_number(std::string_view key, double min, double max) const {
    if (!has(key)) return std::nullopt;
    const value* found = find(key);
    const std::string wanted = fmt::format("a number from {} to {}", min, max);
    if (!found->is_number()) return fail(wrong_type(key, wanted));
    const double number = found->to_number<double>();
    if (!std::isfinite(number) || number < min || number > max) return fail(wrong_type(key, wanted));
    return number;
}

Result<const object*> Reader::optional_object(std::string_view key) const {
    if (!has(key)) return nullptr;
    return required_object(key);
}

Result<const array*> Reader::optional_array(std::string_view key) const {
    if (!has(key)) return nullptr;
    return required_array(key);
}

std::string_view string_or(const object& object, std::string_view key, std::string_view fallback) {
    const value* found = object.if_contains(key);
    if (!found || !found->is_string()) return fallback;
    return found->get_string();
}

}  // namespace atrium::json
