#pragma once

#include <source_location>
#include <string_view>

namespace atrium {

/// Called once per failed BUG_IF with the condition's text; set by main to log and count. Default: stderr.
using BugHandler = void (*)(std::string_view condition, std::source_location where);
void set_bug_handler(BugHandler handler);

[[noreturn]] void check_failed(std::string_view condition, std::source_location where);
void bug_found(std::string_view condition, std::source_location where);

}  // namespace atrium

/// Fatal in every build: continuing would corrupt data. Never on input.
#define CHECK(condition) \
    (static_cast<bool>(condition) ? void() : ::atrium::check_failed(#condition, std::source_location::current()))

/// A "cannot happen" that the program survives: logs, counts, and evaluates to true so that the caller can bail out.
#define BUG_IF(condition) \
    (static_cast<bool>(condition) ? (::atrium::bug_found(#condition, std::source_location::current()), true) : false)

/// Fatal in debug builds, nothing in release.
#ifdef NDEBUG
#define ASSERT(condition) static_cast<void>(0)
#else
#define ASSERT(condition) CHECK(condition)
#endif
