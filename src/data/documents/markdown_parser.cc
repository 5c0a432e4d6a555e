#include <fmt/format.h>
#include <md4c.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "data/documents/internal/block_writer.h"
#include "data/documents/internal/charset.h"
#include "data/documents/internal/clean_text.h"
#include "data/documents/internal/entities.h"
#include "data/documents/internal/parsers.h"

namespace atrium::data::internal {
namespace {

constexpr char kSoftBreak = '\v';  // a line end that only wraps; clean_text has removed it from the input

struct List {
    bool ordered;
    unsigned next;
};

/// Receives md4c's events and writes blocks. The first failure stops the parse.
class MarkdownReader {
public:
    MarkdownReader(BlockWriter& writer, const ParseLimits& limits) : writer_(writer), limits_(limits) {}

    Result<> read(std::string_view text) {
        MD_PARSER parser{};
        parser.flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS | MD_FLAG_PERMISSIVEURLAUTOLINKS;
        parser.enter_block = [](MD_BLOCKTYPE type, void* detail, void* self) {
            return static_cast<MarkdownReader*>(self)->keep(static_cast<MarkdownReader*>(self)->enter(type, detail));
        };
        parser.leave_block = [](MD_BLOCKTYPE type, void* detail, void* self) {
            return static_cast<MarkdownReader*>(self)->keep(static_cast<MarkdownReader*>(self)->leave(type, detail));
        };
        parser.enter_span = [](MD_SPANTYPE, void*, void*) { return 0; };
        parser.leave_span = [](MD_SPANTYPE, void*, void*) { return 0; };
        parser.text = [](MD_TEXTTYPE type, const MD_CHAR* text_begin, MD_SIZE size, void* self) {
            static_cast<MarkdownReader*>(self)->add_text(type, {text_begin, size});
            return 0;
        };
        const int status = md_parse(text.data(), static_cast<MD_SIZE>(text.size()), &parser, this);
        if (error_) return fail(std::move(*error_));
        if (status != 0) return fail(unreadable("the Markdown file could not be read"));
        return {};
    }

private:
    int keep(Result<> result) {
        if (result) return 0;
        error_ = std::move(result).error();
        return 1;
    }

    Result<> enter(MD_BLOCKTYPE type, void* detail) {
        if (++depth_ > limits_.nesting) {
            return fail(out_of_range(fmt::format("the document is nested deeper than {} levels, which is the limit", limits_.nesting))
                            .with_reason("invalid_file"));
        }
        switch (type) {
            case MD_BLOCK_UL:
                TRY(flush());
                lists_.push_back({false, 0});
                break;
            case MD_BLOCK_OL:
                TRY(flush());
                lists_.push_back({true, static_cast<MD_BLOCK_OL_DETAIL*>(detail)->start});
                break;
            case MD_BLOCK_LI: begin_item(); break;
            case MD_BLOCK_TABLE: rows_.clear(); break;
            case MD_BLOCK_TR: rows_.emplace_back(); break;
            default: break;
        }
        return {};
    }

    void begin_item() {
        List& list = lists_.back();
        marker_ = std::string(2 * (lists_.size() - 1), ' ');
        marker_ += list.ordered ? fmt::format("{}. ", list.next++) : "- ";
    }

    Result<> leave(MD_BLOCKTYPE type, void* detail) {
        --depth_;
        switch (type) {
            case MD_BLOCK_UL:
            case MD_BLOCK_OL: lists_.pop_back(); return flush();
            case MD_BLOCK_LI: {
                auto done = flush();
                marker_.clear();
                return done;
            }
            case MD_BLOCK_P: return flush();
            case MD_BLOCK_H: return writer_.heading(static_cast<int>(static_cast<MD_BLOCK_H_DETAIL*>(detail)->level), take());
            case MD_BLOCK_CODE: return writer_.code(std::exchange(text_, {}));
            case MD_BLOCK_HTML: text_.clear(); return add_html(std::exchange(html_, {}));
            case MD_BLOCK_TH:
            case MD_BLOCK_TD: rows_.back().push_back(take()); return {};
            case MD_BLOCK_TABLE: return writer_.table(std::exchange(rows_, {}));
            default: return {};
        }
    }

    void add_text(MD_TEXTTYPE type, std::string_view text) {
        switch (type) {
            case MD_TEXT_NULLCHAR: break;
            case MD_TEXT_BR: text_ += '\n'; break;
            case MD_TEXT_SOFTBR: text_ += kSoftBreak; break;
            case MD_TEXT_ENTITY: text_ += decode_entity(text); break;
            case MD_TEXT_HTML:
                // Inside a paragraph a tag is markup and dropped; an HTML block is read as HTML when it ends.
                if (text.starts_with("<br")) text_ += '\n';
                html_ += text;
                break;
            default: text_ += text; break;
        }
    }

    /// The collected text with its soft breaks resolved.
    std::string take() {
        std::string joined;
        for (const std::string_view line : text::split(text_, kSoftBreak)) append_wrapped_line(joined, line, false);
        text_.clear();
        html_.clear();
        return joined;
    }

    Result<> flush() {
        const std::string text = take();
        if (text.empty()) return {};
        if (marker_.empty()) return writer_.paragraph(text);
        return writer_.list_item(std::exchange(marker_, {}) + text);
    }

    Result<> add_html(const std::string& html) {
        const auto document = make_html_parser()->parse(html, limits_);
        if (!document) return {};  // a comment, or markup without text
        for (const Block& block : document->blocks) {
            switch (block.kind) {
                case BlockKind::kHeading: TRY(writer_.heading(block.level, block.text)); break;
                case BlockKind::kListItem: TRY(writer_.list_item(block.text)); break;
                case BlockKind::kCode: TRY(writer_.code(block.text)); break;
                default: TRY(writer_.paragraph(block.text)); break;
            }
        }
        return {};
    }

    BlockWriter& writer_;
    const ParseLimits& limits_;
    std::optional<Error> error_;
    int depth_ = 0;
    std::vector<List> lists_;
    std::string marker_;  // of the list item whose text is being collected
    std::string text_;
    std::string html_;
    std::vector<std::vector<std::string>> rows_;
};

/// Removes a YAML header ("---" … "---") and takes the title from it.
std::string_view skip_front_matter(std::string_view text, BlockWriter& writer) {
    constexpr std::string_view kFence = "---\n";
    if (!text.starts_with(kFence)) return text;
    const std::size_t end = text.find("\n---", 3);
    if (end == std::string_view::npos || end > 16 * 1024) return text;
    for (const std::string_view line : text::split(text.substr(0, end), '\n')) {
        if (!line.starts_with("title:")) continue;
        std::string_view title = text::trim(line.substr(6));
        if (title.size() >= 2 && (title.front() == '"' || title.front() == '\'') && title.back() == title.front()) {
            title = title.substr(1, title.size() - 2);
        }
        writer.set_title(title);
    }
    const std::size_t line_end = text.find('\n', end + 1);
    return line_end == std::string_view::npos ? std::string_view() : text.substr(line_end + 1);
}

class MarkdownParser final : public DocumentParser {
public:
    std::string_view format() const override { return "markdown"; }

    Result<ParsedDocument> parse(std::string_view bytes, const ParseLimits& limits) override {
        const std::string text = clean_text(decode_text(bytes));
        BlockWriter writer(limits);
        TRY(MarkdownReader(writer, limits).read(skip_front_matter(text, writer)));
        return writer.finish(0, "the file holds no text");
    }
};

}  // namespace

std::unique_ptr<DocumentParser> make_markdown_parser() { return std::make_unique<MarkdownParser>(); }

}  // namespace atrium::data::internal
