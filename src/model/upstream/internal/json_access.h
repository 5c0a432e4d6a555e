#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/json.h"

/// Looking into foreign JSON: what is absent or of another type is empty. Nothing here copies.
namespace atrium::model {

inline std::string_view view(const json::string& text) {
    return {text.data(), text.size()};
}

inline const json::object* object_at(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr ? value->if_object() : nullptr;
}

inline const json::array* array_at(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr ? value->if_array() : nullptr;
}

inline std::string_view string_at(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? view(value->get_string()) : std::string_view();
}

inline bool is_true(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_bool() && value->get_bool();
}

/// The number ≥ 0 at `key`, or 0. A fraction (Cohere writes 42.0) is cut; beyond 2^53 a double is no count any more.
inline std::int64_t count_at(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    if (value == nullptr) return 0;
    if (value->is_int64()) return std::clamp<std::int64_t>(value->get_int64(), 0, std::int64_t{1} << 53);
    if (value->is_double() && value->get_double() > 0 && value->get_double() < 9e15)
        return static_cast<std::int64_t>(value->get_double());
    return 0;
}

/// Present and not null.
inline const json::value* present(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && !value->is_null() ? value : nullptr;
}

}  // namespace atrium::model
