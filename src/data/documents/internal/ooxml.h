#pragma once

#include <array>
#include <map>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "data/documents/parser.h"

/// Reading WordprocessingML (ISO/IEC 29500-1): names without prefixes, styles and list numbering.
namespace atrium::data::internal::ooxml {

/// Parses one part. DTDs are skipped, so entities never expand; kOutOfRange when nested deeper than the limit.
Result<> load(pugi::xml_document& document, const std::string& part, std::string_view name, const ParseLimits& limits);

/// "p" for <w:p>.
std::string_view local_name(const pugi::xml_node& node);
pugi::xml_node child(const pugi::xml_node& node, std::string_view local);
/// The attribute's value by local name, or empty.
std::string_view attribute(const pugi::xml_node& node, std::string_view local);
/// Whether an on/off property (<w:b/>, <w:b w:val="0"/>) is present and on.
bool is_on(const pugi::xml_node& properties, std::string_view local);

struct Style {
    std::string name;
    std::string based_on;
    std::optional<int> outline_level;  ///< 0–8
    std::optional<int> list;           ///< w:numId
    std::optional<int> list_level;
    std::optional<bool> bold;
    std::optional<bool> centred;
};

/// word/styles.xml.
class Styles {
public:
    void read(const pugi::xml_document& document);
    /// The style with what it inherits; an unknown id gives the defaults, with the id as name.
    Style resolve(std::string_view id) const;

private:
    std::map<std::string, Style, std::less<>> styles_;
};

/// word/numbering.xml: the labels that Word generates in front of list paragraphs and numbered headings.
class Numbering {
public:
    void read(const pugi::xml_document& document);
    /// The next label of a list at a level ("第一条", "2.1", "-"), advancing the counters; empty when the list has none.
    std::string next_label(int list, int level);

private:
    static constexpr int kLevels = 9;
    struct Level {
        std::string format = "decimal";
        std::string text;
        int start = 1;
    };
    struct Definition {
        std::array<Level, kLevels> levels;
        std::array<std::optional<int>, kLevels> counters;
    };
    struct List {
        int definition = 0;
        std::array<std::optional<int>, kLevels> restart;  ///< used once, on first use of the level
    };
    std::map<int, Definition> definitions_;
    std::map<int, List> lists_;
};

/// A number as Word spells it: decimal, lowerLetter, upperRoman, chineseCounting …
std::string format_number(int number, std::string_view format);

}  // namespace atrium::data::internal::ooxml
