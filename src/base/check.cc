#include "base/check.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace atrium {
namespace {

void print(std::string_view kind, std::string_view condition, std::source_location where) {
    fmt::print(stderr, "{}: {} at {}:{}\n", kind, condition, where.file_name(), where.line());
}

void print_bug(std::string_view condition, std::source_location where) { print("BUG", condition, where); }

std::atomic<BugHandler> bug_handler{&print_bug};

}  // namespace

void set_bug_handler(BugHandler handler) { bug_handler.store(handler ? handler : &print_bug); }

void check_failed(std::string_view condition, std::source_location where) {
    print("CHECK failed", condition, where);
    std::abort();
}

void bug_found(std::string_view condition, std::source_location where) { bug_handler.load()(condition, where); }

}  // namespace atrium
