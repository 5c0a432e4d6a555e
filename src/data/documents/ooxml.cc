#include "data/documents/internal/ooxml.h"

#include <fmt/format.h>

#include "base/text.h"
#include "data/documents/internal/block_writer.h"

namespace atrium::data::internal::ooxml {
namespace {

int to_int(std::string_view text, int fallback) {
    const auto value = text::to_int(text);
    constexpr std::int64_t kMost = 1'000'000;
    return value && *value >= 0 && *value <= kMost ? static_cast<int>(*value) : fallback;
}

bool deeper_than(const pugi::xml_node& root, int limit) {
    pugi::xml_node node = root.first_child();
    int depth = 1;
    while (node) {
        if (depth > limit) return true;
        if (pugi::xml_node inner = node.first_child()) {
            node = inner;
            ++depth;
            continue;
        }
        while (node && node != root && !node.next_sibling()) {
            node = node.parent();
            --depth;
        }
        if (!node || node == root) break;
        node = node.next_sibling();
    }
    return false;
}

std::string roman(int number) {
    constexpr std::array<std::pair<int, std::string_view>, 13> kDigits{{{1000, "m"}, {900, "cm"}, {500, "d"}, {400, "cd"},
        {100, "c"}, {90, "xc"}, {50, "l"}, {40, "xl"}, {10, "x"}, {9, "ix"}, {5, "v"}, {4, "iv"}, {1, "i"}}};
    if (number <= 0 || number >= 4000) return std::to_string(number);
    std::string out;
    for (const auto& [value, digits] : kDigits) {
        for (; number >= value; number -= value) out += digits;
    }
    return out;
}

std::string chinese(int number) {
    constexpr std::array<std::string_view, 10> kDigits{"零", "一", "二", "三", "四", "五", "六", "七", "八", "九"};
    constexpr std::array<std::string_view, 4> kUnits{"", "十", "百", "千"};
    if (number <= 0 || number >= 10000) return std::to_string(number);
    std::string out;
    bool zero = false;
    for (int place = 3, unit = 1000; place >= 0; --place, unit /= 10) {
        const int digit = number / unit % 10;
        if (digit == 0) {
            zero = !out.empty();
            continue;
        }
        if (zero) out += kDigits[0];
        zero = false;
        if (!(digit == 1 && place == 1 && out.empty())) out += kDigits[static_cast<std::size_t>(digit)];  // 十二, not 一十二
        out += kUnits[static_cast<std::size_t>(place)];
    }
    return out;
}

std::string letters(int number) {
    // Word repeats the letter: a … z, aa, bb.
    if (number <= 0 || number > 26 * 10) return std::to_string(number);
    return std::string(static_cast<std::size_t>((number - 1) / 26 + 1), static_cast<char>('a' + (number - 1) % 26));
}

std::string upper(std::string text) {
    for (char& c : text) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return text;
}

}  // namespace

Result<> load(pugi::xml_document& document, const std::string& part, std::string_view name, const ParseLimits& limits) {
    const auto parsed = document.load_buffer(part.data(), part.size(), pugi::parse_default | pugi::parse_ws_pcdata_single);
    if (!parsed) return fail(unreadable(fmt::format("the document is damaged: its part '{}' is not well-formed XML", name)));
    if (deeper_than(document, limits.nesting)) {
        return fail(out_of_range(fmt::format("the document is nested deeper than {} levels, which is the limit", limits.nesting))
                        .with_reason("invalid_file"));
    }
    return {};
}

std::string_view local_name(const pugi::xml_node& node) {
    const std::string_view name = node.name();
    const std::size_t colon = name.find(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

pugi::xml_node child(const pugi::xml_node& node, std::string_view local) {
    for (const pugi::xml_node& inner : node) {
        if (local_name(inner) == local) return inner;
    }
    return {};
}

std::string_view attribute(const pugi::xml_node& node, std::string_view local) {
    for (const pugi::xml_attribute& candidate : node.attributes()) {
        const std::string_view name = candidate.name();
        const std::size_t colon = name.find(':');
        if ((colon == std::string_view::npos ? name : name.substr(colon + 1)) == local) return candidate.value();
    }
    return {};
}

bool is_on(const pugi::xml_node& properties, std::string_view local) {
    const pugi::xml_node property = child(properties, local);
    if (!property) return false;
    const std::string_view value = attribute(property, "val");
    return value != "0" && value != "false" && value != "off" && value != "none";
}

void Styles::read(const pugi::xml_document& document) {
    for (const pugi::xml_node& node : document.document_element()) {
        if (local_name(node) != "style") continue;
        Style style;
        style.name = attribute(child(node, "name"), "val");
        style.based_on = attribute(child(node, "basedOn"), "val");
        const pugi::xml_node paragraph = child(node, "pPr");
        if (const auto outline = child(paragraph, "outlineLvl")) style.outline_level = to_int(attribute(outline, "val"), 9);
        if (const auto numbering = child(paragraph, "numPr")) {
            if (const auto id = child(numbering, "numId")) style.list = to_int(attribute(id, "val"), 0);
            if (const auto level = child(numbering, "ilvl")) style.list_level = to_int(attribute(level, "val"), 0);
        }
        if (const auto alignment = child(paragraph, "jc")) style.centred = attribute(alignment, "val") == "center";
        if (const auto run = child(node, "rPr"); child(run, "b")) style.bold = is_on(run, "b");
        styles_.emplace(std::string(attribute(node, "styleId")), std::move(style));
    }
}

Style Styles::resolve(std::string_view id) const {
    Style result;
    result.name = id;
    std::string next(id);
    constexpr int kMaxChain = 24;  // a damaged file may inherit in a circle
    for (int hop = 0; hop < kMaxChain && !next.empty(); ++hop) {
        const auto found = styles_.find(next);
        if (found == styles_.end()) break;
        const Style& style = found->second;
        if (hop == 0) result.name = style.name;
        if (!result.outline_level) result.outline_level = style.outline_level;
        if (!result.list) result.list = style.list;
        if (!result.list_level) result.list_level = style.list_level;
        if (!result.bold) result.bold = style.bold;
        if (!result.centred) result.centred = style.centred;
        next = style.based_on;
    }
    return result;
}

void Numbering::read(const pugi::xml_document& document) {
    for (const pugi::xml_node& node : document.document_element()) {
        if (local_name(node) == "abstractNum") {
            Definition definition;
            for (const pugi::xml_node& inner : node) {
                const int level = to_int(attribute(inner, "ilvl"), kLevels);
                if (local_name(inner) != "lvl" || level >= kLevels) continue;
                Level& target = definition.levels[static_cast<std::size_t>(level)];
                if (const auto format = child(inner, "numFmt")) target.format = attribute(format, "val");
                if (const auto text = child(inner, "lvlText")) target.text = attribute(text, "val");
                if (const auto start = child(inner, "start")) target.start = to_int(attribute(start, "val"), 1);
            }
            definitions_.emplace(to_int(attribute(node, "abstractNumId"), 0), std::move(definition));
        } else if (local_name(node) == "num") {
            List list;
            list.definition = to_int(attribute(child(node, "abstractNumId"), "val"), 0);
            for (const pugi::xml_node& inner : node) {
                const int level = to_int(attribute(inner, "ilvl"), kLevels);
                if (local_name(inner) != "lvlOverride" || level >= kLevels) continue;
                if (const auto start = child(inner, "startOverride")) {
                    list.restart[static_cast<std::size_t>(level)] = to_int(attribute(start, "val"), 1);
                }
            }
            lists_.emplace(to_int(attribute(node, "numId"), 0), std::move(list));
        }
    }
}

std::string Numbering::next_label(int list_id, int level_number) {
    const auto list = lists_.find(list_id);
    if (list == lists_.end() || level_number < 0 || level_number >= kLevels) return {};
    const auto found = definitions_.find(list->second.definition);
    if (found == definitions_.end()) return {};
    Definition& definition = found->second;
    const auto index = static_cast<std::size_t>(level_number);
    const Level& level = definition.levels[index];
    if (level.format == "bullet") return "-";
    if (level.format == "none" && level.text.empty()) return {};

    auto& counter = definition.counters[index];
    if (auto& restart = list->second.restart[index]) {
        counter = *restart;
        restart.reset();
    } else {
        counter = counter ? *counter + 1 : level.start;
    }
    for (std::size_t deeper = index + 1; deeper < definition.counters.size(); ++deeper) definition.counters[deeper].reset();

    std::string label;
    for (std::size_t i = 0; i < level.text.size(); ++i) {
        const bool place = level.text[i] == '%' && i + 1 < level.text.size() && level.text[i + 1] >= '1' && level.text[i + 1] <= '9';
        if (!place) {
            label += level.text[i];
            continue;
        }
        const auto of = static_cast<std::size_t>(level.text[++i] - '1');
        label += format_number(definition.counters[of].value_or(definition.levels[of].start), definition.levels[of].format);
    }
    return label;
}

std::string format_number(int number, std::string_view format) {
    if (format == "lowerLetter") return letters(number);
    if (format == "upperLetter") return upper(letters(number));
    if (format == "lowerRoman") return roman(number);
    if (format == "upperRoman") return upper(roman(number));
    if (format == "decimalZero") return fmt::format("{:02}", number);
    if (format == "none") return {};
    if (format.starts_with("chinese") || format.starts_with("ideograph") || format.starts_with("japanese") || format.starts_with("taiwanese")) {
        return chinese(number);
    }
    if (format.starts_with("decimalEnclosedCircle") && number >= 1 && number <= 20) {
        std::string circled;
        text::append_utf8(circled, U'①' + static_cast<char32_t>(number - 1));
        return circled;
    }
    return std::to_string(number);
}

}  // namespace atrium::data::internal::ooxml
