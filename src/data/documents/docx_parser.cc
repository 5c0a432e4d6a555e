#include <fmt/format.h>

#include <algorithm>
#include <pugixml.hpp>

#include "base/text.h"
#include "data/documents/internal/block_writer.h"
#include "data/documents/internal/clean_text.h"
#include "data/documents/internal/ooxml.h"
#include "data/documents/internal/parsers.h"
#include "data/documents/internal/structure.h"
#include "data/documents/internal/zip.h"

namespace atrium::data::internal {
namespace {

using ooxml::attribute;
using ooxml::child;
using ooxml::is_on;
using ooxml::local_name;

constexpr std::string_view kBody = "word/document.xml";
constexpr std::string_view kStyles = "word/styles.xml";
constexpr std::string_view kNumbering = "word/numbering.xml";
constexpr std::string_view kProperties = "docProps/core.xml";

/// 1–9 from "heading 2" (Word writes the English name whatever its language), "Heading2", "标题 2"; else 0.
int heading_number(std::string_view style_name) {
    const std::string name = text::to_lower_ascii(style_name);
    for (const std::string_view word : {"heading", "标题", "標題"}) {
        if (!name.starts_with(word)) continue;
        const std::string_view rest = text::trim(std::string_view(name).substr(word.size()));
        if (rest.size() == 1 && rest[0] >= '1' && rest[0] <= '9') return rest[0] - '0';
    }
    return 0;
}

/// What Word and its relatives put into the title property without being asked.
bool is_meaningful_title(std::string_view title) {
    const std::string lower = text::to_lower_ascii(text::trim(title));
    return lower.size() > 3 && !lower.starts_with("microsoft word") && !lower.starts_with("document") && !lower.ends_with(".doc") &&
           !lower.ends_with(".docx") && !lower.starts_with("untitled") && lower != "标题" && lower != "文档";
}

/// A paragraph as found in the file.
struct Paragraph {
    std::string text;
    std::string label;  // generated number or "-"
    int list_level = 0;
    int heading = 0;  // 1–6
    bool is_title = false;
    bool skipped = false;  // an entry of a table of contents
    bool bold = false;     // all of it
    bool centred = false;
};

class DocxReader {
public:
    DocxReader(BlockWriter& writer, const ooxml::Styles& styles, ooxml::Numbering& numbering)
        : writer_(writer), styles_(styles), numbering_(numbering) {}

    Result<> read(const pugi::xml_node& body) {
        TRY(blocks(body));
        promote_bold_lines();
        return {};
    }

private:
    Result<> blocks(const pugi::xml_node& parent) {
        for (const pugi::xml_node& node : parent) {
            const std::string_view name = local_name(node);
            if (name == "p") TRY(paragraph(node));
            else if (name == "tbl") TRY(table(node));
            else if (name == "sdt") TRY(blocks(child(node, "sdtContent")));
            else if (name == "ins" || name == "moveTo" || name == "customXml" || name == "smartTag") TRY(blocks(node));
        }
        return {};
    }

    Result<> paragraph(const pugi::xml_node& node) {
        std::vector<pugi::xml_node> boxes;
        const Paragraph parsed = read_paragraph(node, boxes);
        TRY(write(parsed));
        for (const pugi::xml_node& box : boxes) TRY(blocks(box));
        return {};
    }

    Paragraph read_paragraph(const pugi::xml_node& node, std::vector<pugi::xml_node>& boxes) {
        Paragraph result;
        const pugi::xml_node properties = child(node, "pPr");
        const ooxml::Style style = styles_.resolve(attribute(child(properties, "pStyle"), "val"));
        const std::string style_name = text::to_lower_ascii(style.name);
        result.is_title = style_name == "title";
        result.skipped = style_name.starts_with("toc ") || style_name.starts_with("toc1") || style_name == "table of figures";

        int outline = style.outline_level.value_or(9);
        if (const auto direct = child(properties, "outlineLvl")) outline = static_cast<int>(text::to_int(attribute(direct, "val")).value_or(9));
        if (const int named = heading_number(style.name); named > 0) outline = named - 1;
        if (outline >= 0 && outline < 9) result.heading = std::min(outline + 1, 6);

        int list = style.list.value_or(0);
        result.list_level = style.list_level.value_or(0);
        if (const auto numbering = child(properties, "numPr")) {
            if (const auto id = child(numbering, "numId")) list = static_cast<int>(text::to_int(attribute(id, "val")).value_or(0));
            if (const auto level = child(numbering, "ilvl")) result.list_level = static_cast<int>(text::to_int(attribute(level, "val")).value_or(0));
        }
        result.list_level = std::clamp(result.list_level, 0, 8);
        result.centred = style.centred.value_or(false);
        if (const auto alignment = child(properties, "jc")) result.centred = attribute(alignment, "val") == "center";

        bold_ = plain_ = false;
        style_bold_ = style.bold.value_or(false);
        result.text = {};
        text_ = &result.text;
        boxes_ = &boxes;
        inline_content(node);
        result.bold = bold_ && !plain_;
        // An empty paragraph of a list shows no number either.
        if (list > 0 && !text::trim(result.text).empty()) result.label = numbering_.next_label(list, result.list_level);
        return result;
    }

