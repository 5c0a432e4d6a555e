#include "data/documents/internal/html_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "data/documents/internal/clean_text.h"

namespace atrium::data::internal::html {
namespace {

GumboOptions options() {
    GumboOptions result = kGumboDefaultOptions;
    result.max_errors = 8;
    return result;
}

Error too_deep(int max_depth) {
    return out_of_range(fmt::format("the page is nested deeper than {} levels, which is the limit", max_depth)).with_reason("invalid_file");
}

bool is_void_or_self_closing(std::string_view name) {
    // Elements without an end tag, and those whose end tag is usually left out: they do not nest in themselves.
    constexpr std::string_view kNames =
        " area base br col embed hr img input link meta param source track wbr p li dt dd tr td th thead tbody tfoot option ";
    return kNames.find(" " + std::string(name) + " ") != std::string_view::npos;
}

/// How deep the open tags go, counted without building a tree: Gumbo destroys its tree recursively and takes quadratic
/// time on deep ones.
std::size_t nesting(std::string_view page) {
    std::size_t depth = 0;
    std::size_t deepest = 0;
    for (std::size_t at = page.find('<'); at != std::string_view::npos; at = page.find('<', at + 1)) {
        const bool closes = at + 1 < page.size() && page[at + 1] == '/';
        const std::size_t begin = at + (closes ? 2 : 1);
        std::size_t end = begin;
        while (end < page.size() && std::isalnum(static_cast<unsigned char>(page[end])) != 0 && end - begin < 16) ++end;
        if (end == begin) continue;
        const std::string name = text::to_lower_ascii(page.substr(begin, end - begin));
        if (is_void_or_self_closing(name)) continue;
        if (!closes) deepest = std::max(deepest, ++depth);
        else if (depth > 0) --depth;
    }
    return deepest;
}

bool deeper_than(const GumboNode& root, int max_depth) {
    std::vector<std::pair<const GumboNode*, int>> open{{&root, 0}};
    while (!open.empty()) {
        const auto [node, depth] = open.back();
        open.pop_back();
        if (depth > max_depth) return true;
        if (!is_element(*node)) continue;
        for (const GumboNode* child : children(node->v.element)) open.emplace_back(child, depth + 1);
    }
    return false;
}

bool is_text(const GumboNode& node) {
    return node.type == GUMBO_NODE_TEXT || node.type == GUMBO_NODE_WHITESPACE || node.type == GUMBO_NODE_CDATA;
}

bool has_visible_text(GumboTag tag) {
    return tag != GUMBO_TAG_SCRIPT && tag != GUMBO_TAG_STYLE && tag != GUMBO_TAG_NOSCRIPT && tag != GUMBO_TAG_TEMPLATE && tag != GUMBO_TAG_HEAD;
}

bool is_inline(GumboTag tag) {
    switch (tag) {
        case GUMBO_TAG_A: case GUMBO_TAG_B: case GUMBO_TAG_I: case GUMBO_TAG_EM: case GUMBO_TAG_STRONG: case GUMBO_TAG_SPAN:
        case GUMBO_TAG_CODE: case GUMBO_TAG_SUB: case GUMBO_TAG_SUP: case GUMBO_TAG_U: case GUMBO_TAG_FONT: case GUMBO_TAG_SMALL:
        case GUMBO_TAG_ABBR: case GUMBO_TAG_MARK: case GUMBO_TAG_TIME: case GUMBO_TAG_KBD: case GUMBO_TAG_S: case GUMBO_TAG_UNKNOWN:
            return true;
        default: return false;
    }
}

void append_inline(const GumboElement& element, std::string& out) {
    for (const GumboNode* child : children(element)) {
        if (is_text(*child)) {
            out += child->v.text.text;
        } else if (is_element(*child) && has_visible_text(child->v.element.tag)) {
            if (!is_inline(child->v.element.tag)) out += ' ';
            append_inline(child->v.element, out);
            if (!is_inline(child->v.element.tag)) out += ' ';
        }
    }
}

std::size_t span_of(const GumboElement& cell, const char* name) {
    constexpr std::int64_t kMost = 100;  // a hostile page says a million
    return static_cast<std::size_t>(std::clamp<std::int64_t>(text::to_int(attribute(cell, name)).value_or(1), 1, kMost));
}

/// Rows of this table only, not of tables inside it.
void collect_rows(const GumboElement& element, std::vector<const GumboElement*>& rows) {
    for (const GumboNode* child : children(element)) {
        if (!is_element(*child)) continue;
        const GumboElement& inner = child->v.element;
        if (inner.tag == GUMBO_TAG_TR) rows.push_back(&inner);
        else if (inner.tag == GUMBO_TAG_THEAD || inner.tag == GUMBO_TAG_TBODY || inner.tag == GUMBO_TAG_TFOOT) collect_rows(inner, rows);
    }
}

}  // namespace

void Tree::Destroy::operator()(GumboOutput* output) const {
    const GumboOptions used = options();
    gumbo_destroy_output(&used, output);
}

Result<Tree> Tree::parse(const std::string& page, int max_depth) {
    // Unclosed tags make sloppy pages look deeper than they are, hence the factor; the tree itself is checked exactly.
    constexpr std::size_t kSloppy = 16;
    if (nesting(page) > static_cast<std::size_t>(max_depth) * kSloppy) return fail(too_deep(max_depth));
    const GumboOptions used = options();
    GumboOutput* output = gumbo_parse_with_options(&used, page.data(), page.size());
    if (output == nullptr) return fail(invalid_argument("the page could not be read").with_reason("invalid_file"));
    Tree tree(output);
    if (deeper_than(*tree.root(), max_depth)) return fail(too_deep(max_depth));
    return tree;
}

std::string declared_charset(std::string_view bytes) {
    const std::string head = text::to_lower_ascii(bytes.substr(0, 4096));
    for (const std::string_view key : {"charset=", "encoding="}) {
        std::size_t at = head.find(key);
        if (at == std::string::npos) continue;
        at += key.size();
        while (at < head.size() && (head[at] == '"' || head[at] == '\'' || head[at] == ' ')) ++at;
        std::size_t end = at;
        while (end < head.size() && (std::isalnum(static_cast<unsigned char>(head[end])) != 0 || head[end] == '-' || head[end] == '_')) ++end;
        if (end > at) return head.substr(at, end - at);
    }
    return {};
}

bool is_element(const GumboNode& node) { return node.type == GUMBO_NODE_ELEMENT || node.type == GUMBO_NODE_TEMPLATE; }
bool is_element(const GumboNode& node, GumboTag tag) { return is_element(node) && node.v.element.tag == tag; }

std::span<const GumboNode* const> children(const GumboElement& element) {
    return {reinterpret_cast<const GumboNode* const*>(element.children.data), element.children.length};
}

std::string_view attribute(const GumboElement& element, const char* name) {
    const GumboAttribute* found = gumbo_get_attribute(&element.attributes, name);
    return found != nullptr && found->value != nullptr ? std::string_view(found->value) : std::string_view();
}

void visit(const GumboNode& node, const std::function<void(const GumboNode&)>& visitor) {
    visitor(node);
    if (!is_element(node)) return;
    for (const GumboNode* child : children(node.v.element)) visit(*child, visitor);
}

const GumboElement* find(const GumboElement& element, GumboTag tag) {
    for (const GumboNode* child : children(element)) {
        if (is_element(*child, tag)) return &child->v.element;
        if (!is_element(*child)) continue;
        if (const GumboElement* found = find(child->v.element, tag)) return found;
    }
    return nullptr;
}

bool contains(const GumboElement& element, GumboTag tag) { return find(element, tag) != nullptr; }

std::size_t text_bytes(const GumboElement& element) {
    std::size_t bytes = 0;
    for (const GumboNode* child : children(element)) {
        if (child->type == GUMBO_NODE_TEXT) bytes += std::string_view(child->v.text.text).size();
        else if (is_element(*child) && has_visible_text(child->v.element.tag)) bytes += text_bytes(child->v.element);
    }
    return bytes;
}

std::string raw_text(const GumboElement& element) {
    std::string out;
    for (const GumboNode* child : children(element)) {
        if (is_text(*child)) out += child->v.text.text;
        else if (is_element(*child, GUMBO_TAG_BR)) out += '\n';
        else if (is_element(*child)) out += raw_text(child->v.element);
    }
    return out;
}

std::string inline_text(const GumboElement& element) {
    std::string out;
    append_inline(element, out);
    return collapse_spaces(out);
}

bool is_layout_table(const GumboElement& table) {
    if (attribute(table, "role") == "presentation" || contains(table, GUMBO_TAG_TABLE)) return true;
    for (const GumboTag tag : {GUMBO_TAG_H1, GUMBO_TAG_H2, GUMBO_TAG_H3, GUMBO_TAG_H4}) {
        if (contains(table, tag)) return true;
    }
    return false;
}

std::vector<std::vector<std::string>> table_rows(const GumboElement& table) {
    struct Hanging {
        std::size_t rows;
        std::string text;
    };
    std::vector<const GumboElement*> elements;
    collect_rows(table, elements);
    std::vector<std::vector<std::string>> rows;
    std::map<std::size_t, Hanging> hanging;  // by column: cells that reach down from above
    constexpr std::size_t kMaxColumns = 500;
    for (const GumboElement* element : elements) {
        std::vector<std::string> row;
        const auto fill_hanging = [&] {
            for (auto cell = hanging.find(row.size()); cell != hanging.end() && row.size() < kMaxColumns; cell = hanging.find(row.size())) {
                row.push_back(cell->second.text);
                if (--cell->second.rows == 0) hanging.erase(cell);
            }
        };
        for (const GumboNode* child : children(*element)) {
            if (!is_element(*child, GUMBO_TAG_TD) && !is_element(*child, GUMBO_TAG_TH)) continue;
            fill_hanging();
            if (row.size() >= kMaxColumns) break;
            std::string text = inline_text(child->v.element);
            if (const std::size_t down = span_of(child->v.element, "rowspan"); down > 1) hanging[row.size()] = {down - 1, text};
            row.push_back(std::move(text));
            for (std::size_t i = span_of(child->v.element, "colspan"); i > 1; --i) row.emplace_back();
        }
        fill_hanging();
        rows.push_back(std::move(row));
    }
    return rows;
}

}  // namespace atrium::data::internal::html
