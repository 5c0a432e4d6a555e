#include <fmt/format.h>
#include <gumbo.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/text.h"
#include "data/documents/internal/block_writer.h"
#include "data/documents/internal/charset.h"
#include "data/documents/internal/clean_text.h"
#include "data/documents/internal/html_tree.h"
#include "data/documents/internal/parsers.h"

namespace atrium::data::internal {
namespace {

using html::attribute;
using html::children;
using html::is_element;

constexpr char kSoftBreak = '\v';  // a line end of the source, which means a space or nothing

/// Elements whose content is never text of the document.
bool is_invisible(GumboTag tag) {
    switch (tag) {
        case GUMBO_TAG_SCRIPT: case GUMBO_TAG_STYLE: case GUMBO_TAG_NOSCRIPT: case GUMBO_TAG_TEMPLATE: case GUMBO_TAG_HEAD:
        case GUMBO_TAG_SVG: case GUMBO_TAG_IFRAME: case GUMBO_TAG_OBJECT: case GUMBO_TAG_EMBED: case GUMBO_TAG_CANVAS:
        case GUMBO_TAG_AUDIO: case GUMBO_TAG_VIDEO: case GUMBO_TAG_MAP: case GUMBO_TAG_BUTTON: case GUMBO_TAG_INPUT:
        case GUMBO_TAG_SELECT: case GUMBO_TAG_TEXTAREA: case GUMBO_TAG_DATALIST: case GUMBO_TAG_RT: case GUMBO_TAG_RP:
            return true;
        default: return false;
    }
}

/// Elements that stand on lines of their own.
bool is_block(GumboTag tag) {
    switch (tag) {
        case GUMBO_TAG_P: case GUMBO_TAG_DIV: case GUMBO_TAG_SECTION: case GUMBO_TAG_ARTICLE: case GUMBO_TAG_MAIN:
        case GUMBO_TAG_HEADER: case GUMBO_TAG_FOOTER: case GUMBO_TAG_ASIDE: case GUMBO_TAG_NAV: case GUMBO_TAG_BLOCKQUOTE:
        case GUMBO_TAG_FIGURE: case GUMBO_TAG_FIGCAPTION: case GUMBO_TAG_DETAILS: case GUMBO_TAG_SUMMARY: case GUMBO_TAG_DL:
        case GUMBO_TAG_DT: case GUMBO_TAG_DD: case GUMBO_TAG_FORM: case GUMBO_TAG_FIELDSET: case GUMBO_TAG_LEGEND:
        case GUMBO_TAG_ADDRESS: case GUMBO_TAG_CENTER: case GUMBO_TAG_HR: case GUMBO_TAG_BODY: case GUMBO_TAG_HTML:
        case GUMBO_TAG_TBODY: case GUMBO_TAG_THEAD: case GUMBO_TAG_TFOOT: case GUMBO_TAG_TR: case GUMBO_TAG_TD:
        case GUMBO_TAG_TH: case GUMBO_TAG_CAPTION: case GUMBO_TAG_HGROUP: case GUMBO_TAG_OPTGROUP:
            return true;
        default: return false;
    }
}

int heading_level(GumboTag tag) {
    switch (tag) {
        case GUMBO_TAG_H1: return 1;
        case GUMBO_TAG_H2: return 2;
        case GUMBO_TAG_H3: return 3;
        case GUMBO_TAG_H4: return 4;
        case GUMBO_TAG_H5: return 5;
        case GUMBO_TAG_H6: return 6;
        default: return 0;
    }
}

/// Navigation, banners and the like, by what the page says about itself.
bool is_furniture(const GumboElement& element) {
    switch (element.tag) {
        case GUMBO_TAG_NAV: case GUMBO_TAG_ASIDE: case GUMBO_TAG_FOOTER: return true;
        case GUMBO_TAG_HEADER: return html::contains(element, GUMBO_TAG_NAV);
        default: break;
    }
    const std::string_view role = attribute(element, "role");
    for (const std::string_view name : {"navigation", "banner", "contentinfo", "complementary", "search", "dialog", "alertdialog"}) {
        if (role == name) return true;
    }
    const std::string names = text::to_lower_ascii(fmt::format("{} {}", attribute(element, "class"), attribute(element, "id")));
    constexpr std::array<std::string_view, 16> kFurniture{
        "cookie", "gdpr", "consent-", "breadcrumb", "sidebar", "navbar", "nav-menu", "site-footer", "page-footer", "site-header",
        "share-buttons", "social-share", "newsletter", "advert", "skip-link", "pagination"};
    return std::any_of(kFurniture.begin(), kFurniture.end(), [&](std::string_view name) { return names.find(name) != std::string::npos; });
}

bool is_hidden(const GumboElement& element) {
    if (gumbo_get_attribute(&element.attributes, "hidden") != nullptr || attribute(element, "aria-hidden") == "true") return true;
    std::string style = text::to_lower_ascii(attribute(element, "style"));
    style.erase(std::remove(style.begin(), style.end(), ' '), style.end());
    return style.find("display:none") != std::string::npos || style.find("visibility:hidden") != std::string::npos;
}

class HtmlReader {
public:
    HtmlReader(BlockWriter& writer, bool keep_furniture, std::size_t body_bytes)
        : writer_(writer), keep_furniture_(keep_furniture), body_bytes_(body_bytes) {}

