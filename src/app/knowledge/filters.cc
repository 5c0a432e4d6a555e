#include "app/knowledge/filters.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"

namespace atrium::app {

namespace {

constexpr int kMaxDepth = 8;
constexpr int kMaxNodes = 256;
constexpr std::size_t kMaxKeys = 16;
constexpr std::size_t kMaxKeyLength = 64;
constexpr std::size_t kMaxStringLength = 512;
/// Every row of a store is compared with every value of a filter's list.
constexpr std::size_t kMaxListed = 1000;
constexpr std::size_t kMaxValueBytes = 2048;  // 512 characters of any script

bool is_scalar(const json::value& value) { return value.is_string() || value.is_bool() || value.is_number(); }

bool same(const json::value& a, const json::value& b) {
    if (a.is_number() && b.is_number()) return a.to_number<double>() == b.to_number<double>();
    return a.kind() == b.kind() && a == b;
}

/// a < b: -1, a == b: 0, a > b: 1; nothing when they cannot be ordered.
std::optional<int> order(const json::value& a, const json::value& b) {
    if (a.is_number() && b.is_number()) {
        const double x = a.to_number<double>();
        const double y = b.to_number<double>();
        return x < y ? -1 : x > y ? 1 : 0;
    }
    if (a.is_string() && b.is_string()) {
        const int compared = a.get_string().compare(b.get_string());
        return compared < 0 ? -1 : compared > 0 ? 1 : 0;
    }
    return std::nullopt;
}

/// Bytes of the value, or of the longest one in a list.
std::size_t longest_string(const json::value& value) {
    if (value.is_string()) return value.get_string().size();
    std::size_t longest = 0;
    if (value.is_array()) {
        for (const auto& item : value.get_array()) longest = std::max(longest, longest_string(item));
    }
    return longest;
}

std::unexpected<Error> bad(std::string message, const std::string& field) {
    return fail(invalid_argument(field + " " + message).with_field(field).with_reason("invalid_filter"));
}

Result<json::object> validate_pairs(const json::value* value, std::string_view field, bool strings_only) {
    if (value == nullptr || value->is_null()) return json::object{};
    const std::string name(field);
    const auto invalid = [&name](const std::string& message) { return fail(invalid_argument(name + message).with_field(name)); };
    if (!value->is_object()) return invalid(" must be an object");
    const auto& object = value->get_object();
    if (object.size() > kMaxKeys) return invalid(" may have at most 16 keys");
    for (const auto& pair : object) {
        if (pair.key().empty() || text::char_count(pair.key()) > kMaxKeyLength) {
            return invalid(" keys must have 1 to 64 characters");
        }
        if (strings_only ? !pair.value().is_string() : !is_scalar(pair.value())) {
            return invalid(strings_only ? " values must be strings" : " values must be strings, numbers or booleans");
        }
        if (pair.value().is_string() && text::char_count(pair.value().get_string()) > kMaxStringLength) {
            return invalid(" values may have at most 512 characters");
        }
    }
    return object;
}

}  // namespace

struct AttributeFilter::Node {
    enum class Kind { kEq, kNe, kGt, kGte, kLt, kLte, kIn, kNin, kAnd, kOr };
    Kind kind = Kind::kAnd;
    std::string key;
    json::value value;
    std::vector<std::shared_ptr<const Node>> children;
};

Result<AttributeFilter> AttributeFilter::parse(const json::value& value, std::string_view field) {
    AttributeFilter filter;
    if (value.is_null()) return filter;
    int nodes = 0;
    TRY_ASSIGN(filter.root_, parse_node(value, std::string(field), 0, nodes));
    return filter;
}

Result<std::shared_ptr<const AttributeFilter::Node>> AttributeFilter::parse_node(const json::value& value,
                                                                                  const std::string& field, int depth,
                                                                                  int& nodes) {
    using Kind = Node::Kind;
    struct Name {
        std::string_view text;
        Kind kind;
    };
    static constexpr std::array<Name, 10> kNames{{{"eq", Kind::kEq}, {"ne", Kind::kNe}, {"gt", Kind::kGt},
                                                  {"gte", Kind::kGte}, {"lt", Kind::kLt}, {"lte", Kind::kLte},
                                                  {"in", Kind::kIn}, {"nin", Kind::kNin}, {"and", Kind::kAnd},
                                                  {"or", Kind::kOr}}};
    if (depth >= kMaxDepth) return bad("is nested more than 8 deep", field);
    if (++nodes > kMaxNodes) return bad("has more than 256 conditions", field);
    if (!value.is_object()) return bad("must be an object", field);
    const auto& object = value.get_object();
    const auto type = json::string_or(object, "type");
    auto node = std::make_shared<Node>();
    bool known = false;
    for (const auto& name : kNames) {
        if (name.text != type) continue;
        node->kind = name.kind;
        known = true;
    }
    if (!known) return bad("must be one of eq, ne, gt, gte, lt, lte, in, nin, and, or", field + ".type");

    if (node->kind == Kind::kAnd || node->kind == Kind::kOr) {
        const auto* filters = object.if_contains("filters");
        if (filters == nullptr || !filters->is_array()) return bad("must be an array", field + ".filters");
        if (filters->get_array().empty()) return bad("must not be empty", field + ".filters");
        for (std::size_t i = 0; i < filters->get_array().size(); ++i) {
            TRY_ASSIGN(auto child, parse_node(filters->get_array()[i], field + ".filters[" + std::to_string(i) + "]",
                                              depth + 1, nodes));
            node->children.push_back(std::move(child));
        }
        return node;
    }

    node->key = json::string_or(object, "key");
    if (node->key.empty()) return bad("must be a non-empty string", field + ".key");
    const auto* operand = object.if_contains("value");
    if (operand == nullptr) return bad("is required", field + ".value");
    const bool list = node->kind == Kind::kIn || node->kind == Kind::kNin;
    if (list) {
        if (!operand->is_array()) return bad("must be an array", field + ".value");
        if (operand->get_array().size() > kMaxListed) return bad("may hold at most 1000 values", field + ".value");
        for (const auto& item : operand->get_array()) {
            if (!is_scalar(item)) return bad("must hold strings, numbers or booleans", field + ".value");
        }
    } else if (!is_scalar(*operand)) {
        return bad("must be a string, number or boolean", field + ".value");
    }
    if (longest_string(*operand) > kMaxValueBytes) return bad("may hold strings of at most 2048 bytes", field + ".value");
    node->value = *operand;
    return node;
}

bool AttributeFilter::matches(const json::object& attributes) const {
    return root_ == nullptr || evaluate(*root_, attributes);
}

bool AttributeFilter::evaluate(const Node& node, const json::object& attributes) {
    using Kind = Node::Kind;
    if (node.kind == Kind::kAnd || node.kind == Kind::kOr) {
        const bool all = node.kind == Kind::kAnd;
        for (const auto& child : node.children) {
            if (evaluate(*child, attributes) != all) return !all;
        }
        return all;
    }
    const auto* value = attributes.if_contains(node.key);
    if (node.kind == Kind::kIn || node.kind == Kind::kNin) {
        bool found = false;
        for (const auto& item : node.value.get_array()) found = found || (value != nullptr && same(*value, item));
        return found == (node.kind == Kind::kIn);
    }
    if (node.kind == Kind::kNe) return value == nullptr || !same(*value, node.value);
    if (value == nullptr) return false;
    if (node.kind == Kind::kEq) return same(*value, node.value);
    const auto ordered = order(*value, node.value);
    if (!ordered) return false;
    switch (node.kind) {
        case Kind::kGt: return *ordered > 0;
        case Kind::kGte: return *ordered >= 0;
        case Kind::kLt: return *ordered < 0;
        default: return *ordered <= 0;
    }
}

Result<json::object> validate_attributes(const json::value* value, std::string_view field) {
    return validate_pairs(value, field, false);
}

Result<json::object> validate_metadata(const json::value* value, std::string_view field) {
    return validate_pairs(value, field, true);
}

}  // namespace atrium::app
