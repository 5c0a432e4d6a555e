#include "data/documents/chunker.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "data/documents/internal/structure.h"

namespace atrium::data {
namespace {

/// A stretch of one block that is never cut: a sentence, a table row, a line of code.
struct Piece {
    const Block* block;
    std::string_view text;  // into block->text
    int tokens;
};

/// Pieces that belong together: a paragraph, a clause with its items, a list with the line that announces it, a table.
struct Group {
    std::vector<Piece> pieces;
    int tokens = 0;
    bool clause = false;
    bool list = false;
    bool table = false;

    void add(const Piece& piece) {
        pieces.push_back(piece);
        tokens += piece.tokens;
    }
};

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::size_t taken = end == std::string_view::npos ? text.size() : end + 1;
        lines.push_back(text.substr(0, taken));
        text.remove_prefix(taken);
    }
    return lines;
}

/// Cuts what is longer than a chunk, after a comma or a space where there is one in the last third.
std::vector<std::string_view> cut_long(std::string_view sentence, int max_tokens) {
    std::vector<std::string_view> parts;
    constexpr std::u32string_view kBreaks = U"，、,；;：:）) \t\n";
    // Each round reads one part and at most a third of it again, so the whole costs no more than its length.
    while (!sentence.empty()) {
        double tokens = 0;
        std::size_t end = 0;
        std::size_t good = 0;
        bool over = false;
        while (end < sentence.size()) {
            std::size_t next = end;
            const char32_t c = text::next_char(sentence, next);
            tokens += text::is_cjk(c) ? 0.7 : 0.25;
            over = tokens > max_tokens && end > 0;
            if (over) break;
            end = next;
            if (tokens * 3 > max_tokens * 2 && kBreaks.find(c) != std::u32string_view::npos) good = end;
        }
        const std::size_t cut = over && good > 0 ? good : end;
        parts.push_back(sentence.substr(0, cut));
        sentence.remove_prefix(cut);
    }
    return parts;
}

std::vector<Piece> pieces_of(const Block& block, int max_tokens) {
    const bool by_line = block.kind == BlockKind::kTable || block.kind == BlockKind::kCode;
    std::vector<Piece> pieces;
    for (const std::string_view unit : by_line ? lines_of(block.text) : split_sentences(block.text)) {
        for (const std::string_view part : cut_long(unit, max_tokens)) pieces.push_back({&block, part, estimate_tokens(part)});
    }
    return pieces;
}

std::vector<Group> group(const std::vector<const Block*>& blocks, int max_tokens, const StopToken& stop) {
    std::vector<Group> groups;
    for (const Block* block : blocks) {
        if (stop.stop_requested()) break;
        const auto pieces = pieces_of(*block, max_tokens);
        int tokens = 0;
        for (const Piece& piece : pieces) tokens += piece.tokens;
        if (pieces.empty()) continue;
        const bool list = block->kind == BlockKind::kListItem;
        const bool table = block->kind == BlockKind::kTable;
        const bool clause = block->kind == BlockKind::kParagraph && internal::starts_clause(block->text);
        bool joins = false;
        if (!groups.empty() && !clause) {
            const Group& last = groups.back();
            const bool announced = internal::announces(last.pieces.back().text);
            joins = last.tokens + tokens <= max_tokens && (last.clause || announced || (list && last.list));
        }
        if (!joins) groups.emplace_back();
        Group& target = groups.back();
        for (const Piece& piece : pieces) target.add(piece);
        target.clause |= clause;
        target.list |= list;
        target.table |= table;
    }
    return groups;
}

class Chunker {
public:
    Chunker(const ChunkOptions& options, const StopToken& stop)
        : max_(std::max(options.max_tokens, 1)), overlap_(std::clamp(options.overlap_tokens, 0, max_ / 2)), stop_(stop) {}

    /// All blocks below one heading.
    void section(const std::vector<std::string>& headings, const std::vector<const Block*>& blocks) {
        for (const Group& group : group(blocks, max_, stop_)) {
            if (stop_.stop_requested()) return;
            add(group);
        }
        flush(false);
        join_small_tail();
        finish_section(headings);
    }

    std::vector<Chunk> take() {
        for (std::size_t i = 0; i < chunks_.size(); ++i) chunks_[i].ordinal = static_cast<int>(i);
        return std::move(chunks_);
    }

private:
    void add(const Group& group) {
        if (tokens_ + group.tokens > max_) {
            // A group that fits into a chunk of its own stays whole, unless that would leave a scrap behind.
            const bool whole = group.tokens <= max_;
            if (whole && (tokens_ * 5 >= max_ * 2 || group.clause || group.table)) flush(true);
        }
        if (tokens_ + group.tokens > max_ && overlap_count_ == pieces_.size()) drop_overlap();
        for (std::size_t i = 0; i < group.pieces.size(); ++i) add(group, i);
    }

    void add(const Group& group, std::size_t index) {
        const Piece& piece = group.pieces[index];
        if (tokens_ + piece.tokens > max_ && pieces_.size() > overlap_count_) {
            flush(piece.block->kind != BlockKind::kTable);
            repeat_table_header(group, index);
        }
        if (tokens_ + piece.tokens > max_ && overlap_count_ > 0 && overlap_count_ == pieces_.size()) drop_overlap();
        push(piece);
    }

