#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace atrium::app {

/// A condition on the attributes of a file, as in OpenAI's vector store search: comparisons
/// {"type": eq|ne|gt|gte|lt|lte|in|nin, "key", "value"} and compounds {"type": and|or, "filters": […]}, nested at
/// most 8 deep with at most 256 nodes. Decides inside the search which passages may be returned. Immutable value;
/// the empty filter accepts everything.
///
/// A file without the attribute satisfies only `ne` and `nin`. Values of different types are never equal and never
/// ordered; numbers compare as numbers, strings by bytes.
class AttributeFilter {
public:
    AttributeFilter() = default;
    /// kInvalidArgument that names the field, e.g. "filters.filters[1].value".
    static Result<AttributeFilter> parse(const json::value& value, std::string_view field = "filters");

    bool matches(const json::object& attributes) const;
    bool accepts_all() const { return root_ == nullptr; }

private:
    struct Node;
    static Result<std::shared_ptr<const Node>> parse_node(const json::value& value, const std::string& field, int depth,
                                                          int& nodes);
    static bool evaluate(const Node& node, const json::object& attributes);

    std::shared_ptr<const Node> root_;
};

/// Checks `attributes` (at most 16 keys of at most 64 characters; strings of at most 512, numbers, booleans) and
/// `metadata` (the same, strings only). Null is the empty object.
Result<json::object> validate_attributes(const json::value* value, std::string_view field);
Result<json::object> validate_metadata(const json::value* value, std::string_view field);

}  // namespace atrium::app
