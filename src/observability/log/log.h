#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/result.h"

/// Structured log lines: one JSON object per line with ts, level, msg, trace_id and the given fields, written by a
/// background thread (spdlog async; when its queue is full the oldest lines are dropped and counted).
/// Secrets, prompts and answers never go here. Thread-safe; usable before init (then plain lines to stderr).
namespace atrium::log {

enum class Level { kDebug, kInfo, kWarning, kError };
enum class Format { kJson, kText };  ///< text is for people at a terminal

struct Options {
    Level level = Level::kInfo;
    Format format = Format::kJson;
    std::string file;  ///< empty: stderr
};
Result<Level> parse_level(std::string_view name);

void init(const Options& options);
void shutdown();  ///< flushes
void set_level(Level level);
bool enabled(Level level);

using FieldValue = std::variant<std::string, std::int64_t, double, bool>;
struct Field {
    std::string_view key;
    FieldValue value;
    Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
    Field(std::string_view k, std::string_view v) : key(k), value(std::string(v)) {}
    Field(std::string_view k, const char* v) : key(k), value(std::string(v)) {}
    Field(std::string_view k, bool v) : key(k), value(v) {}
    Field(std::string_view k, double v) : key(k), value(v) {}
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    Field(std::string_view k, T v) : key(k), value(static_cast<std::int64_t>(v)) {}
    Field(std::string_view k, const Error& v) : key(k), value(v.to_string()) {}
};
using Fields = std::initializer_list<Field>;

void write(Level level, std::string_view message, Fields fields = {}, std::string_view trace_id = {});
inline void debug(std::string_view message, Fields fields = {}) { write(Level::kDebug, message, fields); }
inline void info(std::string_view message, Fields fields = {}) { write(Level::kInfo, message, fields); }
inline void warning(std::string_view message, Fields fields = {}) { write(Level::kWarning, message, fields); }
inline void error(std::string_view message, Fields fields = {}) { write(Level::kError, message, fields); }

}  // namespace atrium::log