    /// Appends the text of runs; collects text boxes for later.
    void inline_content(const pugi::xml_node& parent) {
        for (const pugi::xml_node& node : parent) {
            const std::string_view name = local_name(node);
            if (name == "r") {
                run(node);
            } else if (name == "AlternateContent") {
                inline_content(child(node, "Choice"));
            } else if (name == "txbxContent") {
                boxes_->push_back(node);
            } else if (name != "pPr" && name != "rPr" && name != "del" && name != "moveFrom" && name != "Fallback" && name != "tbl") {
                inline_content(node);  // hyperlinks, insertions, content controls, fields, formulas, drawings
            }
        }
    }

    void run(const pugi::xml_node& node) {
        const pugi::xml_node properties = child(node, "rPr");
        if (is_on(properties, "vanish")) return;
        const std::size_t before = text_->size();
        for (const pugi::xml_node& part : node) {
            const std::string_view name = local_name(part);
            if (name == "fldChar") field_char(attribute(part, "fldCharType"));
            else if (name == "instrText") instruction(part.child_value());
            else if (!visible()) continue;
            else if (name == "t") *text_ += part.child_value();
            else if (name == "tab" || name == "ptab") *text_ += '\t';
            else if (name == "br" || name == "cr") *text_ += attribute(part, "type") == "page" ? "" : "\n";
            else if (name == "noBreakHyphen") *text_ += '-';
            else if (name == "AlternateContent") inline_content(child(part, "Choice"));
            else if (name == "drawing" || name == "pict" || name == "object") inline_content(part);
        }
        if (text_->size() > before && !text::trim(std::string_view(*text_).substr(before)).empty()) {
            const bool bold = child(properties, "b") ? is_on(properties, "b") : style_bold_;
            (bold ? bold_ : plain_) = true;
        }
    }

    /// Fields (§17.16.18): begin, instruction, separate, result, end; they nest and span paragraphs.
    void field_char(std::string_view type) {
        if (type == "begin") fields_.push_back({{}, false});
        else if (type == "separate" && !fields_.empty()) fields_.back().in_result = true;
        else if (type == "end" && !fields_.empty()) fields_.pop_back();
    }
    void instruction(std::string_view text) {
        if (!fields_.empty() && fields_.back().instruction.size() < 64) fields_.back().instruction += text;
    }
    bool visible() const {
        return std::all_of(fields_.begin(), fields_.end(), [](const Field& field) {
            return field.in_result && !text::trim(field.instruction).starts_with("TOC");
        });
    }

    Result<> write(const Paragraph& paragraph) {
        const std::string_view content = text::trim(paragraph.text);
        if (content.empty() || paragraph.skipped || is_contents_line(content)) return {};
        constexpr std::size_t kMaxTitle = 80;
        const bool opening = writer_.blocks().empty() && paragraph.centred && text::char_count(content) <= kMaxTitle && !ends_sentence(content);
        if ((paragraph.is_title || opening) && !writer_.has_title()) {
            writer_.set_title(content);
            shift_ = 1;  // the title becomes the heading above all others
            return writer_.heading(1, content);
        }
        const bool bullet = paragraph.label == "-";
        std::string labelled = paragraph.label.empty() || bullet ? std::string(content) : fmt::format("{} {}", paragraph.label, content);
        if (paragraph.heading > 0) return writer_.heading(paragraph.heading + shift_, labelled);
        if (const int level = chapter_level(labelled); level > 0) return writer_.heading(level, labelled);
        if (starts_clause(labelled)) return writer_.paragraph(labelled);
        if (!paragraph.label.empty()) {
            const std::string indent(static_cast<std::size_t>(2 * paragraph.list_level), ' ');
            return writer_.list_item(indent + (bullet ? "- " + labelled : labelled));
        }
        if (list_marker(content) > 0) return writer_.list_item(content);
        constexpr std::size_t kMaxHeading = 60;
        if (paragraph.bold && text::char_count(content) <= kMaxHeading && !ends_sentence(content)) bold_lines_.push_back(writer_.blocks().size());
        return writer_.paragraph(content);
    }

    /// In a document without heading styles, short bold lines that normal text follows are its headings.
    void promote_bold_lines() {
        auto& all = writer_.blocks();
        const auto headings = std::count_if(all.begin(), all.end(), [](const Block& block) { return block.kind == BlockKind::kHeading; });
        if (headings > shift_) return;
        for (const std::size_t i : bold_lines_) {
            const bool followed = i + 1 < all.size() && !std::binary_search(bold_lines_.begin(), bold_lines_.end(), i + 1);
            if (followed && all[i].text.find('\n') == std::string::npos) {
                all[i].kind = BlockKind::kHeading;
                all[i].level = 2;
            }
        }
    }