    Result<> read(const GumboNode& root) {
        TRY(walk(root));
        return flush();
    }

private:
    bool skipped(const GumboElement& element) const {
        if (is_invisible(element.tag)) return true;
        if (keep_furniture_) return false;
        if (is_hidden(element)) return true;
        if (element.tag == GUMBO_TAG_SUP && attribute(element, "class").find("reference") != std::string_view::npos) return true;
        // A page about cookies may well name its article "cookies": furniture is never the bulk of a page.
        return is_furniture(element) && html::text_bytes(element) * 3 < body_bytes_;
    }

    Result<> walk(const GumboNode& node) {
        if (node.type == GUMBO_NODE_TEXT || node.type == GUMBO_NODE_WHITESPACE || node.type == GUMBO_NODE_CDATA) {
            for (const char c : std::string_view(node.v.text.text)) text_ += c == '\n' || c == '\r' ? kSoftBreak : c == kSoftBreak ? ' ' : c;
            return {};
        }
        if (!is_element(node)) return {};
        const GumboElement& element = node.v.element;
        if (skipped(element)) return {};
        if (const int level = heading_level(element.tag); level > 0) {
            TRY(flush());
            TRY(walk_children(element));
            return writer_.heading(level, take());
        }
        switch (element.tag) {
            case GUMBO_TAG_BR: text_ += '\n'; return {};
            case GUMBO_TAG_PRE: TRY(flush()); return writer_.code(html::raw_text(element));
            case GUMBO_TAG_TABLE: return table(element);
            case GUMBO_TAG_UL:
            case GUMBO_TAG_OL:
            case GUMBO_TAG_MENU: return list(element);
            case GUMBO_TAG_LI: return item(element, "- ");
            default: break;
        }
        if (!is_block(element.tag)) return walk_children(element);
        TRY(flush());
        TRY(walk_children(element));
        return flush();
    }

    Result<> walk_children(const GumboElement& element) {
        for (const GumboNode* child : children(element)) TRY(walk(*child));
        return {};
    }

    Result<> list(const GumboElement& element) {
        TRY(flush());
        ++list_depth_;
        int number = 1;
        for (const GumboNode* child : children(element)) {
            if (is_element(*child, GUMBO_TAG_LI)) {
                TRY(item(child->v.element, element.tag == GUMBO_TAG_OL ? fmt::format("{}. ", number++) : "- "));
            } else {
                TRY(walk(*child));
            }
        }
        --list_depth_;
        return flush();
    }

