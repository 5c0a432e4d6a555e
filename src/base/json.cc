#include "base/json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/internal/json_walker.h"

namespace atrium::json {

namespace {

using internal::Walker;

/// Reads text into a tree. Boost's own parser takes four times as long on prompts: it copies every run between two
/// escapes twice.
class Builder {
public:
    explicit Builder(std::string_view text) : walker_(text) { stack_.reset(); }

    Result<value> build() {
        walker_.space();
        if (!add_value(0)) return walker_.error();
        walker_.space();
        if (!walker_.at_end()) {
            walker_.refuse("unexpected content after the value");
            return walker_.error();
        }
        return stack_.release();
    }

private:
    bool add_value(int depth) {
        if (walker_.at_end()) return walker_.refuse("a value is expected");
        switch (*walker_.at()) {
            case '{': return depth < internal::kMaxDepth ? add_object(depth + 1) : walker_.refuse("nested too deeply");
            case '[': return depth < internal::kMaxDepth ? add_array(depth + 1) : walker_.refuse("nested too deeply");
            case '"': return add_string(false);
            case 't': return walker_.literal("true") && (stack_.push_bool(true), true);
            case 'f': return walker_.literal("false") && (stack_.push_bool(false), true);
            case 'n': return walker_.literal("null") && (stack_.push_null(), true);
            default: return add_number();
        }
    }

    bool add_object(int depth) {
        walker_.take('{');
        walker_.space();
        std::size_t members = 0;
        if (!walker_.take('}')) {
            while (true) {
                if (walker_.at_end() || *walker_.at() != '"') return walker_.refuse("a member name is expected");
                if (!add_string(true)) return false;
                walker_.space();
                if (!walker_.take(':')) return walker_.refuse("a colon is expected");
                walker_.space();
                if (!add_value(depth)) return false;
                ++members;
                walker_.space();
                if (walker_.take('}')) break;
                if (!walker_.take(',')) return walker_.refuse("a comma or the end of the object is expected");
                walker_.space();
            }
        }
        stack_.push_object(members);
        return true;
    }

    bool add_array(int depth) {
        walker_.take('[');
        walker_.space();
        std::size_t count = 0;
        if (!walker_.take(']')) {
            while (true) {
                if (!add_value(depth)) return false;
                ++count;
                walker_.space();
                if (walker_.take(']')) break;
                if (!walker_.take(',')) return walker_.refuse("a comma or the end of the array is expected");
                walker_.space();
            }
        }
        stack_.push_array(count);
        return true;
    }

    bool add_string(bool is_name) {
        const char* const begin = walker_.at() + 1;
        bool escaped = false;
        if (!walker_.string(&escaped)) return false;
        std::string_view inside(begin, walker_.at() - 1);
        std::string plain;
        if (escaped) inside = plain = internal::unescaped(inside);
        if (is_name)
            stack_.push_key(inside);
        else
            stack_.push_string(inside);
        return true;
    }

    bool add_number() {
        const char* const begin = walker_.at();
        if (!walker_.number()) return false;
        const char* const end = walker_.at();
        std::int64_t whole = 0;
        std::uint64_t large = 0;
        double real = 0;
        const auto fits = [end](std::from_chars_result read) { return read.ec == std::errc() && read.ptr == end; };
        if (fits(std::from_chars(begin, end, whole))) {
            stack_.push_int64(whole);
        } else if (fits(std::from_chars(begin, end, large))) {
            stack_.push_uint64(large);
        } else if (fits(std::from_chars(begin, end, real))) {
            stack_.push_double(real);
        } else {
            // Out of range: rounded to zero when small, refused when no double is that large.
            real = std::strtod(std::string(begin, end).c_str(), nullptr);
            if (!std::isfinite(real)) return walker_.refuse("a number out of range");
            stack_.push_double(real);
        }
        return true;
    }

    Walker walker_;
    boost::json::value_stack stack_;
};

}  // namespace

Result<value> parse(std::string_view text) {
    return Builder(text).build();
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
    if (!has(key))
        return invalid_argument(fmt::format("'{}' is required and must be {}", field, wanted)).with_field(field);
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

Result<std::optional<std::int64_t>> Reader::optional_int(std::string_view key, std::int64_t min,
                                                         std::int64_t max) const {
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
