#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

/// JSON at the edges. `json::value`, `json::object`, … are Boost.JSON's own types.
namespace atrium::json {

using boost::json::array;
using boost::json::kind;
using boost::json::object;
using boost::json::serialize;
using boost::json::string;
using boost::json::value;

/// Parses one document. Depth ≤ 64, well-formed UTF-8 only, nothing after the value.
/// kInvalidArgument with the byte offset of the defect.
Result<value> parse(std::string_view text);

/// Like parse, and the document must be an object.
Result<object> parse_object(std::string_view text);

/// Reads the fields of one object with errors that name the field: "messages[0].role must be a string".
/// Holds a reference to the object; use it on the spot.
///
///     json::Reader r(body);
///     TRY_ASSIGN(auto model, r.required_string("model"));
///     TRY_ASSIGN(auto limit, r.optional_int("limit", 1, 100));
class Reader {
public:
    /// `path` is the prefix for messages, e.g. "messages[0]"; empty at the top.
    explicit Reader(const object& object, std::string path = {}) : object_(object), path_(std::move(path)) {}

    /// Present and not null.
    bool has(std::string_view key) const;
    /// The full name for messages.
    std::string name(std::string_view key) const;

    Result<std::string> required_string(std::string_view key) const;
    Result<const object*> required_object(std::string_view key) const;
    Result<const array*> required_array(std::string_view key) const;

    /// Absent or null is nothing; another type is an error.
    Result<std::optional<std::string>> optional_string(std::string_view key) const;
    Result<std::optional<bool>> optional_bool(std::string_view key) const;
    /// Integer in [min, max]; a number with a fraction is an error.
    Result<std::optional<std::int64_t>> optional_int(std::string_view key, std::int64_t min, std::int64_t max) const;
    /// Finite number in [min, max].
    Result<std::optional<double>> optional_number(std::string_view key, double min, double max) const;
    Result<const object*> optional_object(std::string_view key) const;  ///< nullptr when absent
    Result<const array*> optional_array(std::string_view key) const;    ///< nullptr when absent

    const value* find(std::string_view key) const { return object_.if_contains(key); }

private:
    Error wrong_type(std::string_view key, std::string_view wanted) const;

    const object& object_;
    std::string path_;
};

/// Convenience for tests and trusted documents: the string at `key`, or empty.
std::string_view string_or(const object& object, std::string_view key, std::string_view fallback = {});

}  // namespace atrium::json