    Result<> table(const pugi::xml_node& node) {
        std::vector<std::vector<std::string>> rows;
        for_each_row(node, [&](const pugi::xml_node& row) {
            std::vector<std::string> cells;
            for_each_cell(row, [&](const pugi::xml_node& cell) {
                const pugi::xml_node properties = child(cell, "tcPr");
                std::string text = cell_text(cell);
                const pugi::xml_node merge = child(properties, "vMerge");
                // A merged cell is repeated in each of its rows, so that a row can be read (and found) by itself.
                if (merge && attribute(merge, "val") != "restart" && !rows.empty() && cells.size() < rows.back().size()) text = rows.back()[cells.size()];
                cells.push_back(std::move(text));
                constexpr std::int64_t kMaxSpan = 100;
                const auto span = text::to_int(attribute(child(properties, "gridSpan"), "val")).value_or(1);
                for (std::int64_t i = 1; i < std::min(span, kMaxSpan); ++i) cells.emplace_back();
            });
            rows.push_back(std::move(cells));
        });
        return writer_.table(rows);
    }

    template <class Visit>
    void for_each_row(const pugi::xml_node& parent, const Visit& visit) {
        for (const pugi::xml_node& node : parent) {
            const std::string_view name = local_name(node);
            if (name == "tr") visit(node);
            else if (name == "sdt") for_each_row(child(node, "sdtContent"), visit);
            else if (name == "customXml" || name == "ins") for_each_row(node, visit);
        }
    }
    template <class Visit>
    void for_each_cell(const pugi::xml_node& parent, const Visit& visit) {
        for (const pugi::xml_node& node : parent) {
            const std::string_view name = local_name(node);
            if (name == "tc") visit(node);
            else if (name == "sdt") for_each_cell(child(node, "sdtContent"), visit);
            else if (name == "customXml") for_each_cell(node, visit);
        }
    }

    /// All paragraphs of a cell on one line, those of nested tables and text boxes included.
    std::string cell_text(const pugi::xml_node& parent) {
        std::string out;
        for (const pugi::xml_node& node : parent) {
            const std::string_view name = local_name(node);
            std::string text;
            if (name == "p") {
                std::vector<pugi::xml_node> boxes;
                const Paragraph paragraph = read_paragraph(node, boxes);
                text = paragraph.label.empty() || paragraph.label == "-" ? paragraph.text : paragraph.label + " " + paragraph.text;
                for (const pugi::xml_node& box : boxes) text += " " + cell_text(box);
            } else if (name == "tbl" || name == "tr" || name == "tc" || name == "sdt" || name == "sdtContent") {
                text = cell_text(node);
            }
            if (text.empty()) continue;
            if (!out.empty()) out += ' ';
            out += text;
        }
        return out;
    }

    struct Field {
        std::string instruction;
        bool in_result;
    };

    BlockWriter& writer_;
    const ooxml::Styles& styles_;
    ooxml::Numbering& numbering_;
    std::vector<Field> fields_;
    int shift_ = 0;
    std::vector<std::size_t> bold_lines_;  // ascending
    // Of the paragraph being read:
    std::string* text_ = nullptr;
    std::vector<pugi::xml_node>* boxes_ = nullptr;
    bool bold_ = false;
    bool plain_ = false;
    bool style_bold_ = false;
};

class DocxParser final : public DocumentParser {
public:
    std::string_view format() const override { return "docx"; }

    Result<ParsedDocument> parse(std::string_view bytes, const ParseLimits& limits) override {
        TRY_ASSIGN(const auto members, read_zip(bytes, {kBody, kStyles, kNumbering, kProperties}, limits));
        const auto part = [&](std::string_view name) -> const std::string* {
            const auto found = std::find_if(members.begin(), members.end(), [&](const ZipMember& member) { return member.name == name; });
            return found == members.end() || found->content.empty() ? nullptr : &found->content;
        };
        const std::string* body_part = part(kBody);
        if (body_part == nullptr) return fail(unreadable("the file is not a Word document: it has no word/document.xml"));

        pugi::xml_document document;
        TRY(ooxml::load(document, *body_part, kBody, limits));
        const pugi::xml_node body = child(document.document_element(), "body");
        if (!body) return fail(unreadable("the document is damaged: it has no body"));
        ooxml::Styles styles;
        if (const std::string* styles_part = part(kStyles)) {
            pugi::xml_document xml;
            TRY(ooxml::load(xml, *styles_part, kStyles, limits));
            styles.read(xml);
        }
        ooxml::Numbering numbering;
        if (const std::string* numbering_part = part(kNumbering)) {
            pugi::xml_document xml;
            TRY(ooxml::load(xml, *numbering_part, kNumbering, limits));
            numbering.read(xml);
        }
        BlockWriter writer(limits);
        TRY(DocxReader(writer, styles, numbering).read(body));
        if (const std::string* properties = part(kProperties); properties != nullptr && !writer.has_title()) {
            pugi::xml_document xml;
            TRY(ooxml::load(xml, *properties, kProperties, limits));
            const std::string_view title = child(xml.document_element(), "title").child_value();
            if (is_meaningful_title(title)) writer.set_title(title);
        }
        return writer.finish(0, "the document holds no text; scanned pages need OCR, which is not enabled");
    }
};

}  // namespace

std::unique_ptr<DocumentParser> make_docx_parser() { return std::make_unique<DocxParser>(); }

}  // namespace atrium::data::internal
