#include "main/cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace atrium::cli {
namespace {

bool speaks_chinese() {
    for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
        const char* value = std::getenv(name);
        if (value && *value) return std::string_view(value).starts_with("zh");
    }
    return false;
}

bool may_decorate(int descriptor) {
    const char* no_color = std::getenv("NO_COLOR");
    return isatty(descriptor) == 1 && !(no_color && *no_color);
}

std::string styled(std::string_view text, int code) {
    return output_is_terminal() ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

double now_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::size_t columns(std::string_view utf8) {
    std::size_t width = 0;
    bool in_escape = false;
    for (std::size_t at = 0; at < utf8.size();) {
        const char32_t c = text::next_char(utf8, at);
        if (c == 0x1B) in_escape = true;
        if (!in_escape) width += text::is_cjk(c) ? 2 : 1;
        if (in_escape && c == 'm') in_escape = false;
    }
    return width;
}

}  // namespace

std::string_view tr(std::string_view english, std::string_view chinese) {
    static const bool kChinese = speaks_chinese();
    return kChinese ? chinese : english;
}

bool output_is_terminal() {
    static const bool kTerminal = may_decorate(STDOUT_FILENO);
    return kTerminal;
}
bool errors_are_terminal() {
    static const bool kTerminal = may_decorate(STDERR_FILENO);
    return kTerminal;
}

std::string bold(std::string_view text) { return styled(text, 1); }
std::string dim(std::string_view text) { return styled(text, 2); }
std::string green(std::string_view text) { return styled(text, 32); }
std::string red(std::string_view text) { return styled(text, 31); }

void print(std::string_view line) { fmt::print("{}\n", line); }

void print_raw(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

int report(const Error& error) {
    std::fflush(stdout);
    fmt::print(stderr, "atrium: {}\n", error.message());
    for (const Error* cause = error.cause(); cause; cause = cause->cause()) fmt::print(stderr, "  {}\n", cause->message());
    return kFailed;
}

ProgressBar::ProgressBar(std::string label) : label_(std::move(label)), started_(now_seconds()) {}

ProgressBar::~ProgressBar() {
    if (!finished_ && errors_are_terminal() && drawn_ > 0) fmt::print(stderr, "\n");
}

void ProgressBar::update(std::uint64_t done, std::uint64_t total, std::string_view phase) {
    const double now = now_seconds();
    if (!errors_are_terminal()) {
        if (drawn_ == 0) fmt::print(stderr, "{}  {}\n", label_, phase);
        drawn_ = now;
        return;
    }
    if (now - drawn_ < 0.1 && done != total) return;
    drawn_ = now;
    constexpr std::size_t kWidth = 24;
    const double share = total == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    const auto filled = static_cast<std::size_t>(share * kWidth);
    std::string bar;
    for (std::size_t i = 0; i < kWidth; ++i) bar += i < filled ? "━" : i == filled ? "╸" : " ";
    const double rate = static_cast<double>(done) / std::max(0.001, now - started_);
    const std::string amount = total == 0 ? format_bytes(done)
                                          : fmt::format("{:3.0f} %  {} / {}  {}/s", share * 100, format_bytes(done), format_bytes(total),
                                                        format_bytes(static_cast<std::uint64_t>(rate)));
    fmt::print(stderr, "\r\x1b[2K{}  {}  {}  {}", label_, bar, amount, phase);
    std::fflush(stderr);
}

void ProgressBar::finish(std::string_view outcome) {
    finished_ = true;
    fmt::print(stderr, "{}{}  {}\n", errors_are_terminal() ? "\r\x1b[2K" : "", label_, outcome);
}

void Table::row(std::initializer_list<std::string> cells) { rows_.emplace_back(cells); }

void Table::print() const {
    std::vector<std::size_t> widths;
    for (const auto& cells : rows_) {
        widths.resize(std::max(widths.size(), cells.size()));
        for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], columns(cells[i]));
    }
    for (const auto& cells : rows_) {
        std::string line;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            line += cells[i];
            if (i + 1 < cells.size()) line += std::string(widths[i] - columns(cells[i]) + 2, ' ');
        }
        cli::print(line);
    }
}

std::string format_bytes(std::uint64_t bytes) {
    if (bytes < 1000) return fmt::format("{} B", bytes);
    if (bytes < 1000 * 1000) return fmt::format("{:.0f} KB", static_cast<double>(bytes) / 1e3);
    if (bytes < 1000ull * 1000 * 1000) return fmt::format("{:.0f} MB", static_cast<double>(bytes) / 1e6);
    return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

}  // namespace atrium::cli
