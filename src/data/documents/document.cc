#include "data/documents/document.h"

#include <fmt/format.h>

#include <array>
#include <limits>

namespace atrium::data {
namespace {

constexpr std::array<std::string_view, 5> kKindNames{"heading", "paragraph", "list_item", "table", "code"};

Result<BlockKind> kind_from_name(std::string_view name) {
    for (std::size_t i = 0; i < kKindNames.size(); ++i) {
        if (kKindNames[i] == name) return static_cast<BlockKind>(i);
    }
    return fail(invalid_argument(fmt::format("unknown kind of block '{}'", name)));
}

constexpr int kMaxInt = std::numeric_limits<int>::max();

}  // namespace

json::object to_json(const ParsedDocument& document) {
    json::array blocks;
    blocks.reserve(document.blocks.size());
    for (const Block& block : document.blocks) {
        json::object item{{"kind", kKindNames[static_cast<std::size_t>(block.kind)]}, {"text", block.text}};
        if (block.level != 0) item["level"] = block.level;
        if (block.page != 0) item["page"] = block.page;
        blocks.push_back(std::move(item));
    }
    json::array warnings;
    for (const std::string& warning : document.warnings) warnings.emplace_back(warning);
    return {{"title", document.title},
            {"language", document.language},
            {"pages", document.pages},
            {"blocks", std::move(blocks)},
            {"warnings", std::move(warnings)}};
}

Result<ParsedDocument> document_from_json(const json::value& value) {
    if (!value.is_object()) return fail(invalid_argument("a parsed document must be an object"));
    const json::Reader reader(value.get_object());
    ParsedDocument document;
    TRY_ASSIGN(document.title, reader.required_string("title"));
    TRY_ASSIGN(document.language, reader.required_string("language"));
    TRY_ASSIGN(const auto pages, reader.optional_int("pages", 0, kMaxInt));
    document.pages = static_cast<int>(pages.value_or(0));
    TRY_ASSIGN(const auto* blocks, reader.required_array("blocks"));
    document.blocks.reserve(blocks->size());
    for (std::size_t i = 0; i < blocks->size(); ++i) {
        const auto& item = (*blocks)[i];
        if (!item.is_object()) return fail(invalid_argument(fmt::format("blocks[{}] must be an object", i)));
        const json::Reader fields(item.get_object(), fmt::format("blocks[{}]", i));
        Block block;
        TRY_ASSIGN(const auto kind, fields.required_string("kind"));
        TRY_ASSIGN(block.kind, kind_from_name(kind));
        TRY_ASSIGN(block.text, fields.required_string("text"));
        TRY_ASSIGN(const auto level, fields.optional_int("level", 0, 6));
        TRY_ASSIGN(const auto page, fields.optional_int("page", 0, kMaxInt));
        block.level = static_cast<int>(level.value_or(0));
        block.page = static_cast<int>(page.value_or(0));
        document.blocks.push_back(std::move(block));
    }
    TRY_ASSIGN(const auto* warnings, reader.optional_array("warnings"));
    if (warnings != nullptr) {
        for (const auto& warning : *warnings) {
            if (!warning.is_string()) return fail(invalid_argument("warnings must be strings"));
            document.warnings.emplace_back(warning.get_string());
        }
    }
    return document;
}

}  // namespace atrium::data
