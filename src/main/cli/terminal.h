#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

/// What commands print, in the user's language. Main thread only.
namespace atrium::cli {

enum ExitCode : int { kOk = 0, kFailed = 1, kUsage = 2 };

/// Picks the text for the user's language: Chinese when LC_ALL, LC_MESSAGES or LANG says zh, else English.
std::string_view tr(std::string_view english, std::string_view chinese);

/// Whether standard output (error) is a terminal; colours and progress bars only then, and never with NO_COLOR.
bool output_is_terminal();
bool errors_are_terminal();

std::string bold(std::string_view text);
std::string dim(std::string_view text);
std::string green(std::string_view text);
std::string red(std::string_view text);

/// Standard output with a newline.
void print(std::string_view line);
/// Standard output as it is, flushed; for streamed answers.
void print_raw(std::string_view text);
/// "atrium: message" on standard error, and the code to exit with.
int report(const Error& error);

/// One line that redraws itself: "gemma-3-270m  ━━━━━━━╸        62 %  150 / 241 MB  12 MB/s". Off a terminal it prints the
/// label once when it starts and once when it ends.
class ProgressBar {
public:
    explicit ProgressBar(std::string label);
    ~ProgressBar();
    void update(std::uint64_t done, std::uint64_t total, std::string_view phase);
    void finish(std::string_view outcome);

private:
    std::string label_;
    double started_ = 0;
    double drawn_ = 0;
    bool finished_ = false;
};

/// Columns padded to the widest cell (a CJK character counts two).
class Table {
public:
    void row(std::initializer_list<std::string> cells);
    void print() const;

private:
    std::vector<std::vector<std::string>> rows_;
};

std::string format_bytes(std::uint64_t bytes);

}  // namespace atrium::cli