    /// A table that goes on in the next chunk starts there with its header row again.
    void repeat_table_header(const Group& group, std::size_t index) {
        const Block* block = group.pieces[index].block;
        if (block->kind != BlockKind::kTable) return;
        std::vector<const Piece*> rows;
        for (std::size_t i = 0; i < index && rows.size() < 2; ++i) {
            if (group.pieces[i].block == block) rows.push_back(&group.pieces[i]);
        }
        if (rows.size() < 2 || rows[1]->text.find("---") == std::string_view::npos) return;
        if (rows[0]->tokens + rows[1]->tokens + group.pieces[index].tokens > max_) return;
        push(*rows[0]);
        push(*rows[1]);
        overlap_count_ = pieces_.size();
    }

    void push(const Piece& piece) {
        pieces_.push_back(piece);
        tokens_ += piece.tokens;
    }

    void drop_overlap() {
        pieces_.clear();
        tokens_ = 0;
        overlap_count_ = 0;
    }

    void flush(bool overlap) {
        if (pieces_.size() <= overlap_count_) {  // nothing but what the previous chunk has already
            if (!overlap) drop_overlap();
            return;
        }
        section_.push_back(pieces_);
        std::vector<Piece> tail;
        int tail_tokens = 0;
        for (std::size_t i = pieces_.size(); overlap && i > overlap_count_; --i) {
            const Piece& piece = pieces_[i - 1];
            if (piece.block->kind == BlockKind::kTable || tail_tokens + piece.tokens > overlap_) break;
            tail.insert(tail.begin(), piece);
            tail_tokens += piece.tokens;
        }
        pieces_ = std::move(tail);
        tokens_ = tail_tokens;
        overlap_count_ = pieces_.size();
    }

    static std::string render(const std::vector<Piece>& pieces) {
        std::string text;
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            if (i > 0 && pieces[i].block != pieces[i - 1].block) {
                while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
                const bool items = pieces[i].block->kind == BlockKind::kListItem && pieces[i - 1].block->kind == BlockKind::kListItem;
                text += items ? "\n" : "\n\n";
            }
            text += pieces[i].text;
        }
        const std::size_t first = text.find_first_not_of('\n');
        if (first == std::string::npos) return {};
        const std::size_t last = text.find_last_not_of(" \n\t");
        return last == std::string::npos ? std::string() : text.substr(first, last + 1 - first);
    }

    /// A few words left over at the end of a section make a poor passage: they go to the one before.
    void join_small_tail() {
        if (section_.size() < 2 || overlap_ > 0) return;
        const auto& last = section_.back();
        auto& before = section_[section_.size() - 2];
        const int tail = total(last);
        if (tail * 6 > max_ || (total(before) + tail) * 5 > max_ * 6) return;
        if (last.front().block->kind == BlockKind::kTable) return;  // rows under a repeated header
        before.insert(before.end(), last.begin(), last.end());
        section_.pop_back();
    }

    static int total(const std::vector<Piece>& pieces) {
        int tokens = 0;
        for (const Piece& piece : pieces) tokens += piece.tokens;
        return tokens;
    }

    void finish_section(const std::vector<std::string>& headings) {
        for (const auto& pieces : section_) {
            Chunk chunk;
            chunk.text = render(pieces);
            if (chunk.text.empty()) continue;
            chunk.headings = headings;
            chunk.page = pieces.front().block->page;
            chunk.last_page = std::max(chunk.page, pieces.back().block->page);
            chunk.tokens = estimate_tokens(chunk.text);
            chunks_.push_back(std::move(chunk));
        }
        section_.clear();
    }

    const int max_;
    const int overlap_;
    const StopToken& stop_;
    std::vector<Chunk> chunks_;
    std::vector<std::vector<Piece>> section_;  // the chunks of this section
    std::vector<Piece> pieces_;                // the chunk being filled
    int tokens_ = 0;
    std::size_t overlap_count_ = 0;  // pieces at the front that repeat the previous chunk
};

/// The path is stored with every passage below it; a "heading" of megabytes would be stored thousands of times.
constexpr std::size_t kMaxHeadingBytes = 500;

struct Heading {
    const Block* block;
    std::string shown;
    bool has_content;
};

}  // namespace

std::vector<Chunk> chunk_document(const ParsedDocument& document, const ChunkOptions& options,
                                  const StopToken& stop) {
    Chunker chunker(options, stop);
    std::vector<Heading> path;
    std::vector<const Block*> pending;
    std::vector<std::string> pending_headings;
    const auto finish_section = [&] {
        if (!pending.empty()) chunker.section(pending_headings, pending);
        pending.clear();
    };
    const auto add = [&](const Block& block) {
        std::vector<std::string> headings;
        for (const Heading& heading : path) headings.push_back(heading.shown);
        if (headings != pending_headings) {
            finish_section();
            pending_headings = std::move(headings);
        }
        pending.push_back(&block);
    };
    // Leaves headings of this level and below. One without any content is content of its parent, or it would be lost.
    const auto leave = [&](int level) {
        while (!path.empty() && path.back().block->level >= level) {
            const Heading heading = path.back();
            path.pop_back();
            if (!path.empty()) path.back().has_content = true;
            if (!heading.has_content) add(*heading.block);
        }
    };
    for (const Block& block : document.blocks) {
        if (stop.stop_requested()) break;
        if (text::trim(block.text).empty()) continue;
        if (block.kind == BlockKind::kHeading) {
            leave(block.level);
            path.push_back({&block, text::shorten(block.text, kMaxHeadingBytes), false});
        } else {
            if (!path.empty()) path.back().has_content = true;
            add(block);
        }
    }
    leave(0);
    finish_section();
    return chunker.take();
}

}  // namespace atrium::data
