#pragma once

#include <gumbo.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// Reading a page that Gumbo has parsed. The tree is no deeper than the limit it was parsed with, so recursion is safe.
namespace atrium::data::internal::html {

class Tree {
public:
    /// `page` (UTF-8) must outlive the tree. kOutOfRange when nested deeper than `max_depth`.
    static Result<Tree> parse(const std::string& page, int max_depth);
    const GumboNode* root() const { return output_->root; }

private:
    struct Destroy {
        void operator()(GumboOutput* output) const;
    };
    explicit Tree(GumboOutput* output) : output_(output) {}
    std::unique_ptr<GumboOutput, Destroy> output_;
};

/// From <meta charset>, <meta http-equiv> or the XML declaration in the first bytes; empty when none.
std::string declared_charset(std::string_view bytes);

bool is_element(const GumboNode& node);
bool is_element(const GumboNode& node, GumboTag tag);
std::span<const GumboNode* const> children(const GumboElement& element);
/// Empty when absent.
std::string_view attribute(const GumboElement& element, const char* name);
/// Calls `visitor` for the node and everything below it.
void visit(const GumboNode& node, const std::function<void(const GumboNode&)>& visitor);
/// The first descendant with that tag, or nullptr.
const GumboElement* find(const GumboElement& element, GumboTag tag);
bool contains(const GumboElement& element, GumboTag tag);
/// Bytes of visible text below the element.
std::size_t text_bytes(const GumboElement& element);
/// All text with its line ends; <br> is one.
std::string raw_text(const GumboElement& element);
/// All text on one line; block elements are set apart by spaces.
std::string inline_text(const GumboElement& element);

/// Used to place things on the page: holds tables, headings or says so itself.
bool is_layout_table(const GumboElement& table);
/// Cells by row; a cell over several rows is repeated in each, one over several columns is followed by empty cells.
std::vector<std::vector<std::string>> table_rows(const GumboElement& table);

}  // namespace atrium::data::internal::html
