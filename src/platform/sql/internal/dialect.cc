#include "platform/sql/internal/dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace atrium::sql {
namespace {

struct Word {
    std::string_view name;
    std::string_view sqlite;
    std::string_view postgresql;
};

constexpr std::array<Word, 6> kWords{{
    {"bigserial", "INTEGER", "BIGSERIAL"},
    {"for_update", "", "FOR UPDATE"},
    {"skip_locked", "", "FOR UPDATE SKIP LOCKED"},
    {"collate_bytes", "COLLATE BINARY", "COLLATE \"C\""},
    {"greatest", "max", "GREATEST"},
    {"least", "min", "LEAST"},
}};

bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

Error defect(std::string_view what, std::string_view sql) {
    return internal_error("a database statement is wrong")
        .with_cause(internal_error(fmt::format("{} in: {}", what, text::shorten(sql, 200))));
}

}  // namespace

std::string_view dialect_name(Dialect dialect) { return dialect == Dialect::kSqlite ? "sqlite" : "postgresql"; }

Result<Statement> translate(std::string_view sql, Dialect dialect) {
    Statement result;
    std::string& out = result.sql;
    out.reserve(sql.size() + 16);
    for (std::size_t i = 0; i < sql.size();) {
        const std::string_view rest = sql.substr(i);
        if (rest.starts_with("--")) {
            i = std::min(sql.find('\n', i), sql.size());
        } else if (rest.starts_with("/*")) {
            const std::size_t end = sql.find("*/", i + 2);
            if (end == std::string_view::npos) return fail(defect("unclosed comment", sql));
            out += ' ';
            i = end + 2;
        } else if (rest[0] == '\'' || rest[0] == '"') {
            const std::size_t end = sql.find(rest[0], i + 1);
            if (end == std::string_view::npos) return fail(defect("unclosed quote", sql));
            out += sql.substr(i, end + 1 - i);  // a doubled quote is simply two quoted parts in a row
            i = end + 1;
        } else if (rest.starts_with("{{")) {
            const std::size_t end = sql.find("}}", i);
            const auto name = sql.substr(i + 2, end == std::string_view::npos ? end : end - i - 2);
            const auto word = std::ranges::find(kWords, name, &Word::name);
            if (word == kWords.end()) return fail(defect(fmt::format("unknown word '{{{{{}}}}}'", name), sql));
            out += dialect == Dialect::kSqlite ? word->sqlite : word->postgresql;
            i = end + 2;
        } else if (rest.starts_with("::")) {
            out += "::";
            i += 2;
        } else if (rest[0] == ':' && rest.size() > 1 && is_name_char(rest[1])) {
            const auto end = std::ranges::find_if_not(rest.substr(1), is_name_char);
            const std::string name(rest.substr(1).begin(), end);
            if (std::ranges::find(result.parameters, name) == result.parameters.end()) result.parameters.push_back(name);
            out += ':' + name;
            i += 1 + name.size();
        } else if (rest[0] == ';') {
            // The SQLite driver would silently drop what follows.
            const bool last = split_statements(rest.substr(1)).empty();
            if (!last) return fail(defect("more than one statement", sql));
            i = sql.size();
        } else {
            out += rest[0];
            ++i;
        }
    }
    return result;
}

std::vector<std::string_view> split_statements(std::string_view script) {
    const auto only_comments = [](std::string_view statement) {
        return std::ranges::all_of(text::split(statement, '\n'), [](std::string_view line) {
            line = text::trim(line);
            return line.empty() || line.starts_with("--");
        });
    };
    std::vector<std::string_view> statements;
    std::size_t begin = 0;
    while (begin < script.size()) {
        std::size_t end = begin;
        do {
            end = std::min(script.find(';', end), script.size());
            if (end == script.size()) break;
            const std::size_t next = std::min(script.find_first_not_of(" \t\r", end + 1), script.size());
            if (next == script.size() || script[next] == '\n') break;
            ++end;
        } while (true);
        const std::string_view statement = text::trim(script.substr(begin, end - begin));
        if (!only_comments(statement)) statements.push_back(statement);
        begin = end + 1;
    }
    return statements;
}

std::string checksum(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return fmt::format("{:016x}", hash);
}

}  // namespace atrium::sql