    Result<> item(const GumboElement& element, const std::string& marker) {
        TRY(flush());
        if (skipped(element)) return {};
        marker_ = std::string(static_cast<std::size_t>(2 * std::clamp(list_depth_ - 1, 0, 6)), ' ') + marker;
        TRY(walk_children(element));
        TRY(flush());
        marker_.clear();
        return {};
    }

    Result<> table(const GumboElement& element) {
        TRY(flush());
        if (html::is_layout_table(element)) {
            TRY(walk_children(element));
            return flush();
        }
        if (const GumboElement* caption = html::find(element, GUMBO_TAG_CAPTION)) TRY(writer_.paragraph(html::inline_text(*caption)));
        return writer_.table(html::table_rows(element));
    }

    std::string take() {
        std::string joined;
        for (const std::string_view line : text::split(text_, kSoftBreak)) append_wrapped_line(joined, line, false);
        text_.clear();
        return joined;
    }

    Result<> flush() {
        const std::string text = take();
        if (text::trim(text).empty()) return {};
        if (marker_.empty()) return writer_.paragraph(text);
        return writer_.list_item(std::exchange(marker_, {}) + std::string(text::trim(text)));
    }

    BlockWriter& writer_;
    bool keep_furniture_;
    std::size_t body_bytes_;
    std::string text_;
    std::string marker_;  // of the list item whose text is being collected
    int list_depth_ = 0;
};

/// The part of the page that is the document: <main>, or the only <article>; else all of it.
const GumboNode& content_root(const html::Tree& tree) {
    constexpr std::size_t kEnough = 200;
    const GumboNode* found = nullptr;
    int articles = 0;
    const GumboNode* article = nullptr;
    html::visit(*tree.root(), [&](const GumboNode& node) {
        if (!is_element(node)) return;
        const GumboElement& element = node.v.element;
        if (found == nullptr && (element.tag == GUMBO_TAG_MAIN || attribute(element, "role") == "main")) found = &node;
        if (element.tag != GUMBO_TAG_ARTICLE) return;
        ++articles;
        article = &node;
    });
    if (found == nullptr && articles == 1) found = article;
    return found != nullptr && html::text_bytes(found->v.element) >= kEnough ? *found : *tree.root();
}

class HtmlParser final : public DocumentParser {
public:
    std::string_view format() const override { return "html"; }

    Result<ParsedDocument> parse(std::string_view bytes, const ParseLimits& limits) override {
        const std::string page = decode_text(bytes, html::declared_charset(bytes));
        TRY_ASSIGN(const html::Tree tree, html::Tree::parse(page, limits.nesting));
        const std::size_t body_bytes = html::text_bytes(tree.root()->v.element);
        BlockWriter writer(limits);
        TRY(HtmlReader(writer, false, body_bytes).read(content_root(tree)));
        if (writer.blocks().empty()) {  // a page that is all navigation; better that than nothing
            TRY(HtmlReader(writer, true, body_bytes).read(*tree.root()));
        }
        set_title(writer, tree);
        return writer.finish(0, "the page holds no text; if it is filled in by scripts, save it from the browser as a complete page");
    }

private:
    /// <title>, or the first main heading when the title repeats it with the name of the site added.
    static void set_title(BlockWriter& writer, const html::Tree& tree) {
        const GumboElement* element = html::find(tree.root()->v.element, GUMBO_TAG_TITLE);
        const std::string title = element != nullptr ? collapse_spaces(clean_text(html::raw_text(*element))) : std::string();
        for (const Block& block : writer.blocks()) {
            if (block.kind != BlockKind::kHeading || block.level != 1) continue;
            if (title.empty() || title.find(block.text) != std::string::npos) return writer.set_title(std::string(block.text));
            break;
        }
        writer.set_title(title);
    }
};

}  // namespace

std::unique_ptr<DocumentParser> make_html_parser() { return std::make_unique<HtmlParser>(); }

}  // namespace atrium::data::internal
