#pragma once

#include <expected>
#include <utility>

#include "base/error.h"

namespace atrium {

/// A value or the reason why there is none. `Result<>` is success without a value.
///
///     Result<Bytes> read(Path);            // return invalid_argument("…") or a value
///     TRY_ASSIGN(auto bytes, read(path));  // in a plain function: propagates the error
///     CO_TRY(co_await store.put(bytes));   // in a coroutine
template <class T = void>
using Result = std::expected<T, Error>;

/// What a failing function returns: `return fail(not_found("…"))`.
/// (Plain `return not_found("…")` does not convert; `std::unexpected` has to be spelled out once, here.)
inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }

}  // namespace atrium

// Statement macros, never expression statements: GNU statement expressions may not contain co_await portably.
#define ATRIUM_CONCAT_INNER(a, b) a##b
#define ATRIUM_CONCAT(a, b) ATRIUM_CONCAT_INNER(a, b)
#define ATRIUM_TRY_IMPL(tmp, ret, expr) \
    do { \
        if (auto tmp = (expr); !tmp) ret ::std::unexpected<::atrium::Error>(::std::move(tmp).error()); \
    } while (false)
#define ATRIUM_TRY_ASSIGN_IMPL(tmp, ret, declaration, expr) \
    auto tmp = (expr); \
    if (!tmp) ret ::std::unexpected<::atrium::Error>(::std::move(tmp).error()); \
    declaration = ::std::move(*tmp)

/// Evaluates a Result expression; on failure returns its error from the enclosing function.
#define TRY(...) ATRIUM_TRY_IMPL(ATRIUM_CONCAT(try_, __LINE__), return, (__VA_ARGS__))
/// `TRY_ASSIGN(auto x, f())`: declares (or assigns) x from the value, or returns the error.
#define TRY_ASSIGN(declaration, ...) \
    ATRIUM_TRY_ASSIGN_IMPL(ATRIUM_CONCAT(try_, __LINE__), return, declaration, (__VA_ARGS__))
/// The same two for coroutines.
#define CO_TRY(...) ATRIUM_TRY_IMPL(ATRIUM_CONCAT(try_, __LINE__), co_return, (__VA_ARGS__))
#define CO_TRY_ASSIGN(declaration, ...) \
    ATRIUM_TRY_ASSIGN_IMPL(ATRIUM_CONCAT(try_, __LINE__), co_return, declaration, (__VA_ARGS__))
