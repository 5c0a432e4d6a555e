#include "platform/sql/internal/soci_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "base/text.h"

namespace atrium::sql {
namespace {

// Statements are written in the code, so their number is small; a statement built per request would show up here.
constexpr std::size_t kMaxCachedStatements = 256;

/// Values at stable addresses for as long as a statement is bound to them.
struct Slot {
    soci::indicator indicator = soci::i_ok;
    long long integer = 0;
    double number = 0;
    std::string text;
};

Result<> check_value(const Param& param) {
    if (const auto* text = std::get_if<std::string>(&param.value)) {
        // PostgreSQL has no NUL in text, and the driver would cut the value there without a word.
        if (text->find('\0') != std::string::npos) {
            return fail(invalid_argument(fmt::format("'{}' must not contain a NUL character", param.name)));
        }
        if (!text::is_utf8(*text)) {
            return fail(invalid_argument(fmt::format("'{}' must be valid UTF-8", param.name)));
        }
    }
    if (const auto* number = std::get_if<double>(&param.value); number != nullptr && !std::isfinite(*number)) {
        return fail(invalid_argument(fmt::format("'{}' must be a finite number", param.name)));
    }
    return {};
}

/// A missing parameter would leave the driver reading the value of the previous call.
Result<> check_names(const std::vector<std::string>& wanted, const Params& given, std::string_view sql) {
    const auto complain = [&](std::string_view problem, std::string_view name) {
        return fail(internal_error("a database statement is wrong")
                        .with_cause(internal_error(fmt::format("{} ':{}' in: {}", problem, name, text::shorten(sql, 200)))));
    };
    for (const std::string& name : wanted) {
        const auto count = std::ranges::count(given, name, &Param::name);
        if (count != 1) return complain(count == 0 ? "no value for" : "several values for", name);
    }
    for (const Param& param : given) {
        if (std::ranges::find(wanted, param.name) == wanted.end()) return complain("no place for", param.name);
    }
    return {};
}

void bind(soci::statement& statement, const Params& params, std::deque<Slot>& slots) {
    for (const Param& param : params) {
        Slot& slot = slots.emplace_back();
        if (const auto* integer = std::get_if<std::int64_t>(&param.value)) {
            slot.integer = *integer;
            statement.exchange(soci::use(slot.integer, slot.indicator, param.name));
        } else if (const auto* number = std::get_if<double>(&param.value)) {
            slot.number = *number;
            statement.exchange(soci::use(slot.number, slot.indicator, param.name));
        } else if (const auto* text = std::get_if<std::string>(&param.value)) {
            statement.exchange(soci::use(*text, slot.indicator, param.name));
        } else {
            slot.indicator = soci::i_null;
            statement.exchange(soci::use(slot.text, slot.indicator, param.name));
        }
    }
    statement.define_and_bind();
}

}  // namespace

SociConnection::SociConnection(Dialect dialect, const soci::backend_factory& factory, const std::string& parameters)
    : session_(factory, parameters), dialect_(dialect) {}

SociConnection::~SociConnection() {
    // Statements go before their session.
    discarded_.clear();
    cache_.clear();
}

std::unexpected<Error> SociConnection::doom(Error error) {
    if (!doomed_) doomed_ = error;
    return fail(std::move(error));
}

void SociConnection::drop(std::string_view sql) {
    const auto entry = cache_.find(sql);
    if (entry == cache_.end()) return;
    discarded_.push_back(std::move(entry->second));
    cache_.erase(entry);
}

Result<SociConnection::Prepared*> SociConnection::prepared(std::string_view sql) {
    if (const auto entry = cache_.find(sql); entry != cache_.end()) return entry->second.get();
    TRY_ASSIGN(Statement text, translate(sql, dialect_));
    if (cache_.size() >= kMaxCachedStatements) {
        for (auto& [key, statement] : cache_) discarded_.push_back(std::move(statement));
        cache_.clear();
    }
    auto statement = std::make_unique<Prepared>(session_, std::move(text));
    return cache_.emplace(sql, std::move(statement)).first->second.get();
}

Result<SociConnection::Outcome> SociConnection::execute_prepared(Prepared& prepared, const Params& params,
                                                                 std::size_t max_rows) {
    std::deque<Slot> slots;
    struct Unbind {
        soci::statement& statement;
        ~Unbind() { statement.bind_clean_up(); }
    } unbind{prepared.statement};
    bind(prepared.statement, params, slots);
    const bool has_row = prepared.statement.execute(true);
    Outcome out;
    collect(*prepared.statement.get_backend(), has_row, max_rows, out);
    return out;
}

Result<SociConnection::Outcome> SociConnection::run(std::string_view sql, const Params& params, std::size_t max_rows) {
    if (doomed_) return fail(*doomed_);
    try {
        auto statement = prepared(sql);
        if (!statement) return doom(std::move(statement).error());
        if (auto named = check_names((*statement)->parameters, params, sql); !named) return doom(std::move(named).error());
        for (const Param& param : params) {
            if (auto good = check_value(param); !good) return doom(std::move(good).error());
        }
        return execute_prepared(**statement, params, max_rows);
    } catch (const soci::soci_error& error) {
        drop(sql);
        return doom(classify(error));
    }
}

Result<std::vector<Row>> SociConnection::query(std::string_view sql, const Params& params) {
    TRY_ASSIGN(Outcome outcome, run(sql, params, std::numeric_limits<std::size_t>::max()));
    return std::move(outcome.rows);
}

Result<std::optional<Row>> SociConnection::query_one(std::string_view sql, const Params& params) {
    TRY_ASSIGN(Outcome outcome, run(sql, params, 1));
    if (outcome.rows.empty()) return std::optional<Row>();
    return std::optional<Row>(std::move(outcome.rows.front()));
}

Result<std::int64_t> SociConnection::execute(std::string_view sql, const Params& params) {
    TRY_ASSIGN(const Outcome outcome, run(sql, params, 0));
    return outcome.changed;
}

Result<> SociConnection::control(std::string_view sql) {
    try {
        session_ << sql;
        return {};
    } catch (const soci::soci_error& error) {
        return fail(classify(error));
    }
}

Result<> SociConnection::begin(Access access) {
    doomed_.reset();
    contended_ = false;
    discarded_.clear();
    access_ = access;
    try {
        prepare_for(access);
    } catch (const soci::soci_error& error) {
        return fail(classify(error));
    }
    return control(begin_statement(access));
}

Result<> SociConnection::commit() { return control("COMMIT"); }

void SociConnection::rollback() {
    const bool contended = contended_;
    const bool was_broken = broken_;
    // SQLite rolls back by itself after some failures.
    if (!broken_ && in_transaction() && !control("ROLLBACK")) broken_ = true;
    contended_ = contended;
    if (was_broken) broken_ = true;
    discarded_.clear();
}

Result<> SociConnection::run_once(std::string_view sql) {
    if (doomed_) return fail(*doomed_);
    auto text = translate(sql, dialect_);
    if (!text) return doom(std::move(text).error());
    if (auto done = control(text->sql); !done) return doom(std::move(done).error());
    return {};
}

}  // namespace atrium::sql
